"""The rules by which spoken words become clips and classes in the published data (Feather et al. 2019)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    import pandas as pd


@dataclass
class SelectionRules:
    """The rules; their defaults are the published ones.

    Attributes:
        min_letters: Least number of letters of a word.
        margin_s: Least audio on either side of the word's middle, in seconds.
        min_utterances: Least number of clips of a word and of a speaker.
        max_utterances: A word and a speaker have fewer clips than this.
        min_partners: Least number of speakers of a word and of words of a speaker.
        max_partner_fraction: Largest fraction of a word's clips from one speaker, and the reverse; 0 to 1.
    """

    min_letters: int = 4
    margin_s: float = 1.0
    min_utterances: int = 200
    max_utterances: int = 2000
    min_partners: int = 50
    max_partner_fraction: float = 0.25


class Removal(NamedTuple):
    """What a rule removed.

    Args:
        rule: The rule, in words.
        num_clips: Number of clips that it removed.
        num_classes: Number of words or speakers that it removed; 0 for the rules about single clips.
    """

    rule: str
    num_clips: int
    num_classes: int


class WordSelection(NamedTuple):
    """The result: (N,) bool, whether each clip is kept, and what each rule removed, in the order of the rules."""

    kept: np.ndarray
    removals: tuple[Removal, ...]


def select_words(
    words: Sequence[str],
    speakers: Sequence[str],
    midpoints_s: Sequence[float] | np.ndarray,
    durations_s: Sequence[float] | np.ndarray,
    rules: SelectionRules | None = None,
) -> WordSelection:
    """Apply the rules to N spoken words.

    The rules about single clips come first. Those about classes follow, each applied to what the previous ones left,
    for words and then for speakers: too few clips, too many, too few partners (the speakers of a word, the words of a
    speaker), too many clips with one partner. A class that breaks a rule is removed with all of its clips. As this
    changes the counts of the others, the rules are repeated until no class breaks any. The order of the clips does not
    matter.

    Args:
        words: (N,) words.
        speakers: (N,) their speakers.
        midpoints_s: (N,) middle of each word in its recording, in seconds.
        durations_s: (N,) duration of that recording in seconds.
        rules: The rules; None are the published ones.

    Returns:
        What is kept, and what each rule removed.
    """
    import pandas as pd

    rules = rules or SelectionRules()
    table = pd.DataFrame({"word": pd.Categorical(list(words)), "speaker": pd.Categorical(list(speakers))})
    midpoint_s, duration_s = np.asarray(midpoints_s, dtype=float), np.asarray(durations_s, dtype=float)
    kept = np.ones(len(table), dtype=bool)
    letters = np.array([sum(map(str.isalpha, word)) for word in table["word"].cat.categories], dtype=int)
    removals = []
    for rule, passes in (
        (f"words of fewer than {rules.min_letters} letters", letters[table["word"].cat.codes] >= rules.min_letters),
        (
            f"less than {rules.margin_s:g} s of audio on either side",
            np.minimum(midpoint_s, duration_s - midpoint_s) >= rules.margin_s,
        ),
    ):
        removals.append(Removal(rule, int((kept & ~passes).sum()), 0))
        kept &= passes
    class_rules = _class_rules(rules)
    removed = {rule: np.zeros(2, dtype=int) for rule, *_ in class_rules}
    is_stable = False
    while not is_stable:
        is_stable = True
        for rule, one, partner, breaks in class_rules:
            classes = breaks(_counts(table[kept], one, partner))
            goes = kept & table[one].isin(classes).to_numpy()
            removed[rule] += (int(goes.sum()), len(classes))
            kept &= ~goes
            is_stable &= not len(classes)
    return WordSelection(kept, (*removals, *(Removal(rule, *map(int, found)) for rule, found in removed.items())))


_ClassRule = tuple[str, str, str, "Callable[[pd.DataFrame], pd.Index]"]


def _class_rules(rules: SelectionRules) -> list[_ClassRule]:
    """For each rule its name, the kind of its classes and of their partners, and a function that finds violations."""
    found: list[_ClassRule] = []
    for one, partner in (("word", "speaker"), ("speaker", "word")):
        found += [
            (
                f"{one}s of fewer than {rules.min_utterances} utterances",
                one,
                partner,
                lambda counts: counts.index[counts["clips"] < rules.min_utterances],
            ),
            (
                f"{one}s of {rules.max_utterances} or more utterances",
                one,
                partner,
                lambda counts: counts.index[counts["clips"] >= rules.max_utterances],
            ),
            (
                f"{one}s of fewer than {rules.min_partners} {partner}s",
                one,
                partner,
                lambda counts: counts.index[counts["partners"] < rules.min_partners],
            ),
            (
                f"{one}s with more than {100 * rules.max_partner_fraction:g} % from one {partner}",
                one,
                partner,
                lambda counts: counts.index[counts["most"] > rules.max_partner_fraction * counts["clips"]],
            ),
        ]
    return found


def _counts(table: pd.DataFrame, one: str, partner: str) -> pd.DataFrame:
    """Count the clips and partners of each class, and the clips with its most frequent partner."""
    import pandas as pd

    pairs = table.groupby([one, partner], observed=True).size()
    grouped = pairs.groupby(level=0, observed=True)
    return pd.DataFrame({"clips": grouped.sum(), "partners": grouped.size(), "most": grouped.max()})
