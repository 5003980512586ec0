"""Finished pieces of a long evaluation, one file each, so that starting again does only what is left."""

import io
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from datamodules.files import remove_leftovers, write_bytes

_DAMAGED = (OSError, ValueError, EOFError, KeyError, NotImplementedError, zipfile.BadZipFile, zlib.error)
"""What NumPy raises on an archive that is missing, cut short or changed."""


class Parts:
    """Small results by key, each in a file that is whole or not there.

    Args:
        folder: Where the files are; made with the first of them.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        remove_leftovers(self.folder)

    def load(self, key: str) -> dict[str, np.ndarray] | None:
        """Find a result.

        Args:
            key: What it was kept under.

        Returns:
            Its arrays by name; None where it is not there or damaged.
        """
        try:
            with np.load(self._path(key), allow_pickle=False) as archive:
                return {name: archive[name] for name in archive.files}
        except _DAMAGED:
            return None

    def save(self, key: str, arrays: Mapping[str, np.ndarray]) -> None:
        """Keep a result.

        Args:
            key: What to keep it under.
            arrays: Its arrays by name.

        Raises:
            OSError: The file cannot be written.
        """
        content = io.BytesIO()
        np.savez(content, **arrays)  # type: ignore[arg-type]
        self.folder.mkdir(parents=True, exist_ok=True)
        write_bytes(self._path(key), content.getvalue(), durable=True)

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}.npz"
