"""Folders that results go to."""

import tempfile
from collections.abc import Sequence
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


def short_names(paths: Sequence[Path]) -> list[str]:
    """Give the shortest names that tell paths apart.

    Args:
        paths: At least one; they differ.

    Returns:
        For each its last parts, as many for all as are needed.
    """
    for num_parts in range(1, max(len(path.parts) for path in paths) + 1):
        names = ["/".join(path.parts[-num_parts:]) or "." for path in paths]
        if len(set(names)) == len(names):
            break
    return names
