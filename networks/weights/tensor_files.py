"""Read files of weights without running code from them, whoever wrote the file."""

import fnmatch
import importlib
import re
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from networks.files.lfs_pointers import IS_POINTER, is_pointer_file
from networks.weights.strict import CheckpointError


class Skipped:
    """Placeholder for an object in a file that is not a weight and is not created; all its methods do nothing."""

    def __new__(cls, *_args: Any, **_kwargs: Any) -> "Skipped":
        """Ignore all arguments."""
        return super().__new__(cls)

    def __setstate__(self, _state: Any) -> None:
        """Ignore the state."""

    def __setitem__(self, _key: Any, _value: Any) -> None:
        """Ignore the item."""


_multiarray = importlib.import_module("numpy._core.multiarray")
# NumPy's numbers and arrays, which many files contain in addition to weights (the epoch, an accuracy). Creating them
# runs no code. They are pickled with the module names of NumPy 1 or 2.
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
# Names by which dill, the writer of the published files, pickles Python types and arrays. These objects are not created
# but replaced by `Skipped`: their entries in a file are not needed. A weight cannot be among them, as weights must be
# tensors. Functions, which dill can pickle too, raise an error.
_OF_DILL = [f"{module}.{name}" for module in ("dill._dill", "dill.dill") for name in ("_load_type", "_create_array")]


def _plain_dict(*_args: Any) -> dict[Any, Any]:
    """Take the place of a `defaultdict`, whose factory is not needed."""
    return {}


_CODE = re.compile(r"\bGLOBAL (\S+)|unrecognized (function .*)")
"""Where PyTorch's errors name what the file would have called."""
MAX_EXPANSION = 20
"""An archive may hold this many times its own size; PyTorch does not compress what it saves."""
_ARCHIVE = b"PK\x03\x04"  # how an archive begins
_FREE_BYTES = 1 << 20  # whatever the size of the archive
_READABLE: list[Any] = [
    *_NUMPY,
    (_plain_dict, "collections.defaultdict"),
    *((Skipped, name) for name in _OF_DILL),
]


def read_tensor_file(path: str | Path, *, skipped: Sequence[str] = ()) -> Any:
    """Read a file written by `torch.save` (in either of its formats, also with dill), with tensors on the CPU.

    PyTorch's restricted unpickler (`weights_only=True`) accepts tensors and plain Python values and calls nothing that
    a file names. In addition, NumPy's numbers and arrays are accepted here. Types and arrays pickled by dill are
    returned as `Skipped`, an empty placeholder. Any other name in a file raises an error.

    Args:
        path: The file.
        skipped: Patterns of names, such as `omegaconf.*`, of objects in the file that are not needed. They are not
            imported; `Skipped` takes their place.

    Returns:
        Its content, usually a dictionary.

    Raises:
        FileNotFoundError: If there is no such file.
        CheckpointError: If the file is damaged (checksums show this, which files of PyTorch before 1.6 do not have), is
            no file of PyTorch's, would run code on loading (names what), or would need far more memory than its size.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such checkpoint")
    if is_pointer_file(path):
        raise CheckpointError(f"{path}: {IS_POINTER}")
    try:
        _check_archive(path)
        with torch.serialization.safe_globals([*_READABLE, *_skipped_names(path, skipped)]):
            content = torch.load(str(path), map_location="cpu", weights_only=True)
        _check_tensors(content)
        return content
    except OSError:  # of the operating system, no fault of the file
        raise
    except Exception as error:  # damaged files raise errors of any type
        raise CheckpointError(
            f"{path}: expected a checkpoint of plain tensors and values, but loading it failed: {_reason(error)}"
        ) from error


def _check_archive(path: Path) -> None:
    """Check that an archive does not expand to many times its size, and its checksums, which torch.load ignores."""
    if not zipfile.is_zipfile(path):
        with path.open("rb") as file:
            if file.read(len(_ARCHIVE)) == _ARCHIVE:
                raise ValueError("the archive has no end, as if the file had been cut short")
        return
    with zipfile.ZipFile(path) as archive:
        num_bytes = sum(member.file_size for member in archive.infolist())
        if num_bytes > MAX_EXPANSION * path.stat().st_size + _FREE_BYTES:
            raise ValueError(f"it would expand to {num_bytes / 1e9:.1f} GB, more than {MAX_EXPANSION} times its size")
        damaged = archive.testzip()
    if damaged is not None:
        raise ValueError(f"the checksum of {damaged} is wrong")


def _skipped_names(path: Path, patterns: Sequence[str]) -> list[Any]:
    """Find the names in a file that match patterns, without running anything."""
    if not patterns or not zipfile.is_zipfile(path):
        return []
    names = torch.serialization.get_unsafe_globals_in_checkpoint(str(path))
    return [(Skipped, name) for name in names if any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)]


def _check_tensors(content: Any) -> None:
    """Check that no tensor repeats its memory: a copy of one with strides of 0 has any size."""
    found, waiting = set(), [content]
    while waiting:
        value = waiting.pop()
        if isinstance(value, torch.Tensor) and value.layout == torch.strided:
            num_bytes = value.numel() * value.element_size()
            if num_bytes > MAX_EXPANSION * value.untyped_storage().nbytes() + _FREE_BYTES:
                raise ValueError(f"a tensor of shape {tuple(value.shape)} has far fewer values than that")
        elif isinstance(value, dict | list | tuple) and id(value) not in found:
            found.add(id(value))
            waiting += value.values() if isinstance(value, dict) else value


def _reason(error: Exception) -> str:
    """Shorten an error of PyTorch, which starts with advice to load the file unsafely."""
    code = _CODE.search(str(error))
    if code is not None:
        return f"it would run code, as it names {code[1].rstrip('.')}, which is neither a tensor nor a plain value"
    _, _, rest = str(error).partition("WeightsUnpickler error:")
    lines = [line.strip() for line in (rest or str(error)).splitlines() if line.strip()]
    return f"it is damaged, or not written by torch.save ({type(error).__name__}: {lines[0] if lines else ''})"
