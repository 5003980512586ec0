"""Names of folders that are as short as they can be."""

from collections.abc import Sequence
from pathlib import Path


def short_names(paths: Sequence[Path]) -> list[str]:
    """Give the shortest names that distinguish paths.

    Args:
        paths: At least one; they differ.

    Returns:
        The last parts of each path, the same number for all.
    """
    for num_parts in range(1, max(len(path.parts) for path in paths) + 1):
        names = ["/".join(path.parts[-num_parts:]) or "." for path in paths]
        if len(set(names)) == len(names):
            break
    return names
