"""Arguments of command lines that cannot be used: names that are not text. Quick to import."""

import os
from collections.abc import Sequence


def printable(text: str | os.PathLike[str]) -> str:
    r"""Text that can be printed and written as UTF-8; bytes of a path that are not UTF-8 become `\xe9` and the like."""
    name = os.fspath(text)
    if name.isascii():
        return name
    try:  # Python reads such a byte of an argument or a name of a file as a lone surrogate
        return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:  # one that stands for no byte, out of JSON
        return name.encode("utf-8", "backslashreplace").decode()


def why_no_text(arguments: Sequence[str]) -> str | None:
    """Why a command cannot run: an argument or the current folder is not UTF-8; None if all are.

    Paths are written to tables, JSON and YAML, which hold nothing but UTF-8.
    """
    for argument in arguments:
        if not _is_utf8(argument):
            return f"the argument {printable(argument)} is not UTF-8; rename the file or folder, or choose another name"
    try:
        folder = os.getcwd()
    except OSError:  # it was removed
        return None
    if not _is_utf8(folder):
        return f"the current folder {printable(folder)} has a name that is not UTF-8; rename it, or work in another one"
    return None


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
