"""Any folder of sounds, without labels: the layout `sounds`."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import soundfile

from datamodules.corpora.sounds import Row, sounds_of

PIECE_S = 10.0
"""Longer sounds are cut into pieces of about this duration, which is that of AudioSet's clips."""


def all_sounds(folder: str | Path) -> Iterator[Row]:
    """Find every sound in a folder and its folders; long ones are cut into pieces of equal duration.

    Args:
        folder: The folder, with any folders in it.

    Yields:
        Rows with path and, for pieces, start and end in seconds. All have the split "train", to be split by a rule.

    Raises:
        CorpusError: There is no such folder, or no sound in it.
    """
    for path in sounds_of(Path(folder)):
        duration_s = _duration_s(path)
        num_pieces = max(1, round(duration_s / PIECE_S))
        if num_pieces == 1:
            yield {"path": str(path)}
            continue
        edges = [round(duration_s * place / num_pieces, 3) for place in range(num_pieces + 1)]
        for start_s, end_s in pairwise(edges):
            # The last piece has no end: rounding must not put it after that of the sound.
            end = {} if end_s == edges[-1] else {"end_s": end_s}
            yield {"path": str(path), "start_s": start_s, **end}


def _duration_s(path: Path) -> float:
    """Duration of a sound; 0 in formats that must be decoded for it, and of files that are damaged."""
    try:
        return float(soundfile.info(path).duration)
    except (soundfile.LibsndfileError, OSError):
        return 0.0
