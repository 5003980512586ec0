"""Arrays in files that are complete or missing, with a checksum that detects damage."""

import hashlib
import io
from pathlib import Path

import numpy as np
from numpy.lib import format as npy

from datamodules.files import replacing

NUM_DIGEST_BYTES = 16
"""Length of the checksum (BLAKE2b) after the array: it misses damage once in 2^128."""

_MAX_HEAD_BYTES = 2**16 + 16
"""Version 1 of NumPy's format has 10 bytes and a header of at most 2^16 bytes before the data."""


def write_array(path: Path, array: np.ndarray) -> None:
    """Write an array in NumPy's format, followed by a checksum; `numpy.load` reads it too.

    Args:
        path: File to write; its folder is created.
        array: Numbers of any shape.

    Raises:
        ValueError: The array holds Python objects.
        OSError: The file cannot be written.
    """
    array = np.asarray(array, order="C")
    if array.dtype.hasobject:
        raise ValueError("Object arrays cannot be written: expected numbers")
    head = io.BytesIO()
    npy.write_array_header_1_0(head, npy.header_data_from_array_1_0(array))
    # Without a copy of the array, which may be larger than what is left of the memory.
    parts = head.getbuffer(), array.reshape(-1).view(np.uint8).data
    digest = hashlib.blake2b(digest_size=NUM_DIGEST_BYTES)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path, durable=True) as temporary, temporary.open("xb") as file:
        for part in parts:
            digest.update(part)
            file.write(part)
        file.write(digest.digest())


def read_array(path: Path) -> np.ndarray | None:
    """Map an array written by `write_array` into memory.

    Args:
        path: The file.

    Returns:
        The array; None if the file is missing, truncated or damaged. Writing to the array does not change the file.
    """
    try:
        content = np.memmap(path, dtype=np.uint8, mode="c")
    except (OSError, ValueError):  # ValueError: an empty file
        return None
    # Check the checksum first: NumPy's reader raises errors of many types for a damaged header.
    end = len(content) - NUM_DIGEST_BYTES
    if end <= 0 or _digest(content.data[:end]) != content[end:].tobytes():
        return None
    head = io.BytesIO(content.data[: min(end, _MAX_HEAD_BYTES)])
    npy.read_magic(head)
    shape, _, dtype = npy.read_array_header_1_0(head)
    return np.ndarray(shape, dtype, buffer=content, offset=head.tell())


def _digest(content: memoryview) -> bytes:
    return hashlib.blake2b(content, digest_size=NUM_DIGEST_BYTES).digest()
