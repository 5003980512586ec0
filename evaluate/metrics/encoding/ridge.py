r"""Ridge regression with leave-one-out choice of the penalty: all targets and penalties from one decomposition.

With centred features X (n stimuli), their singular values s and left singular vectors Q, and `l = s^2`, the residual
of the fit with penalty a and the leverage h_i of stimulus i, including the intercept, are

    e_i(a) = (y - Q diag(l / (l + a)) Q' y)_i      1 - h_i(a) = 1 - 1/n - sum_j Q_ij^2 l_j / (l_j + a)

and the error of predicting stimulus i from all others is `e_i / (1 - h_i)` (Allen's PRESS; Golub, Heath & Wahba
1979). In terms of `w = a / (l + a)`, the fraction of each direction that remains in the residual, no digits cancel for
any a:

    e = y_outside + Q diag(w) z,   1 - h_i = outside_i + sum_j Q_ij^2 w_j,   z = Q' y

where "outside" is the part of the centred stimulus space that the features do not span. scikit-learn's `RidgeCV`
defines the result; this module computes it for thousands of targets in the time that `RidgeCV` needs for one.

If the kernel is singular, the errors of `RidgeCV` are dominated by rounding for penalties below about 1e-7 of the
largest eigenvalue. Here they converge to their limit, as refitting without each stimulus confirms.

Most penalties need little or no work. Above about 1e8 l_max, the error is `E0 + E1 / a` to rounding, with two
inexpensive numbers. Below 1e-17 l_min, all penalties give the same fit. Of the others, a proven lower bound of the
error excludes most of those far from the eigenvalues. None of this changes which penalty is chosen.
"""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from evaluate.metrics.encoding.decomposition import decompose
from evaluate.metrics.encoding.pearson import column_norm, column_sum
from evaluate.metrics.encoding.penalties import (
    PUBLISHED_ALPHAS,
    TIE_TOLERANCE,
    AlphaChoice,
    LeaveOneOutErrors,
    descending_alphas,
    first_row,
)

# Above this times the largest eigenvalue, `E0 + E1 / a` is exact to rounding (the next term is its square, 1e-16).
_SERIES_START = 1e8
# Below this times the smallest eigenvalue, `l + a == l` in float64.
_IDENTICAL_BELOW = 1e-17
# Penalties within this factor of the eigenvalues are always evaluated; others only if a bound does not exclude them.
_CORE_FACTOR = 10.0


class Projection(NamedTuple):
    """Training targets, projected onto the decomposed features.

    Attributes:
        centred: (n, V) targets minus their mean.
        coordinates: (r, V) coordinates z on the basis.
        outside: (n, V) part of the targets that the features do not span, or None if they span everything.
        mean: (V,) mean of the targets.
    """

    centred: Tensor
    coordinates: Tensor
    outside: Tensor | None
    mean: Tensor


def _some(projection: Projection, columns: Tensor) -> tuple[Tensor, Tensor | None]:
    """Select the coordinates and outside part of some targets."""
    outside = None if projection.outside is None else projection.outside.index_select(1, columns)
    return projection.coordinates.index_select(1, columns), outside


class LeaveOneOutRidge:
    """Leave-one-out errors, choice of penalty and predictions for one set of training features.

    Args:
        features: (n, D) float64 training features; n at least 3.
        alphas: Positive penalties, in any order.
        smallest_ratio: Smallest singular value to keep, relative to the largest; None for those above rounding.

    Attributes:
        alphas: (A,) the penalties in descending order.
        decomposition: Result of `decompose`.

    Raises:
        ValueError: A penalty is not positive and finite, or occurs twice; or there are fewer than three stimuli.
    """

    def __init__(
        self, features: Tensor, alphas: np.ndarray = PUBLISHED_ALPHAS, *, smallest_ratio: float | None = None
    ) -> None:
        if features.shape[0] < 3:
            raise ValueError(f"leave-one-out needs at least 3 training stimuli, got {features.shape[0]}")
        self.decomposition = decompose(features, smallest_ratio)
        self.alphas = torch.as_tensor(descending_alphas(alphas), device=features.device)
        self._prepare()

    def _prepare(self) -> None:
        """Compute tables over the penalties, which all targets share."""
        parts, eigenvalues = self.decomposition, self.decomposition.eigenvalues
        alphas, num_train = self.alphas, parts.basis.shape[0]
        self._free_leverage = 1.0 - 1.0 / num_train
        self._largest = float(eigenvalues.max()) if len(eigenvalues) else 0.0
        self._smallest = float(eigenvalues.min()) if len(eigenvalues) else 0.0
        squared_basis = parts.basis.square()
        self._kernel_diagonal = squared_basis @ eigenvalues  # (n,)
        weights = alphas[:, None] / (eigenvalues + alphas[:, None])  # (A, r) w
        if parts.outside is None:
            # The scale cancels in e / (1 - h); without it, both would vanish with the penalty.
            weights = weights / weights.amax(dim=1, keepdim=True)
        self._weights = weights
        outside = 0.0 if parts.outside is None else parts.outside
        remaining = weights @ squared_basis.T + outside  # (A, n), 1 - h
        self._inverse_remaining = 1.0 / remaining
        self._shrinkage = parts.singular_values[:, None] / (eigenvalues[:, None] + alphas)  # (r, A), s / (l + a)
        first_low = self._divide_penalties()
        # Limits for a vanishing penalty; only used if there are penalties below the eigenvalues.
        self._limit_weights = self._smallest / eigenvalues
        if parts.outside is None:
            self._limit_inverse = 1.0 / (squared_basis @ self._limit_weights)
        else:
            self._limit_inverse = self._inverse_remaining[min(first_low, len(alphas) - 1)]

    def _divide_penalties(self) -> int:
        """Divide the penalties into ranges by how they are evaluated; return the index of the first below all l.

        Of penalties whose errors are identical in float64, only the largest, which would be chosen, has a row.
        """
        alphas = self.alphas.cpu().numpy()
        # In descending order: the same as the largest | series | upper | core | lower | the same as the smallest.
        same_above = int((alphas > self._largest / _IDENTICAL_BELOW).sum())
        first_mid = int((alphas >= _SERIES_START * self._largest).sum())
        first_core = max(first_mid, int((alphas > _CORE_FACTOR * self._largest).sum()))
        first_low = max(first_core, int((alphas >= self._smallest / _CORE_FACTOR).sum()))
        first_same = max(first_low, int((alphas >= _IDENTICAL_BELOW * self._smallest).sum()) + 1)
        dropped = max(same_above - 1, 0)
        rows = [*range(min(same_above, 1)), *range(same_above, min(first_same, len(alphas)))]
        self._rows = torch.tensor(rows, device=self.alphas.device)
        self._row_alphas = self.alphas[self._rows]
        self._series = range(first_mid - dropped)
        self._upper = range(first_core - 1 - dropped, first_mid - 1 - dropped, -1)  # outwards
        self._core = range(first_core - dropped, first_low - dropped)
        self._lower = range(first_low - dropped, len(rows))
        self._row_weights = self._weights[self._rows]
        self._row_inverse = self._inverse_remaining[self._rows]
        return first_low

    def project(self, targets: Tensor) -> Projection:
        """Centre float64 targets (n, V) and compute their coordinates z = Q' y and the part outside."""
        parts = self.decomposition
        mean = column_sum(targets) / len(targets)
        centred = targets - mean
        coordinates = parts.basis.T @ centred
        if parts.outside is None:
            return Projection(centred, coordinates, None, mean)
        outside = centred - parts.basis @ coordinates
        outside[parts.outside == 0.0] = 0.0
        return Projection(centred, coordinates, outside, mean)

    def errors(self, targets: Tensor) -> Tensor:
        """Mean squared leave-one-out errors (A, V) of float64 targets (n, V) at every penalty, without shortcuts."""
        _, coordinates, outside, _ = self.project(targets)
        tables = zip(self._weights, self._inverse_remaining, strict=True)
        return torch.stack([self._weighted_error(*row, coordinates, outside) for row in tables]) / len(targets)

    def choose(self, projection: Projection) -> AlphaChoice:
        """Choose each target's penalty: the largest whose error is within 1e-9 of the smallest.

        Args:
            projection: Result of `project` for V targets.

        Returns:
            The choice for each target.
        """
        state = self.search(projection)
        largest_error = state.best * (1.0 + TIE_TOLERANCE)
        chosen = first_row(state.errors <= largest_error)
        return AlphaChoice(
            index=self._rows[chosen],
            alpha=self._row_alphas[chosen],
            is_tie=self._constant_error(projection) <= largest_error,
            error=state.errors.gather(0, chosen[None])[0] / len(projection.centred),
        )

    def search(self, projection: Projection) -> LeaveOneOutErrors:
        """Compute the leave-one-out errors of all penalties whose error may be the smallest or tie with it.

        Args:
            projection: Result of `project` for V targets.

        Returns:
            Sums of squared errors for the penalties `alphas[rows]`.
        """
        _, coordinates, outside, _ = projection
        constant_error = self._constant_error(projection)
        slope = self._series_slope(projection)
        errors = torch.full_like(constant_error, torch.inf).repeat(len(self._rows), 1)
        num_series = len(self._series)
        errors[:num_series] = constant_error + slope / self._row_alphas[:num_series, None]
        for row in self._core:
            errors[row] = self._error(row, coordinates, outside)
        state = LeaveOneOutErrors(errors, errors.amin(dim=0))
        self._search_upper(state, projection, constant=constant_error, slope=slope)
        self._search_lower(state, projection)
        return state

    @property
    def rows(self) -> Tensor:
        """Index in `alphas` of each row of errors: of penalties that give the same fit, only the largest has one."""
        return self._rows

    def shrink(self, coordinates: Tensor, index: Tensor) -> Tensor:
        """Coefficients `b = s / (l + a) * z` (r, V) of each target on the feature axes, for penalties `index` (V,)."""
        # (features - mean) @ axes @ b is the prediction minus the training mean.
        return self._shrinkage.index_select(1, index) * coordinates

    def _constant_error(self, projection: Projection) -> Tensor:
        """Error E0 (V,) of predicting each stimulus by the mean of the others, sum_i (y_i / (1 - 1/n))^2."""
        return column_sum(projection.centred.square()) / self._free_leverage**2

    def _error(self, row: int, coordinates: Tensor, outside: Tensor | None) -> Tensor:
        """Sum over stimuli (V,) of the squared leave-one-out error at one row's penalty."""
        return self._weighted_error(self._row_weights[row], self._row_inverse[row], coordinates, outside)

    def _weighted_error(
        self, weights: Tensor, inverse_remaining: Tensor, coordinates: Tensor, outside: Tensor | None
    ) -> Tensor:
        # e = y_outside + Q diag(w) z, then sum_i (e_i / (1 - h_i))^2.
        weighted = self.decomposition.basis * weights
        residual = weighted @ coordinates if outside is None else torch.addmm(outside, weighted, coordinates)
        return inverse_remaining.square() @ residual.square_()

    def _search_upper(
        self, state: LeaveOneOutErrors, projection: Projection, *, constant: Tensor, slope: Tensor
    ) -> None:
        """Compute the errors at penalties above the eigenvalues that the bound does not exclude."""
        for row in self._upper:
            columns = state.candidates(self._upper_bound(row, constant, slope))
            if 2 * len(columns) > len(slope):  # computing all columns is faster than selecting some
                state.update(row, None, self._error(row, projection.coordinates, projection.outside))
            elif len(columns):
                state.update(row, columns, self._error(row, *_some(projection, columns)))

    def _search_lower(self, state: LeaveOneOutErrors, projection: Projection) -> None:
        """Compute the errors at penalties below the eigenvalues that the bound does not exclude.

        The bound increases from row to row, so that each row only considers the columns that the last one left.
        """
        if not self._lower:
            return
        limit, reach = self._low_limit(projection)
        columns: Tensor | None = None
        coordinates, outside = projection.coordinates, projection.outside
        for row in self._lower:
            # sqrt(E(a)) >= sqrt(E(0)) - change(a) * reach
            bound = (limit - self._low_change(row) * reach).clamp(min=0.0).square()
            remaining = state.candidates(bound)
            if len(remaining) == 0:
                return
            if len(remaining) < coordinates.shape[1] and 2 * len(remaining) <= len(limit):
                columns, (coordinates, outside) = remaining, _some(projection, remaining)
            state.update(row, columns, self._error(row, coordinates, outside))

    def _upper_bound(self, row: int, constant_error: Tensor, slope: Tensor) -> Tensor:
        """Lower bound (V,) of the error at a penalty well above the eigenvalues.

        With d = l_max / a, all weights are at least `1 / (1 + d)` and 1 - h is at most `1 - 1/n`, so the error is at
        least `E0 / (1 + d)^2`. A second bound expands residual and leverage to first order: the omitted terms reduce
        the error by at most `(8 + 4 d) d^2 E0`, with `2 + 4 d` from the second order of the residual, 2 from that of
        the leverage, and 4 from their product.
        """
        alpha = self._row_alphas[row]
        ratio = self._largest / alpha
        by_series = constant_error * (1.0 - (8.0 + 4.0 * ratio) * ratio.square()) + slope / alpha
        return torch.maximum(constant_error / (1.0 + ratio).square(), by_series)

    def _series_slope(self, projection: Projection) -> Tensor:
        """Slope E1 (V,) of `error = E0 + E1 / a` for large a."""
        # There e = y - K y / a and 1 - h = g - diag(K) / a with g = 1 - 1/n and K = Q diag(l) Q', hence
        # E1 = 2 (sum_i K_ii y_i^2 / g - y' K y) / g^2.
        gain = self.decomposition.eigenvalues @ projection.coordinates.square()
        loss = self._kernel_diagonal @ projection.centred.square() / self._free_leverage
        return 2.0 * (loss - gain) / self._free_leverage**2

    def _low_limit(self, projection: Projection) -> tuple[Tensor, Tensor]:
        """Root of the error (V,) for a vanishing penalty, and its largest change (V,) per unit of `_low_change`.

        For a -> 0, residuals tend to `outside` or, if nothing is outside, to `Q diag(1 / l) z` up to a common scale.
        The leave-one-out factors 1 / (1 - h), in the same scale, are replaced by values that bound the error from
        below.
        """
        if projection.outside is None:
            limit = self._weighted_error(self._limit_weights, self._limit_inverse, projection.coordinates, None)
            size = column_norm(projection.coordinates * self._limit_weights[:, None])
        else:
            limit = self._limit_inverse.square() @ projection.outside.square()
            size = column_norm(projection.coordinates)
        return limit.sqrt(), self._limit_inverse.max() * size

    def _low_change(self, row: int) -> Tensor:
        """Largest change of a direction's weight between this row's penalty and its limit for a -> 0."""
        return self._row_alphas[row] / (self._smallest + self._row_alphas[row])
