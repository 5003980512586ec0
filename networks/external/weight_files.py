"""Weights of external networks, given as a state dict, a file or a folder with one file."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from torch import Tensor

from networks.weights.strict import CheckpointError
from networks.weights.tensor_files import read_tensor_file

Weights = str | Path | Mapping[str, Tensor]
"""File or folder of weights, or a state dict."""
PATTERNS = ("*.pt", "*.pth")


class StateDict(NamedTuple):
    """Tensors by name, and where they come from.

    Attributes:
        tensors: The state dict.
        source: A file's path, or "state dict", for error messages.
    """

    tensors: Mapping[str, Tensor]
    source: str


def read_state_dict(weights: Weights) -> StateDict:
    """Read a state dict from wherever it is, without running code from files.

    Args:
        weights: State dict, file written by `torch.save`, or folder with one such file (`*.pt` or `*.pth`).

    Returns:
        The state dict and its source.

    Raises:
        FileNotFoundError: There is no such file, or the folder does not have exactly one.
        CheckpointError: The file cannot be read safely, or does not hold a dictionary.
    """
    if isinstance(weights, Mapping):
        return StateDict(weights, "state dict")
    path = _single_file(Path(weights))
    content = read_tensor_file(path)
    if not isinstance(content, Mapping):
        raise CheckpointError(f"{path}: expected a state dict, got a {type(content).__name__}")
    return StateDict(content, str(path))


def _single_file(path: Path) -> Path:
    if not path.is_dir():
        return path
    found = sorted(file for pattern in PATTERNS for file in path.glob(pattern))
    if len(found) != 1:
        raise FileNotFoundError(f"{path}: expected one file of weights ({' or '.join(PATTERNS)}), found {len(found)}")
    return found[0]
