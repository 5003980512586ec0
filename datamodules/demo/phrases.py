"""Running speech around a word, as in a published clip: 2 s of talking with the labelled word in the middle."""

import numpy as np

from datamodules.demo.words import WORDS

# Short words that hold content words together, chosen by hand.
FUNCTION_WORDS = ("the", "a", "and", "of", "to", "in", "that", "was", "for", "with", "on", "from", "my", "under")

NEIGHBOURS_PER_SIDE = 3
"""Content words before and after: a second of speech at 200 words per minute, with function words between."""

FUNCTION_WORD_PROBABILITY = 0.6
COMMA_PROBABILITY = 0.15


def phrase_around(word: str, rng: np.random.Generator) -> str:
    """A text in which a word stands once, between others drawn at random.

    Args:
        word: the word, in small letters.
        rng: source of chance.

    Returns:
        Words without sense or full stop, of which the asked one is in the middle.
    """
    others = [other for other in WORDS if other != word]
    before = _run(others, rng)
    after = _run(others, rng)
    return f"{before} {word} {after}"


def _run(others: list[str], rng: np.random.Generator) -> str:
    pieces: list[str] = []
    for other in rng.choice(others, NEIGHBOURS_PER_SIDE, replace=False):
        if rng.uniform() < FUNCTION_WORD_PROBABILITY:
            pieces.append(str(rng.choice(FUNCTION_WORDS)))
        pieces.append(str(other) + ("," if rng.uniform() < COMMA_PROBABILITY else ""))
    return " ".join(pieces)
