"""Reading NumPy's files; never what is pickled in them."""

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
        BenchmarkError: The file is missing, cut short, or holds pickled objects; names it.
    """
    if not path.is_file():
        raise BenchmarkError(f"{path} does not exist")
    try:
        return np.asarray(np.load(path, allow_pickle=False))
    except (ValueError, EOFError, OSError, TypeError, SyntaxError, UnicodeDecodeError) as error:
        raise _unreadable(str(path), error) from error


def read_npy_bytes(content: bytes, source: str) -> np.ndarray:
    """Read an array from the bytes of a file.

    Args:
        content: All of the `.npy` file.
        source: Where it is, for messages.

    Returns:
        The array.

    Raises:
        BenchmarkError: It is cut short or holds pickled objects; names it.
    """
    try:
        return np.asarray(np.lib.format.read_array(io.BytesIO(content), allow_pickle=False))
    except (ValueError, EOFError, OSError, TypeError, SyntaxError, UnicodeDecodeError) as error:
        raise _unreadable(source, error) from error


def _unreadable(source: str, error: Exception) -> BenchmarkError:
    if "allow_pickle" in str(error):
        return BenchmarkError(f"{source} holds pickled Python objects, which are not read: they could run code")
    return BenchmarkError(f"{source} is cut short or no NumPy file: {error}")
