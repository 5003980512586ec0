"""Names of files that are made of names of users."""

import unicodedata

import pytest

from networks.text.file_names import file_name


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("word: Bär in Höhle", "word-Bär-in-Höhle"),
        ("Björk_simulated", "Björk_simulated"),
        ("कुत्ता", "कुत्ता"),  # its vowel signs are marks, no letters
        ("日本/東京", "日本-東京"),
        ("mine/last (untrained, seed 0)_stages", "mine-last-untrained-seed-0_stages"),
        ("a\tb\nc", "a-b-c"),
        ("🐶", ""),
    ],
)
def test_letters_stay_and_everything_else_becomes_a_hyphen(text, expected):
    assert file_name(text) == expected


def test_both_ways_of_writing_an_accent_give_one_name():
    assert file_name(unicodedata.normalize("NFD", "Bär")) == "Bär"
