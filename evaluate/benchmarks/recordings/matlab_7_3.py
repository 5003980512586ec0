"""Read files of MATLAB 7.3, which are HDF5 files after a header of text."""

from __future__ import annotations

import io
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from datamodules.expansion import check_hdf5
from evaluate.benchmarks.problems import BenchmarkError
from evaluate.benchmarks.recordings.array_variables import NUMBERS, Variable

_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_HEADER_BYTES = 512
_CLASS, _EMPTY = "MATLAB_class", "MATLAB_empty"
_ERRORS = (OSError, RuntimeError, KeyError, ValueError, TypeError, MemoryError)


def is_matlab_7_3(content: bytes) -> bool:
    """Whether a file is of MATLAB 7.3, or any other HDF5 file."""
    return any(content[start : start + len(_SIGNATURE)] == _SIGNATURE for start in (0, _HEADER_BYTES))


def matlab_7_3_variables(content: bytes, where: str) -> dict[str, Variable]:
    """The arrays of numbers, texts and cells of texts of a file, and those in its structures.

    Args:
        content: The file.
        where: Its path, for messages.

    Raises:
        BenchmarkError: The file is damaged, or h5py is missing.
    """
    try:
        import h5py
    except ImportError as error:
        raise BenchmarkError(f"{where} is a file of MATLAB 7.3: install h5py (the extra `hdf5`) to read it") from error
    try:
        file = h5py.File(io.BytesIO(content), "r")
        return {
            name: Variable(_kind(item) == "number", partial(_read, file, item, f"{where}, {name}"))
            for name, item in _datasets(file, "")
            if _kind(item)
        }
    except _ERRORS as error:
        raise BenchmarkError(f"{where} cannot be read as a file of MATLAB 7.3: {error}") from error


def _datasets(group: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    """Datasets of a file and those of its structures, which are groups; links to elsewhere are not followed."""
    import h5py

    for name in group:
        if name.startswith("#") or not isinstance(group.get(name, getlink=True), h5py.HardLink):
            continue
        item = group[name]
        if isinstance(item, h5py.Dataset) and not item.external and not item.is_virtual:
            yield prefix + name, item
        elif isinstance(item, h5py.Group) and not prefix:
            yield from _datasets(item, f"{name}.")


def _kind(item: Any) -> str:
    """What a dataset holds: "number", "text", "cell", or "" for anything else."""
    import h5py

    named = item.attrs.get(_CLASS, b"")
    matlab_class = named.decode("ascii", "replace") if isinstance(named, bytes) else str(named)
    if matlab_class == "char" or h5py.check_string_dtype(item.dtype) is not None:
        return "text"
    if h5py.check_ref_dtype(item.dtype) is not None:
        return "cell"
    return "number" if item.dtype.kind in NUMBERS and matlab_class != "cell" else ""


def _read(file: Any, item: Any, where: str) -> np.ndarray:
    try:
        if item.attrs.get(_EMPTY, 0):
            return np.empty(0)
        if _kind(item) == "cell":
            return np.array([_cell(file, reference) for reference in _stored(item).ravel()], dtype=object)
        if _kind(item) == "text":
            return _texts(item)
        return np.ascontiguousarray(_stored(item))
    except _ERRORS as error:
        raise BenchmarkError(f"{where} cannot be read: {error}") from error


def _stored(item: Any) -> np.ndarray:
    """The values. MATLAB stores arrays column by column, HDF5 row by row: the axes are reversed."""
    check_hdf5(item, item.size * item.dtype.itemsize)
    return np.asarray(np.transpose(item[()]))


def _cell(file: Any, reference: Any) -> object:
    item = file[reference]
    if item.attrs.get(_EMPTY, 0):
        return ""
    values = _texts(item) if _kind(item) == "text" else _stored(item)
    if values.size != 1:
        raise ValueError(f"a cell holds {values.size} values, expected one text or number")
    return values.ravel()[0]


def _texts(item: Any) -> np.ndarray:
    """The rows of an array of characters, which are UTF-16; or strings, as other programs write them."""
    if item.dtype.kind not in "iu":
        check_hdf5(item, item.size * item.dtype.itemsize)
        values = np.atleast_1d(item[()]).ravel()
        return np.array([v.decode() if isinstance(v, bytes) else str(v) for v in values], dtype=object)
    rows = np.atleast_2d(_stored(item)).astype("<u2")
    return np.array([row.tobytes().decode("utf-16-le").rstrip() for row in rows], dtype=object)
