"""Counts with their nouns, and names that are cut."""

import re
from pathlib import Path

import pytest

from networks.text.wording import counted, shortened

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((1, "subject"), "1 subject"),
        ((0, "subject"), "0 subjects"),
        ((6, "component"), "6 components"),
        ((1, "stimulus"), "1 stimulus"),
        ((165, "stimulus"), "165 stimuli"),
        ((2, "accumulated batch"), "2 accumulated batches"),
        ((2, "category"), "2 categories"),
        ((1, "sound", "is"), "1 sound is"),
        ((2, "sound", "is"), "2 sounds are"),
        ((2, "unit", "does"), "2 units do"),
    ],
)
def test_nouns_and_verbs_agree_with_their_counts(arguments, text):
    assert counted(*arguments) == text


def test_names_are_cut_in_the_middle():
    assert shortened("relu0", 5) == "relu0"
    assert shortened("feature_extractor.conv_layers.10", 11) == "featu…rs.10"
    assert [len(shortened("abcdefgh", length)) for length in range(1, 10)] == [1, 2, 3, 4, 5, 6, 7, 8, 8]


def test_no_message_leaves_the_plural_to_the_reader():
    for package in ("datamodules", "evaluate", "networks", "train"):
        for path in (ROOT / package).rglob("*.py"):
            assert not re.findall(r"\w+\(e?s\)[^(]*\"$", path.read_text(), flags=re.MULTILINE), path
