"""What a relative path means, for errors about files and folders that do not exist."""

import os
from pathlib import Path


def where_looked(path: str | os.PathLike[str]) -> str:
    """The end of a message about a path that is missing: which place a relative one means.

    All relative paths, also those in a configuration in another folder, start from the current folder.

    Args:
        path: The path as it was given.

    Returns:
        " (a relative path starts from the current folder: looked for ...)"; "" for an absolute path.
    """
    if Path(path).is_absolute():
        return ""
    return f" (a relative path starts from the current folder: looked for {Path(path).resolve()})"
