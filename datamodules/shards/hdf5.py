"""Reading rows of HDF5 files, which need not be trusted. Needs h5py: `pip install 'cochlearn[hdf5]'`."""

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from datamodules.audio import AudioError
from datamodules.building.clip_quality import FULL_SCALE
from datamodules.expansion import ExpansionError, check_hdf5
from networks.files.lfs_pointers import IS_POINTER, is_pointer_file

_INSTALL_HINT = "pip install 'cochlearn[hdf5]'"
_MAX_OPEN = 32
_ERRORS = (OSError, RuntimeError, LookupError, ValueError, TypeError, OverflowError, MemoryError)
"""What h5py raises on files that are damaged."""


def read_rows(path: Path, dataset: str) -> np.ndarray:
    """Read a whole dataset of numbers.

    Args:
        path: The file.
        dataset: Name of the dataset, such as "sources/signal/word_int".

    Returns:
        Its content, with the dtype of the file.

    Raises:
        AudioError: File or dataset are missing or broken, or the dataset does not hold numbers or leads to another
            file.
    """
    with _damage_told(path), _opened(path) as file:
        found = _dataset(file, dataset)
        _check_expansion(found, found.size, f"{path}, {dataset}")
        return _read(found, slice(None), f"{path}, {dataset}")


def read_sound(path: Path, dataset: str, row: int) -> np.ndarray:
    """Read a row as a sound.

    Args:
        path: The file.
        dataset: Name of a (rows, samples) dataset.
        row: The row.

    Returns:
        (T,) float32; 16-bit integers are scaled so that full scale is 1.0.

    Raises:
        AudioError: As `read_rows`, or there is no such row, it is empty, or its samples are not finite or of another
            type.
    """
    where = f"{path}, {dataset}, row {row}"
    found = _kept_open(str(path), dataset, _changed(path), os.getpid())
    if not 0 <= row < found.shape[0]:
        raise AudioError(f"{where}: there are {found.shape[0]} rows", kind="missing")
    samples = _read(found, row, where)
    if samples.ndim != 1 or (samples.dtype.kind != "f" and samples.dtype != np.int16):
        raise AudioError(f"{where}: expected a row of floats or 16-bit integers, got {samples.dtype}, {samples.shape}")
    if not len(samples):
        raise AudioError(f"{where}: empty", kind="empty")
    if not np.isfinite(samples).all():
        raise AudioError(f"{where}: has samples that are not finite (NaN or infinity)", kind="not finite")
    scale = FULL_SCALE if samples.dtype == np.int16 else 1
    return (samples / np.float32(scale)).astype(np.float32)


def dataset_shape(path: Path, dataset: str) -> tuple[int, ...]:
    """Shape of a dataset; errors are those of `read_rows`."""
    with _damage_told(path), _opened(path) as file:
        return tuple(_dataset(file, dataset).shape)


def attribute(path: Path, name: str) -> Any:
    """Attribute of the file's root; None if there is no such attribute."""
    with _damage_told(path), _opened(path) as file:
        return file.attrs.get(name)


def _dataset(file: Any, name: str) -> Any:
    """Find a dataset of numbers without leaving the file: links to other places are refused."""
    import h5py

    node: Any = file
    for part in name.split("/"):
        link = node.get(part, getlink=True) if isinstance(node, h5py.Group) and part in node else None
        if link is None:
            raise AudioError(f"{file.filename} has no dataset {name!r}", kind="missing")
        if not isinstance(link, h5py.HardLink):
            raise AudioError(f"{file.filename}: {name!r} is a link to elsewhere, which is not followed")
        node = node[part]
    if not isinstance(node, h5py.Dataset) or node.dtype.kind not in "biuf" or node.ndim < 1:
        raise AudioError(f"{file.filename}: {name!r} is not a dataset of numbers")
    if node.external or node.is_virtual:
        raise AudioError(f"{file.filename}: {name!r} keeps its data in other files, which are not opened")
    return node


def _read(dataset: Any, rows: int | slice, where: str) -> np.ndarray:
    try:
        return np.asarray(dataset[rows])
    except _ERRORS as error:
        raise AudioError(f"{where}: cannot be read ({error})") from error


@lru_cache(maxsize=_MAX_OPEN)
def _kept_open(path: str, dataset: str, changed: int, process: int) -> Any:
    """Keep the file of a dataset open for the next row; one per process, as HDF5 files cannot be shared over a fork."""
    with _damage_told(Path(path)):
        found = _dataset(_opened(Path(path)), dataset)
        _check_expansion(found, math.prod(found.shape[1:]), f"{path}, {dataset}")
        return found


def _check_expansion(dataset: Any, num_values: int, where: str) -> None:
    """Refuse datasets of which far more would be read than is stored."""
    try:
        check_hdf5(dataset, num_values * dataset.dtype.itemsize)
    except ExpansionError as error:
        raise AudioError(f"{where}: cannot be read: {error}") from error


@contextmanager
def _damage_told(path: Path) -> Iterator[None]:
    """Raise errors of h5py as `AudioError`."""
    try:
        yield
    except AudioError:
        raise
    except _ERRORS as error:
        raise AudioError(f"{path} cannot be read as HDF5, it is damaged ({error})") from error


def _changed(path: Path) -> int:
    """Time of the last change, so that a file that was replaced is opened again."""
    try:
        return path.stat().st_mtime_ns
    except OSError as error:
        raise AudioError(f"{path}: no such HDF5 file", kind="missing") from error


def _opened(path: Path) -> Any:
    try:
        import h5py
    except ImportError as error:
        raise AudioError(f"{path}: reading HDF5 files needs h5py: {_INSTALL_HINT}", kind="no h5py") from error
    if not path.is_file():
        raise AudioError(f"{path}: no such HDF5 file", kind="missing")
    try:
        return h5py.File(path, "r", locking=False)  # network file systems often cannot lock
    except OSError as error:
        if is_pointer_file(path):
            raise AudioError(f"{path}: {IS_POINTER}", kind="missing") from error
        raise AudioError(f"{path} cannot be read as HDF5 ({error})") from error
