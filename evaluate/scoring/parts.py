"""Finished results of a long evaluation, one file each: a restarted evaluation computes only what is missing."""

import io
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from datamodules.files import remove_leftovers, write_bytes

_DAMAGED = (OSError, ValueError, EOFError, KeyError, NotImplementedError, zipfile.BadZipFile, zlib.error)
"""Errors that NumPy raises for an archive that is missing, truncated or damaged."""


class Parts:
    """Small results by key, each in a file that is complete or missing.

    Args:
        folder: Folder of the files; created with the first one.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        remove_leftovers(self.folder)

    def load(self, key: str) -> dict[str, np.ndarray] | None:
        """Load a result.

        Args:
            key: Key that it was saved under.

        Returns:
            Its arrays by name; None if it is missing or damaged.
        """
        try:
            with np.load(self._path(key), allow_pickle=False) as archive:
                return {name: archive[name] for name in archive.files}
        except _DAMAGED:
            return None

    def save(self, key: str, arrays: Mapping[str, np.ndarray]) -> None:
        """Save a result.

        Args:
            key: Key to save it under.
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
