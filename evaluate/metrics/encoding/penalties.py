"""Ridge penalties: the published grid, and the choice of one."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

# The grid of the published evaluation, 1e49 to 1e-50, in its order.
PUBLISHED_ALPHAS = np.array([10.0**exponent for exponent in range(49, -51, -1)])

# Leave-one-out errors within this relative distance are tied, and the largest penalty is chosen.
TIE_TOLERANCE = 1e-9

# The bounds are exact; this margin covers the tie tolerance and rounding.
_BOUND_MARGIN = 1e-6


@dataclass(frozen=True, eq=False)
class AlphaChoice:
    """Penalty chosen for each target.

    Attributes:
        index: (V,) index in the descending grid.
        alpha: (V,) the penalty.
        is_tie: (V,) True if no penalty of the grid predicts left-out stimuli better (by more than 1e-9) than the mean
            of the other stimuli does. With the published grid, the prediction is then constant.
        error: (V,) mean squared leave-one-out error at the chosen penalty.
    """

    index: Tensor
    alpha: Tensor
    is_tie: Tensor
    error: Tensor


class LeaveOneOutErrors(NamedTuple):
    """Errors computed so far; infinite where a bound excludes that they are the smallest."""

    errors: Tensor  # (rows, V) sums of squares
    best: Tensor  # (V,) smallest so far

    def candidates(self, bound: Tensor) -> Tensor:
        """Columns whose error, which is at least `bound`, could be the smallest or tie with it."""
        return (bound <= self.best * (1.0 + _BOUND_MARGIN)).nonzero()[:, 0]

    def update(self, row: int, columns: Tensor | None, found: Tensor) -> None:
        """Enter the errors of some columns of a row, or of all columns (None)."""
        where = slice(None) if columns is None else columns
        self.errors[row, where] = found
        self.best[where] = torch.minimum(self.best[where], found)


def first_row(is_in: Tensor) -> Tensor:
    """Index of the first True of each column (every column has one)."""
    rows = torch.arange(len(is_in), dtype=torch.int32, device=is_in.device)
    return torch.where(is_in, rows[:, None], len(is_in)).amin(dim=0).to(torch.int64)


def descending_alphas(alphas: np.ndarray) -> np.ndarray:
    """Convert penalties to float64 in descending order.

    Raises:
        ValueError: There are no penalties, or one is not positive and finite, or occurs twice.
    """
    values = np.asarray(alphas, dtype=np.float64)
    if values.ndim != 1 or len(values) == 0 or not np.isfinite(values).all() or (values <= 0).any():
        raise ValueError(f"alphas must be a list of positive, finite penalties, got {alphas!r}")
    descending = np.sort(values)[::-1].copy()
    if (np.diff(descending) == 0).any():
        raise ValueError("alphas contains the same penalty twice: give each once")
    return descending
