"""The order of names for people: numbers in them by their value, so that comp2 comes before comp10."""

import re
from collections.abc import Iterable

_DIGITS = re.compile(r"(\d+)")


def natural_key(name: str) -> tuple[tuple[str, int, str], ...]:
    """Key to sort names by: text in lower case, numbers by their value, equal ones as plain text."""
    parts = _DIGITS.split(str(name))
    pairs = zip(parts[::2], [*parts[1::2], ""], strict=True)
    return tuple((text.casefold(), int(number or -1), text + number) for text, number in pairs)


def natural_order(names: Iterable[str]) -> list[str]:
    """Sort names for people."""
    return sorted(names, key=natural_key)
