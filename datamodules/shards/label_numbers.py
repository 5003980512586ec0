"""The labels of all clips at once, without their sounds."""

from typing import NamedTuple

import numpy as np


class LabelNumbers(NamedTuple):
    """Class numbers of all clips in one label set, as flat arrays.

    Args:
        numbers: (L,) int, the class numbers of the first clip, then of the second, and so on; `UNLABELLED` for a clip
            without labels.
        clips: (L,) int, the clip of each.
    """

    numbers: np.ndarray
    clips: np.ndarray


def from_starts(numbers: np.ndarray, starts: np.ndarray) -> LabelNumbers:
    """Make them from lists that are joined: clip i has `numbers[starts[i]:starts[i + 1]]`."""
    return LabelNumbers(numbers, np.repeat(np.arange(len(starts) - 1), np.diff(starts)))
