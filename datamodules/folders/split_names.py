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

_SPLIT_OF_WORD = {word: split for split, words in USUAL_NAMES.items() for word in words}
_WORD = re.compile(r"[^ _.-]+")
_CAPITAL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_NUMBERED = re.compile(r"([a-z]+?)(\d+)")
_USUAL_SUBSET = re.compile(
    r"\d+[a-z]?|v\d+|part|fold|subset|clean|other|noisy|small|medium|large|tiny|mini|full|all|balanced|unbalanced"
    r"|x*[sl]|m"
)
"""What corpora call the subsets of a split: `train-clean-100`, `test_other`, `unbalanced_train`, `train_xs`."""


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


def split_of_subset(name: str) -> str | None:
    """The split that a word of a name usually means, as in `train-clean-100`, `dev_other`, `test2`, `vox1_dev_wav`.

    A name can also be that of a class, such as "train horn": only the names next to it tell, see `are_subsets`.

    Returns:
        "train", "val" or "test"; None for any other name, and for one that is all a split's.
    """
    if usual_split(name):
        return None
    word = _word(name)
    return None if word is None else _SPLIT_OF_WORD[word]


def are_subsets(names: Iterable[str]) -> bool:
    """Whether all of some names next to each other are splits or subsets of splits."""
    return all(usual_split(name) or split_of_subset(name) for name in names)


def likely_subsets(names: Iterable[str]) -> list[str]:
    """Those of some names that most likely are subsets of splits, although others next to them are not; sorted.

    They are subsets by what corpora call these ("clean", "100"), or as together they name several splits.
    """
    names = sorted(set(names))
    found = {name: split for name in names if (split := split_of_subset(name))}
    if len({*found.values(), *filter(None, map(usual_split, names))}) > 1:
        return list(found)
    return [name for name in found if all(map(_USUAL_SUBSET.fullmatch, _other_words(name)))]


def usual_splits(names: Iterable[str], *, join_subsets: bool = False) -> dict[str, str]:
    """What to call each split: its usual name, or the given name if that is not a usual one.

    Args:
        names: Names of splits, as a table or folders give them.
        join_subsets: Whether names such as `train_1` and `train_2` are one split.

    Returns:
        The name to use for each.

    Raises:
        SplitNameError: Two of the names mean the same split.
    """
    names = sorted(set(names))
    subsets = {name: split_of_subset(name) for name in names} if join_subsets else {}
    found = {name: usual_split(name) or subsets.get(name) or name for name in names}
    first: dict[str, str] = {}
    for name, split in found.items():
        earlier = first.setdefault(split, name)
        if earlier != name and not (subsets.get(earlier) and subsets.get(name) and _word(earlier) == _word(name)):
            raise SplitNameError(
                f"{earlier!r} and {name!r} are both usual names of the split {split!r}: use one of them"
            )
    return found


def _word(name: str) -> str | None:
    """The word in a name that means a split."""
    return next((word for word in _words(name) if word in _SPLIT_OF_WORD), None)


def _other_words(name: str) -> list[str]:
    words = _words(name)
    words.remove(_word(name) or "")
    return words


def _words(name: str) -> list[str]:
    """The words of a name in lower case; a number after letters is a word of its own."""
    words: list[str] = []
    for word in _WORD.findall(_CAPITAL.sub("_", name).casefold()):
        numbered = _NUMBERED.fullmatch(word)
        words += numbered.groups() if numbered and numbered[1] in _SPLIT_OF_WORD else [word]
    return words
