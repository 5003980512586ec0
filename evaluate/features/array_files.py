"""Arrays in files that are whole or not there, and that tell when they were damaged."""

import hashlib
import io
from pathlib import Path

import numpy as np
from numpy.lib import format as npy

from datamodules.files import write_bytes

NUM_DIGEST_BYTES = 16
"""Length of the checksum (BLAKE2b) behind the array: damage goes unseen once in 2^128."""

_MAX_HEAD_BYTES = 2**16 + 16
"""Version 1 of NumPy's format has 10 bytes and a head of at most 2^16 before the numbers."""


def write_array(path: Path, array: np.ndarray) -> None:
    """Write an array in NumPy's format with a checksum behind it; `numpy.load` reads it too.

    Args:
        path: Where the file goes; its folder is made.
        array: Numbers, of any shape.

    Raises:
        OSError: The file cannot be written.
    """
    content = io.BytesIO()
    npy.write_array(content, np.asarray(array, order="C"), version=(1, 0), allow_pickle=False)
    content.write(_digest(content.getbuffer()))
    path.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(path, content.getvalue(), durable=True)


def read_array(path: Path) -> np.ndarray | None:
    """Map an array of `write_array` into memory.

    Args:
        path: The file.

    Returns:
        The array; None where there is no such file, or one that was cut short or changed. Writing into the array does
        not change the file.
    """
    try:
        content = np.memmap(path, dtype=np.uint8, mode="c")
    except (OSError, ValueError):  # ValueError: an empty file
        return None
    # The checksum comes first: NumPy's reader raises all kinds of errors on a damaged head.
    end = len(content) - NUM_DIGEST_BYTES
    if end <= 0 or _digest(content.data[:end]) != content[end:].tobytes():
        return None
    head = io.BytesIO(content.data[: min(end, _MAX_HEAD_BYTES)])
    npy.read_magic(head)
    shape, _, dtype = npy.read_array_header_1_0(head)
    return np.ndarray(shape, dtype, buffer=content, offset=head.tell())


def _digest(content: memoryview) -> bytes:
    return hashlib.blake2b(content, digest_size=NUM_DIGEST_BYTES).digest()
