"""Read NumPy's files, except those with pickled objects."""

import io
from pathlib import Path

import numpy as np

from evaluate.benchmarks.problems import BenchmarkError


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
    try:
        return np.asarray(np.load(path, allow_pickle=False))
    except (ValueError, EOFError, OSError, TypeError, SyntaxError, UnicodeDecodeError, MemoryError) as error:
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
        return np.asarray(np.lib.format.read_array(io.BytesIO(content), allow_pickle=False))
    except (ValueError, EOFError, OSError, TypeError, SyntaxError, UnicodeDecodeError, MemoryError) as error:
        raise _unreadable(source, error) from error


def _unreadable(source: str, error: Exception) -> BenchmarkError:
    if "allow_pickle" in str(error):
        return BenchmarkError(
            f"{source} holds pickled Python objects, which are not read, as they could run code: save plain numbers"
        )
    return BenchmarkError(f"{source} is cut short or not a NumPy file: {error}")
