"""Running speech around a word, as in a published clip: 2 s of talking with the labelled word in the middle."""

import numpy as np

from datamodules.demo.words import WORDS

# Short words that connect content words, chosen by hand.
FUNCTION_WORDS = ("the", "a", "and", "of", "to", "in", "that", "was", "for", "with", "on", "from", "my", "under")

NEIGHBOURS_PER_SIDE = 3
"""Content words on either side: with function words, a second of speech at 200 words per minute."""

FUNCTION_WORD_PROBABILITY = 0.6
COMMA_PROBABILITY = 0.15


def phrase_around(word: str, rng: np.random.Generator) -> str:
    """Make a string in which a word occurs once, between other words drawn at random.

    Args:
        word: The word, in lower case.
        rng: Random generator.

    Returns:
        Words without meaning or full stop, with the given one in the middle.
    """
    others = [other for other in WORDS if other != word]
    connecting = [other for other in FUNCTION_WORDS if other != word]
    before = _run(others, connecting, rng)
    after = _run(others, connecting, rng)
    return f"{before} {word} {after}"


def _run(others: list[str], connecting: list[str], rng: np.random.Generator) -> str:
    pieces: list[str] = []
    for other in rng.choice(others, NEIGHBOURS_PER_SIDE, replace=False):
        if rng.uniform() < FUNCTION_WORD_PROBABILITY:
            pieces.append(str(rng.choice(connecting)))
        pieces.append(str(other) + ("," if rng.uniform() < COMMA_PROBABILITY else ""))
    return " ".join(pieces)
