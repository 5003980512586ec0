"""Read arrays from files of NumPy (.npy, .npz) or MATLAB (.mat, also version 7.3)."""

from __future__ import annotations

import io
import zipfile
from functools import partial
from pathlib import PurePosixPath

import numpy as np

from evaluate.benchmarks.problems import BenchmarkError, shorten
from evaluate.benchmarks.recordings.array_variables import NUMBERS, Variable, Variables
from evaluate.benchmarks.recordings.containers import ARCHIVE_ERRORS, check_member, read_member
from evaluate.benchmarks.recordings.matlab_7_3 import is_matlab_7_3, matlab_7_3_variables
from evaluate.benchmarks.recordings.matlab_files import matlab_variables
from evaluate.benchmarks.recordings.npy_files import npy_dtype, read_npy_bytes
from networks.commands.program import program
from networks.files.lfs_pointers import IS_POINTER, is_pointer

ARRAY_SUFFIXES = (".npy", ".npz", ".mat")
SEVERAL_ARRAYS = (".npz", ".mat")
"""Suffixes of files that hold arrays with names."""
RESPONSES_ARRAY = "responses"
"""Name of the array to read if a file has several and none is named."""


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
    if PurePosixPath(where).suffix.lower() in SEVERAL_ARRAYS:
        return responses_of(open_arrays(content, where), where, variable)
    _check_pointer(content, where)
    return read_npy_bytes(content, where)


def responses_of(variables: Variables, where: str, variable: str | None = None) -> np.ndarray:
    """Read the responses among the arrays of a file, see `read_responses_array`."""
    numbers = [name for name, each in variables.items() if each.is_number]
    wanted = variable or (RESPONSES_ARRAY if RESPONSES_ARRAY in numbers or len(numbers) != 1 else numbers[0])
    if wanted not in numbers:
        if wanted in variables:
            raise BenchmarkError(
                f"{where}: {wanted!r} is no array of numbers, but texts, cells or pickled objects, which are not read; "
                "save it as one array"
            )
        found = f"it has {shorten(numbers, 10)}" if numbers else "it has no arrays of numbers"
        hint = "" if variable or not numbers else f"; name one with --variable of `{program('evaluate', 'convert')}`"
        raise BenchmarkError(f"{where} lacks the array {wanted!r}; {found}{hint}")
    return variables[wanted].read()


def open_arrays(content: bytes, where: str) -> dict[str, Variable]:
    """Find the arrays of a file that holds several.

    Args:
        content: The file.
        where: Its path, for messages; its suffix is the format.

    Returns:
        The arrays by name.

    Raises:
        BenchmarkError: The file is damaged, or a pointer of Git LFS.
    """
    _check_pointer(content, where)
    if PurePosixPath(where).suffix.lower() == ".npz":
        return _npz_variables(content, where)
    return matlab_7_3_variables(content, where) if is_matlab_7_3(content) else matlab_variables(content, where)


def _check_pointer(content: bytes, where: str) -> None:
    if is_pointer(content):
        raise BenchmarkError(f"{where}: {IS_POINTER}")


def _npz_variables(content: bytes, where: str) -> dict[str, Variable]:
    try:
        archive = zipfile.ZipFile(io.BytesIO(content))
        members = {name.removesuffix(".npy"): name for name in archive.namelist() if name.endswith(".npy")}
        dtypes = {}
        for name, member in members.items():
            check_member(archive, member)
            with archive.open(member) as file:
                dtypes[name] = npy_dtype(file, f"{where}, {name}")
    except ARCHIVE_ERRORS as error:
        if isinstance(error, BenchmarkError):
            raise
        raise BenchmarkError(f"{where} is cut short or no archive of arrays: {error}") from error
    found = {}
    for name, dtype in dtypes.items():
        read = partial(_read_npz, archive, members[name], f"{where}, {name}")
        if dtype.names is None:
            found[name] = Variable(dtype.kind in NUMBERS, read)
        else:
            for field in dtype.names:
                found[f"{name}.{field}"] = Variable(dtype[field].kind in NUMBERS, partial(_field, read, field))
    return found


def _field(read: partial[np.ndarray], field: str) -> np.ndarray:
    return np.asarray(read()[field])


def _read_npz(archive: zipfile.ZipFile, member: str, where: str) -> np.ndarray:
    try:
        content = read_member(archive, member)
    except ARCHIVE_ERRORS as error:
        raise BenchmarkError(f"{where} cannot be read: {error}") from error
    return read_npy_bytes(content, where)
