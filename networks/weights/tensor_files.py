"""Reading files of weights without running code from them, whoever wrote the file."""

import importlib
import pickle
import re
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from networks.weights.strict import CheckpointError


class Skipped:
    """Stands for an object of a file that is no weight and is not made: whatever it is called with, it does nothing."""

    def __new__(cls, *_args: Any, **_kwargs: Any) -> "Skipped":
        """Take any arguments and forget them."""
        return super().__new__(cls)

    def __setstate__(self, _state: Any) -> None:
        """Take any state and forget it."""

    def __setitem__(self, _key: Any, _value: Any) -> None:
        """Take any item and forget it."""


_multiarray = importlib.import_module("numpy._core.multiarray")
# numpy's numbers and arrays, beside the weights in many a file (the epoch, an accuracy). Making one runs no code. They
# are pickled under the module names of numpy 1 or 2.
_NUMPY: list[Any] = [
    np.dtype,
    np.ndarray,
    *(type(np.dtype(name)) for name in ("bool", "int32", "int64", "uint8", "float32", "float64")),
    *(
        (getattr(_multiarray, name), f"numpy.{core}.multiarray.{name}")
        for core in ("core", "_core")
        for name in ("scalar", "_reconstruct")
    ),
]
# What dill, which the published files were written with, pickles Python types and arrays by. None of it is made: the
# names stand for `Skipped`, and the entries of a file that hold such an object are of no use to us. A weight cannot be
# one: weights must be tensors. Functions, which dill can pickle too, are refused.
_OF_DILL = [
    *(f"{module}.{name}" for module in ("dill._dill", "dill.dill") for name in ("_load_type", "_create_array")),
    "collections.defaultdict",
]
_CODE = re.compile(r"\bGLOBAL (\S+)|unrecognized (function .*)")
"""Where PyTorch's errors name what the file would have called."""
_READABLE: list[Any] = [*_NUMPY, *((Skipped, name) for name in _OF_DILL)]


def read_tensor_file(path: str | Path) -> Any:
    """Read what `torch.save` wrote (either of its formats, also with dill), tensors on the CPU.

    PyTorch's restricted unpickler (`weights_only=True`) knows tensors and plain Python values and calls nothing that
    a file names. To these come here numpy's numbers and arrays. Types and arrays pickled by dill come back as
    `Skipped`, an empty stand-in. A file that names anything else is refused as a whole.

    Args:
        path: The file.

    Returns:
        What is in it, most often a dictionary.

    Raises:
        FileNotFoundError: If there is no such file.
        CheckpointError: If the file is damaged, is no file of PyTorch's, or would run code on loading; names what.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such checkpoint")
    try:
        with torch.serialization.safe_globals(_READABLE):
            return torch.load(str(path), map_location="cpu", weights_only=True)
    # Damaged pickles raise all kinds of errors; those of the operating system (OSError) are no fault of the file.
    except (
        pickle.UnpicklingError,
        RuntimeError,
        EOFError,
        zipfile.BadZipFile,
        LookupError,
        ValueError,
        TypeError,
        AttributeError,
    ) as error:
        raise CheckpointError(
            f"{path}: expected a checkpoint of plain tensors and values, but loading it failed: {_reason(error)}"
        ) from error


def _reason(error: Exception) -> str:
    """What is wrong in a few words: PyTorch's own begin with advice to load the file unsafely."""
    code = _CODE.search(str(error))
    if code is not None:
        return f"it would run code, as it names {code[1].rstrip('.')}, which is neither a tensor nor a plain value"
    _, _, rest = str(error).partition("WeightsUnpickler error:")
    lines = [line.strip() for line in (rest or str(error)).splitlines() if line.strip()]
    return f"it is damaged, or not written by torch.save ({type(error).__name__}: {lines[0] if lines else ''})"
