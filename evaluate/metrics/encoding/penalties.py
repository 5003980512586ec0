"""Ridge penalties: the published grid, and the choice among them."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

# The grid of the published evaluation, in the order it was tried.
PUBLISHED_ALPHAS = np.array([10.0**exponent for exponent in range(49, -51, -1)])

# Leave-one-out errors this close (relative) tie, and the largest penalty wins.
TIE_TOLERANCE = 1e-9

# The bounds hold exactly; this margin covers the tie tolerance and rounding.
_BOUND_MARGIN = 1e-6


@dataclass(frozen=True, eq=False)
class AlphaChoice:
    """Penalty chosen for each target.

    Attributes:
        index: (V,) position in the grid, descending.
        alpha: (V,).
        is_tie: (V,) True where no penalty of the grid predicts left-out stimuli better (by more than 1e-9) than
            the mean of the others does. With the published grid the prediction is then constant.
        error: (V,) mean squared leave-one-out error at the chosen penalty.
    """

    index: Tensor
    alpha: Tensor
    is_tie: Tensor
    error: Tensor


class LeaveOneOutErrors(NamedTuple):
    """Errors found so far; infinite where a bound says that they are above the smallest."""

    errors: Tensor  # (rows, V) sums of squares
    best: Tensor  # (V,) smallest so far

    def candidates(self, bound: Tensor) -> Tensor:
        """Columns whose error, not below `bound`, could be the smallest or tie with it."""
        return (bound <= self.best * (1.0 + _BOUND_MARGIN)).nonzero()[:, 0]

    def update(self, row: int, columns: Tensor | None, found: Tensor) -> None:
        """Enter some or (None) all columns of a row."""
        where = slice(None) if columns is None else columns
        self.errors[row, where] = found
        self.best[where] = torch.minimum(self.best[where], found)


def first_row(is_in: Tensor) -> Tensor:
    """Index of the first True of each column (every column has one)."""
    rows = torch.arange(len(is_in), dtype=torch.int32, device=is_in.device)
    return torch.where(is_in, rows[:, None], len(is_in)).amin(dim=0).to(torch.int64)


def descending_alphas(alphas: np.ndarray) -> np.ndarray:
    """Penalties as float64 in descending order.

    Raises:
        ValueError: None, or one that is not positive and finite, or twice the same.
    """
    values = np.asarray(alphas, dtype=np.float64)
    if values.ndim != 1 or len(values) == 0 or not np.isfinite(values).all() or (values <= 0).any():
        raise ValueError("alphas must be a list of positive, finite penalties")
    descending = np.sort(values)[::-1].copy()
    if (np.diff(descending) == 0).any():
        raise ValueError("alphas holds the same penalty twice")
    return descending
