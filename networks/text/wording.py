"""Words of messages, tables and figures: counts with their nouns, and names that are cut to a length."""

ELLIPSIS = "…"
_NOUNS = {"stimulus": "stimuli", "batch": "batches", "class": "classes", "process": "processes"}
_VERBS = {"is": "are", "has": "have", "occurs": "occur", "shares": "share", "does": "do"}


def counted(number: int, noun: str, verb: str = "") -> str:
    """Write a count with its noun, such as "1 subject", "6 components" or "0 clips".

    Args:
        number: The count.
        noun: The noun in the singular; of several words, the last one is inflected.
        verb: A verb in the singular that follows, such as "is"; "" for none.

    Returns:
        The text.
    """
    words = [noun, verb] if number == 1 else [plural_of(noun), _VERBS.get(verb, verb)]
    return " ".join([str(number), *filter(None, words)])


def plural_of(noun: str) -> str:
    """The plural of a noun, whose last word is inflected: "score tables", "categories"."""
    *first, last = noun.split(" ")
    if last in _NOUNS:
        last = _NOUNS[last]
    elif last.endswith("y") and last[-2:-1] not in "aeiou":
        last = f"{last[:-1]}ies"
    else:
        last += "s"
    return " ".join([*first, last])


def shortened(name: str, length: int) -> str:
    """Cut a name to a length by removing its middle, which says less than its start and its end.

    Args:
        name: Name of any length.
        length: Most characters of the result, at least 1.

    Returns:
        The name, or its start and its end with an ellipsis between them.
    """
    if len(name) <= length:
        return name
    start, end = length // 2, (length - 1) // 2
    return f"{name[:start]}{ELLIPSIS}{name[len(name) - end :]}"
