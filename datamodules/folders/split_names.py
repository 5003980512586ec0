"""The usual names of splits, as folders and tables write them: the one home of what counts as training, and so on."""

import re
from collections.abc import Iterable

USUAL_NAMES = {
    "train": ("train", "training", "trn"),
    "val": ("val", "valid", "validation", "dev", "devel", "development"),
    "test": ("test", "testing", "tst", "eval", "evaluation"),
}
"""The splits that training, validation and testing read, and the names that corpora give them, in lower case."""

# What corpora append: `train_set`, `dev-data`, `TestSplit`.
_ADDITION = re.compile(r"[ _.-]*(set|split|data|audio|wavs?)$")


class SplitNameError(ValueError):
    """Two names of one split; the message gives both."""


def usual_split(name: str) -> str | None:
    """The split that a name usually means: "train", "val" or "test"; None for any other name.

    The case of letters does not matter, nor does a final "set", "split", "data", "audio" or "wav".
    """
    lower = name.strip().casefold()
    return next(
        (split for split, names in USUAL_NAMES.items() if lower in names or _ADDITION.sub("", lower) in names), None
    )


def usual_splits(names: Iterable[str]) -> dict[str, str]:
    """What to call each split: its usual name, or the given name if that is not a usual one.

    Args:
        names: Names of splits, as a table or folders give them.

    Returns:
        The name to use for each.

    Raises:
        SplitNameError: Two of the names mean the same split.
    """
    found = {name: usual_split(name) or name for name in sorted(set(names))}
    first: dict[str, str] = {}
    for name, split in found.items():
        if first.setdefault(split, name) != name:
            raise SplitNameError(
                f"{first[split]!r} and {name!r} are both usual names of the split {split!r}: use one of them"
            )
    return found
