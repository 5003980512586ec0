"""Read an array of numbers from a file of NumPy (.npy, .npz) or MATLAB (.mat, also version 7.3)."""

from __future__ import annotations

import io
import zipfile
from pathlib import PurePosixPath

import numpy as np

from evaluate.benchmarks.problems import BenchmarkError, shorten
from evaluate.benchmarks.recordings.containers import ARCHIVE_ERRORS, read_member
from evaluate.benchmarks.recordings.matlab_files import MAT_ERRORS
from evaluate.benchmarks.recordings.npy_files import read_npy_bytes

ARRAY_SUFFIXES = (".npy", ".npz", ".mat")
RESPONSES_ARRAY = "responses"
"""Name of the array to read if a file has several and none is named."""

_LFS_POINTER = b"version https://git-lfs"
_HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_MATLAB_HEADER_BYTES = 512
"""A file of MATLAB 7.3 is an HDF5 file after a header of text."""


def read_responses_array(content: bytes, where: str, variable: str | None = None) -> np.ndarray:
    """Read an array.

    Args:
        content: The file.
        where: Its path, for messages.
        variable: Name of the array in a `.npz` or `.mat` file; None for `responses`, or the only array of numbers.

    Returns:
        The array, with axes as the file's software shows them.

    Raises:
        BenchmarkError: The file is damaged, a pointer of Git LFS, or has no such array; lists those it has.
    """
    if content.startswith(_LFS_POINTER):
        raise BenchmarkError(f"{where} is a pointer of Git LFS, not the data: fetch the data with `git lfs pull`")
    suffix = PurePosixPath(where).suffix.lower()
    if suffix == ".npz":
        return _from_npz(content, where, variable)
    if suffix == ".mat":
        arrays = _of_matlab_7_3(content, where) if _is_hdf5(content) else _of_matlab(content, where)
        return arrays[_chosen(list(arrays), where, variable)]
    return read_npy_bytes(content, where)


def _from_npz(content: bytes, where: str, variable: str | None) -> np.ndarray:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            names = [name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")]
            array = read_member(archive, f"{_chosen(names, where, variable)}.npy")
    except BenchmarkError:
        raise
    except ARCHIVE_ERRORS as error:
        raise BenchmarkError(f"{where} is cut short or no archive of arrays: {error}") from error
    return read_npy_bytes(array, where)


def _of_matlab(content: bytes, where: str) -> dict[str, np.ndarray]:
    """Arrays of numbers of a file of MATLAB 5 to 7.2."""
    from scipy.io import loadmat

    try:
        arrays = loadmat(io.BytesIO(content))
    except MAT_ERRORS as error:
        raise BenchmarkError(f"{where} cannot be read as a MATLAB file: {error}") from error
    return {
        name: array
        for name, array in arrays.items()
        if not name.startswith("__") and isinstance(array, np.ndarray) and array.dtype.kind in "fiub"
    }


def _of_matlab_7_3(content: bytes, where: str) -> dict[str, np.ndarray]:
    """Arrays of numbers of a file of MATLAB 7.3."""
    try:
        import h5py
    except ImportError as error:
        raise BenchmarkError(f"{where} is a file of MATLAB 7.3: install h5py (the extra `hdf5`) to read it") from error
    try:
        with h5py.File(io.BytesIO(content), "r") as file:
            # MATLAB stores arrays column by column, HDF5 row by row: the axes are reversed.
            return {
                name: np.ascontiguousarray(np.transpose(item[()]))
                for name, item in file.items()
                if isinstance(item, h5py.Dataset) and item.dtype.kind in "fiub"
            }
    except (OSError, RuntimeError, KeyError, ValueError, MemoryError) as error:
        raise BenchmarkError(f"{where} cannot be read as a file of MATLAB 7.3: {error}") from error


def _is_hdf5(content: bytes) -> bool:
    return any(content[start : start + len(_HDF5_SIGNATURE)] == _HDF5_SIGNATURE for start in (0, _MATLAB_HEADER_BYTES))


def _chosen(names: list[str], where: str, variable: str | None) -> str:
    """The array to read."""
    wanted = variable or (RESPONSES_ARRAY if RESPONSES_ARRAY in names or len(names) != 1 else names[0])
    if wanted not in names:
        found = f"it has {shorten(names, 10)}" if names else "it has no arrays of numbers"
        hint = "" if variable or not names else "; name one with --variable of `python -m evaluate convert`"
        raise BenchmarkError(f"{where} lacks the array {wanted!r}; {found}{hint}")
    return wanted
