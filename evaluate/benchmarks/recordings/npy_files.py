"""Read NumPy's files, except those with pickled objects."""

import io
import math
from pathlib import Path
from typing import IO

import numpy as np
from numpy.lib import format as npy

from evaluate.benchmarks.problems import BenchmarkError
from networks.files.lfs_pointers import IS_POINTER, is_pointer_file

_ERRORS = (ValueError, EOFError, OSError, TypeError, SyntaxError, UnicodeDecodeError, MemoryError)
"""What NumPy raises on files that are cut short or damaged."""


def read_npy(path: Path) -> np.ndarray:
    """Read an array from a file.

    Args:
        path: The `.npy` file.

    Returns:
        The array.

    Raises:
        BenchmarkError: The file is missing, truncated, or contains pickled objects; the message names it.
    """
    if not path.is_file():
        raise BenchmarkError(f"{path} does not exist")
    if is_pointer_file(path):
        raise BenchmarkError(f"{path}: {IS_POINTER}")
    try:
        with path.open("rb") as file:
            _check_size(file, path.stat().st_size)
        return np.asarray(np.load(path, allow_pickle=False))
    except _ERRORS as error:
        raise _unreadable(str(path), error) from error


def read_npy_bytes(content: bytes, source: str) -> np.ndarray:
    """Read an array from the bytes of a file.

    Args:
        content: Bytes of the whole `.npy` file.
        source: Path of the file, for messages.

    Returns:
        The array.

    Raises:
        BenchmarkError: The file is truncated or contains pickled objects; the message names it.
    """
    try:
        _check_size(io.BytesIO(content), len(content))
        return np.asarray(np.lib.format.read_array(io.BytesIO(content), allow_pickle=False))
    except _ERRORS as error:
        raise _unreadable(source, error) from error


def npy_dtype(file: IO[bytes], source: str) -> np.dtype:
    """Read the type of an array from the header of its file, of which no more is read.

    Args:
        file: The opened file.
        source: Its path, for messages.

    Raises:
        BenchmarkError: The header is damaged.
    """
    try:
        return _header(file)[1]
    except _ERRORS as error:
        raise _unreadable(source, error) from error


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], np.dtype]:
    version = npy.read_magic(file)
    # Versions 2 and 3 differ in the encoding of names of fields, which are not needed.
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, _, dtype = read(file)
    return shape, dtype


def _check_size(file: IO[bytes], num_bytes: int) -> None:
    """Compare the size that a header claims with what is there, before NumPy makes an array of that size."""
    shape, dtype = _header(file)
    claimed, held = math.prod(shape) * dtype.itemsize, num_bytes - file.tell()
    if claimed > held and not dtype.hasobject:
        raise ValueError(f"its header claims {shape} values of {dtype}, {claimed} bytes, but it holds {held}")


def _unreadable(source: str, error: Exception) -> BenchmarkError:
    if "allow_pickle" in str(error):
        return BenchmarkError(
            f"{source} holds pickled Python objects, which are not read, as they could run code: save plain numbers"
        )
    return BenchmarkError(f"{source} is cut short or not a NumPy file: {error}")
