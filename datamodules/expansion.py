"""How much more than its own size a file may claim to hold: checked before anything is allocated."""

import math
from pathlib import Path
from typing import Any

from networks.files.lfs_pointers import IS_POINTER, is_pointer_file

MAX_EXPANSION, FREE_BYTES = 200, 1 << 28
"""What a file holds may take 256 MiB, and more if it is at most this many times as large as the file."""

_CELL_BYTES = 8


class ExpansionError(ValueError):
    """A file that claims to hold far more than it can; the message says how much."""


def check_expansion(num_bytes: int, num_stored: int) -> None:
    """Refuse what would expand to more than the limits above.

    Args:
        num_bytes: Bytes in memory.
        num_stored: Bytes in the file.

    Raises:
        ExpansionError: It is too much.
    """
    if num_bytes > max(FREE_BYTES, MAX_EXPANSION * num_stored):
        raise ExpansionError(
            f"it would expand from {num_stored / 1e6:.1f} MB to {num_bytes / 1e6:.1f} MB, more than "
            f"{FREE_BYTES >> 20} MiB and {MAX_EXPANSION} times as much"
        )


def check_hdf5(dataset: Any, num_bytes: int) -> None:
    """Refuse to read more of an HDF5 dataset than is stored: what was never written is filled in as it is read.

    Args:
        dataset: A dataset of h5py.
        num_bytes: Bytes to read.

    Raises:
        ExpansionError: It is too much, or a chunk of the dataset is, which is unpacked as a whole.
    """
    chunk_bytes = math.prod(dataset.chunks or (0,)) * dataset.dtype.itemsize
    check_expansion(max(num_bytes, chunk_bytes), dataset.id.get_storage_size())


def check_parquet(path: Path) -> None:
    """Refuse a Parquet file with far more cells than bytes, of which a few can stand for any number of rows.

    Raises:
        ExpansionError: It has, or is a pointer of Git LFS.
        OSError: The file is missing.
        ValueError: It is damaged (`pyarrow.ArrowException`).
    """
    import pyarrow.parquet

    if is_pointer_file(path):
        raise ExpansionError(IS_POINTER)
    metadata = pyarrow.parquet.read_metadata(path)
    check_expansion(_CELL_BYTES * metadata.num_rows * metadata.num_columns, path.stat().st_size)
