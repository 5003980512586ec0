"""Folders that results go to."""

import tempfile
from pathlib import Path


def check_writable(folder: str | Path) -> None:
    """See that a folder can be made and written, before any work; nothing is made.

    Args:
        folder: It need not exist.

    Raises:
        OSError: It cannot; names the part of its path that is in the way.
    """
    folder = Path(folder)
    existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    try:
        with tempfile.TemporaryFile(dir=existing):
            pass
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(existing)) from error
