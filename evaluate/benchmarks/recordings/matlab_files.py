"""Read MATLAB files with plain arrays and cell arrays of strings."""

import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy.io import loadmat
from scipy.io.matlab import MatReadError

from evaluate.benchmarks.problems import BenchmarkError, shorten

MAT_ERRORS = (
    MatReadError,
    zlib.error,
    ValueError,
    TypeError,
    LookupError,
    NotImplementedError,
    EOFError,
    OSError,
    MemoryError,
)
"""Errors that scipy's reader raises for files that are truncated, damaged, or of MATLAB 7.3."""


def read_matlab(path: Path, required: Sequence[str]) -> dict[str, np.ndarray]:
    """Read a MATLAB file.

    Args:
        path: The file, of MATLAB 5 to 7.2.
        required: Names of arrays that it must contain.

    Returns:
        Arrays by name.

    Raises:
        BenchmarkError: The file is missing, cannot be read, or lacks an array; the message names it.
    """
    if not path.is_file():
        raise BenchmarkError(f"{path} does not exist: expected the published file {path.name}")
    try:
        arrays = loadmat(path)
    except MAT_ERRORS as error:
        raise BenchmarkError(f"{path} cannot be read as a MATLAB file: {error}") from error
    missing = [name for name in required if name not in arrays]
    if missing:
        raise BenchmarkError(f"{path} lacks the array {shorten(missing)}")
    return dict(arrays)


def cell_strings(cells: np.ndarray, key: str, path: Path) -> tuple[str, ...]:
    """Convert a cell array of strings (an object array of one-string arrays) to a tuple.

    Args:
        cells: The cell array as scipy returns it.
        key: Its name, for messages.
        path: Its file, for messages.

    Returns:
        The strings.

    Raises:
        BenchmarkError: An entry is not a string; the message gives its index.
    """
    entries = [np.asarray(cell) for cell in np.asarray(cells).ravel()]
    bad = [index for index, entry in enumerate(entries) if entry.size != 1 or entry.dtype.kind != "U"]
    if bad:
        raise BenchmarkError(f"{path}: entry {bad[0]} of {key} is not one string")
    return tuple(str(entry.item()) for entry in entries)
