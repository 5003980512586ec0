"""Names of files that are made of names of users: their letters stay, in every script."""

import re
import unicodedata

_KEPT = "_.-"


def file_name(text: str) -> str:
    """Make the stem of a file's name of any text, such as the name of a class, a run or a benchmark.

    Letters and digits of every script stay, with their accents, as do `_`, `.` and `-`. Anything else, such as spaces
    and slashes, becomes one `-`; at the end and before `_` it is left out.

    Args:
        text: Any text.

    Returns:
        The stem, with composed letters (NFC); different texts may have the same one.
    """
    plain = unicodedata.normalize("NFC", text)
    kept = "".join(each if _is_kept(each) else " " for each in plain)
    return re.sub(" +", "-", re.sub(" +(?=_|$)", "", kept)).strip("-")


def _is_kept(character: str) -> bool:
    """Whether a character is a letter, a digit or a mark on one (categories L, N and M), or plain punctuation."""
    return character in _KEPT or unicodedata.category(character)[0] in "LNM"
