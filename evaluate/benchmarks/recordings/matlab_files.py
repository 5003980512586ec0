"""Read files of MATLAB 5 to 7.2 with plain arrays and cell arrays of strings."""

import io
import struct
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.io import loadmat
from scipy.io.matlab import MatReadError
from scipy.sparse import issparse

from datamodules.expansion import check_expansion
from evaluate.benchmarks.problems import BenchmarkError, shorten
from evaluate.benchmarks.recordings.array_variables import NUMBERS, Variable, variable_of
from networks.files.lfs_pointers import IS_POINTER, is_pointer

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

# Level 5 of MATLAB's format: a header, then elements with a tag of type and size. The header ends with the byte order.
_HEADER_BYTES, _ENDIAN_PLACE, _TAG_BYTES = 128, 126, 8
_COMPRESSED = 15
_PIECE_BYTES = 2**22


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
    arrays = _loaded(path.read_bytes(), str(path))
    missing = [name for name in required if name not in arrays]
    if missing:
        raise BenchmarkError(f"{path} lacks the array {shorten(missing)}")
    return arrays


def matlab_variables(content: bytes, where: str) -> dict[str, Variable]:
    """The arrays of numbers, texts and cells of a file, and those in its structures.

    Args:
        content: The file.
        where: Its path, for messages.

    Raises:
        BenchmarkError: The file is damaged.
    """
    arrays = _loaded(content, where)
    # Objects of MATLAB, such as strings and tables, are of other types.
    found = {name: array for name, array in arrays.items() if type(array) is np.ndarray and name[:2] != "__"}
    sparse = [name for name, array in arrays.items() if issparse(array)]
    if sparse:
        raise BenchmarkError(f"{where}: {shorten(sparse)} is sparse; save it as full({sparse[0]})")
    return {name: variable_of(array) for name, array in _flat(found) if array.dtype.kind in NUMBERS + "UO"}


def _flat(arrays: dict[str, np.ndarray]) -> Iterator[tuple[str, np.ndarray]]:
    """Arrays, and the fields of structures."""
    for name, array in arrays.items():
        if array.dtype.names is None:
            yield name, array
        elif array.size == 1:
            for field in array.dtype.names:
                value = np.asarray(array.ravel()[0][field])
                if value.dtype.names is None:
                    yield f"{name}.{field}", value


def _loaded(content: bytes, where: str) -> dict[str, Any]:
    if is_pointer(content):
        raise BenchmarkError(f"{where}: {IS_POINTER}")
    try:
        _check_compressed(content)
        return dict(loadmat(io.BytesIO(content)))
    except MAT_ERRORS as error:
        raise BenchmarkError(f"{where} cannot be read as a MATLAB file: {error}") from error


def _check_compressed(content: bytes) -> None:
    """Check that compressed arrays do not expand to far more than their size: scipy unpacks each as a whole.

    Raises:
        ExpansionError: One does.
        zlib.error: One is damaged.
    """
    order = "<" if content[_ENDIAN_PLACE:_HEADER_BYTES] == b"IM" else ">"
    place, num_bytes = _HEADER_BYTES, 0
    while place + _TAG_BYTES <= len(content):
        kind, size = struct.unpack_from(f"{order}II", content, place)
        place += _TAG_BYTES
        if kind == _COMPRESSED:
            for piece in _unpacked(memoryview(content)[place : place + size]):
                num_bytes += piece
                check_expansion(num_bytes, len(content))
        place += size


def _unpacked(packed: memoryview) -> Iterator[int]:
    """Lengths of the pieces of what is unpacked, which are not kept."""
    stream = zlib.decompressobj()
    while len(packed) and not stream.eof:
        yield len(stream.decompress(packed, _PIECE_BYTES))
        packed = memoryview(stream.unconsumed_tail)


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
