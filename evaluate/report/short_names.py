"""The shortest distinct names of folders."""

from collections.abc import Sequence
from pathlib import Path


def short_names(paths: Sequence[Path]) -> list[str]:
    """Find the shortest names that distinguish paths.

    Args:
        paths: At least one path; all differ.

    Returns:
        The last parts of each path, the same number for all.
    """
    for num_parts in range(1, max(len(path.parts) for path in paths) + 1):
        names = ["/".join(path.parts[-num_parts:]) or "." for path in paths]
        if len(set(names)) == len(names):
            break
    return names
