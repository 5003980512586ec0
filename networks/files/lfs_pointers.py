"""Pointers of Git LFS and git-annex: what a clone has in place of large files. Only the standard library."""

from pathlib import Path

_STARTS = (b"version https://git-lfs", b"/annex/objects/")
_LONGEST = max(map(len, _STARTS))

IS_POINTER = "a pointer of Git LFS or git-annex, not the file itself; fetch it with `git lfs pull` or `git annex get`"
"""What to say of one, after its path."""


def is_pointer(content: bytes | memoryview) -> bool:
    """Whether a file, or its first bytes, is a pointer."""
    return bytes(content[:_LONGEST]).startswith(_STARTS)


def is_pointer_file(path: str | Path) -> bool:
    """Whether a file is a pointer; not if it is missing or cannot be opened."""
    try:
        with open(path, "rb") as file:
            return is_pointer(file.read(_LONGEST))
    except OSError:
        return False
