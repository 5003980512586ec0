"""Banded matrices as the compiled code reads them (`fused.cpp`)."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

POINTS = 8
"""Columns, which are points of an envelope, that are computed together."""


class Banded(NamedTuple):
    """A matrix, cut into `POINTS` columns each, with the rows of each cut from its first to its last that are not 0.

    Attributes:
        rows: (cuts, 3): the first row, how many are kept, and how many are kept of all cuts before.
        weights: (sum of the numbers of rows, `POINTS`); columns after the last are 0.
    """

    rows: NDArray[np.int64]
    weights: NDArray[np.float64]


def cut(matrix: NDArray[np.float64]) -> Banded:
    """Keep of a matrix, (rows, columns), what is not 0, cut by cut."""
    padded = np.pad(matrix, ((0, 0), (0, -matrix.shape[1] % POINTS)))
    rows: list[tuple[int, int, int]] = []
    weights: list[NDArray[np.float64]] = []
    for part in padded.reshape(len(matrix), -1, POINTS).transpose(1, 0, 2):
        inside = np.flatnonzero(part.any(axis=1))
        first, end = (int(inside[0]), int(inside[-1]) + 1) if len(inside) else (0, 0)
        rows.append((first, end - first, sum(len(each) for each in weights)))
        weights.append(part[first:end])
    return Banded(np.array(rows), np.concatenate(weights))
