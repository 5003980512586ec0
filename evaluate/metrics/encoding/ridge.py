r"""Ridge regression with leave-one-out choice of the penalty: all targets and penalties from one decomposition.

With centred features X (n stimuli) and their singular values s, left singular vectors Q, and `l = s^2`, the
residual of the fit with penalty a and the leverage of its stimulus i, intercept included, are

    e_i(a) = (y - Q diag(l / (l + a)) Q' y)_i      1 - h_i(a) = 1 - 1/n - sum_j Q_ij^2 l_j / (l_j + a)

and the error of predicting stimulus i from all others is `e_i / (1 - h_i)` (Allen's PRESS; Golub, Heath & Wahba
1979). Written with `w = a / (l + a)`, what is left of each direction, no digits cancel, whatever a is:

    e = y_outside + Q diag(w) z,   1 - h_i = outside_i + sum_j Q_ij^2 w_j,   z = Q' y

where "outside" is the part of the centred stimulus space that no feature reaches. scikit-learn's `RidgeCV` is the
definition of the result; this module computes it for thousands of targets in the time it needs for one.

Where the kernel is singular, RidgeCV's own errors are rounding for penalties below about 1e-7 of the largest
eigenvalue; here they keep their limit, which refitting without each stimulus confirms.

Penalties that need no work: above about 1e8 l_max the error is `E0 + E1 / a` to rounding, for two numbers that cost
nothing; below 1e-17 l_min all penalties are the same fit; and between, a proven lower bound of the error rules
most of the far penalties out. None of the three changes which penalty is chosen.
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
# Penalties within this factor of the eigenvalues are always evaluated; those beyond, only where a bound allows.
_CORE_FACTOR = 10.0


class Projection(NamedTuple):
    """Training targets as the decomposed features see them.

    Attributes:
        centred: (n, V) targets less their mean.
        coordinates: (r, V) z, coordinates on the basis.
        outside: (n, V) what no feature reaches, or None if nothing is left.
        mean: (V,) mean of the targets.
    """

    centred: Tensor
    coordinates: Tensor
    outside: Tensor | None
    mean: Tensor


def _some(projection: Projection, columns: Tensor) -> tuple[Tensor, Tensor | None]:
    """Coordinates and outside part of some targets."""
    outside = None if projection.outside is None else projection.outside.index_select(1, columns)
    return projection.coordinates.index_select(1, columns), outside


class LeaveOneOutRidge:
    """Leave-one-out errors, choice of penalty and predictions for one set of training features.

    Args:
        features: (n, D) float64 training features; n at least 3.
        alphas: Penalties, positive, any order.

    Attributes:
        alphas: (A,) the penalties in descending order.
        decomposition: What `decompose` gave.

    Raises:
        ValueError: Penalties that are not positive and finite, or repeated; fewer than three stimuli.
    """

    def __init__(self, features: Tensor, alphas: np.ndarray = PUBLISHED_ALPHAS) -> None:
        if features.shape[0] < 3:
            raise ValueError(f"leave-one-out needs at least 3 training stimuli, got {features.shape[0]}")
        self.decomposition = decompose(features)
        self.alphas = torch.as_tensor(descending_alphas(alphas), device=features.device)
        self._prepare()

    def _prepare(self) -> None:
        """Tables over penalties that all targets share."""
        parts, eigenvalues = self.decomposition, self.decomposition.eigenvalues
        alphas, num_train = self.alphas, parts.basis.shape[0]
        self._free_leverage = 1.0 - 1.0 / num_train
        self._largest = float(eigenvalues.max()) if len(eigenvalues) else 0.0
        self._smallest = float(eigenvalues.min()) if len(eigenvalues) else 0.0
        squared_basis = parts.basis.square()
        self._kernel_diagonal = squared_basis @ eigenvalues  # (n,)
        weights = alphas[:, None] / (eigenvalues + alphas[:, None])  # (A, r)
        if parts.outside is None:
            weights = weights / weights.amax(dim=1, keepdim=True)  # a scale that residuals and 1 - h share
        self._weights = weights
        outside = 0.0 if parts.outside is None else parts.outside
        remaining = weights @ squared_basis.T + outside  # (A, n), 1 - h
        self._inverse_remaining = 1.0 / remaining
        self._shrinkage = parts.singular_values[:, None] / (eigenvalues[:, None] + alphas)  # (r, A)
        first_low = self._divide_penalties()
        # As the penalty vanishes; only used where there are penalties below the eigenvalues.
        self._limit_weights = self._smallest / eigenvalues
        if parts.outside is None:
            self._limit_inverse = 1.0 / (squared_basis @ self._limit_weights)
        else:
            self._limit_inverse = self._inverse_remaining[min(first_low, len(alphas) - 1)]

    def _divide_penalties(self) -> int:
        """Sort the penalties by how they are dealt with; returns where those below all eigenvalues begin.

        Of penalties whose errors are identical in float64 only the largest, which would be chosen, keeps a row.
        """
        alphas = self.alphas.cpu().numpy()
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
        """Centre targets (n, V), float64, and take their coordinates."""
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
        """Mean squared leave-one-out error of every penalty, each computed in full.

        Args:
            targets: (n, V) float64.

        Returns:
            (A, V), penalties descending.
        """
        _, coordinates, outside, _ = self.project(targets)
        tables = zip(self._weights, self._inverse_remaining, strict=True)
        return torch.stack([self._weighted_error(*row, coordinates, outside) for row in tables]) / len(targets)

    def choose(self, projection: Projection) -> AlphaChoice:
        """Choose each target's penalty: the largest whose error is within 1e-9 of the smallest.

        Args:
            projection: What `project` gave for V targets.

        Returns:
            The choice for each target.
        """
        _, coordinates, outside, _ = projection
        constant_error = column_sum(projection.centred.square()) / self._free_leverage**2  # of the others' mean
        slope = self._series_slope(projection)
        errors = torch.full_like(constant_error, torch.inf).repeat(len(self._rows), 1)
        num_series = len(self._series)
        errors[:num_series] = constant_error + slope / self._row_alphas[:num_series, None]
        for row in self._core:
            errors[row] = self._error(row, coordinates, outside)
        state = LeaveOneOutErrors(errors, errors.amin(dim=0))
        self._search_upper(state, projection, constant=constant_error, slope=slope)
        self._search_lower(state, projection)
        largest_error = state.best * (1.0 + TIE_TOLERANCE)
        chosen = first_row(errors <= largest_error)
        return AlphaChoice(
            index=self._rows[chosen],
            alpha=self._row_alphas[chosen],
            is_tie=constant_error <= largest_error,
            error=errors.gather(0, chosen[None])[0] / len(projection.centred),
        )

    def shrink(self, coordinates: Tensor, index: Tensor) -> Tensor:
        """Coefficients of each target on the feature axes, `s / (l + a) * z`.

        Args:
            coordinates: (r, V).
            index: (V,) chosen penalties.

        Returns:
            (r, V); `(features - mean) @ axes @ result` is the prediction's deviation from the training mean.
        """
        return self._shrinkage.index_select(1, index) * coordinates

    def _error(self, row: int, coordinates: Tensor, outside: Tensor | None) -> Tensor:
        """Sum over stimuli of the squared leave-one-out error at one row's penalty: (V,)."""
        return self._weighted_error(self._row_weights[row], self._row_inverse[row], coordinates, outside)

    def _weighted_error(
        self, weights: Tensor, inverse_remaining: Tensor, coordinates: Tensor, outside: Tensor | None
    ) -> Tensor:
        weighted = self.decomposition.basis * weights
        residual = weighted @ coordinates if outside is None else torch.addmm(outside, weighted, coordinates)
        return inverse_remaining.square() @ residual.square_()

    def _search_upper(
        self, state: LeaveOneOutErrors, projection: Projection, *, constant: Tensor, slope: Tensor
    ) -> None:
        """Errors at penalties above the eigenvalues, where the bound leaves them a chance to be the smallest."""
        for row in self._upper:
            columns = state.candidates(self._upper_bound(row, constant, slope))
            if 2 * len(columns) > len(slope):  # to compute them all is faster than to pick them out
                state.update(row, None, self._error(row, projection.coordinates, projection.outside))
            elif len(columns):
                state.update(row, columns, self._error(row, *_some(projection, columns)))

    def _search_lower(self, state: LeaveOneOutErrors, projection: Projection) -> None:
        """Errors at penalties below the eigenvalues; as the bound only rises, each looks at what the last left."""
        if not self._lower:
            return
        limit, reach = self._low_limit(projection)
        columns: Tensor | None = None
        coordinates, outside = projection.coordinates, projection.outside
        for row in self._lower:
            bound = (limit - self._low_change(row) * reach).clamp(min=0.0).square()
            remaining = state.candidates(bound)
            if len(remaining) == 0:
                return
            if len(remaining) < coordinates.shape[1] and 2 * len(remaining) <= len(limit):
                columns, (coordinates, outside) = remaining, _some(projection, remaining)
            state.update(row, columns, self._error(row, coordinates, outside))

    def _upper_bound(self, row: int, constant_error: Tensor, slope: Tensor) -> Tensor:
        """What the error at a penalty well above the eigenvalues cannot be below: (V,).

        With d = l_max / a: no weight is below `1 / (1 + d)` and 1 - h not above `1 - 1/n`, hence `E0 / (1 + d)^2`.
        And expanding residual and leverage to first order, what is left out lowers the error by at most
        `(8 + 4 d) d^2 E0`: `2 + 4 d` from the residual's second order, 2 from the leverage's, 4 from the product.
        """
        alpha = self._row_alphas[row]
        ratio = self._largest / alpha
        by_series = constant_error * (1.0 - (8.0 + 4.0 * ratio) * ratio.square()) + slope / alpha
        return torch.maximum(constant_error / (1.0 + ratio).square(), by_series)

    def _series_slope(self, projection: Projection) -> Tensor:
        """E1 of `error = E0 + E1 / a` for large a.

        There `e = y - K y / a` and `1 - h = g - diag(K) / a`, with `g = 1 - 1/n`.
        """
        gain = self.decomposition.eigenvalues @ projection.coordinates.square()
        loss = self._kernel_diagonal @ projection.centred.square() / self._free_leverage
        return 2.0 * (loss - gain) / self._free_leverage**2

    def _low_limit(self, projection: Projection) -> tuple[Tensor, Tensor]:
        """Root of the error as the penalty vanishes, (V,), and the most that it can move per `_low_change`, (V,).

        For vanishing a, residuals tend to `outside` or, if nothing is outside, to `Q diag(1 / l) z` but for a
        common scale; what 1 - h (in the same scale) is divided by is held at a value it cannot exceed.
        """
        if projection.outside is None:
            limit = self._weighted_error(self._limit_weights, self._limit_inverse, projection.coordinates, None)
            size = column_norm(projection.coordinates * self._limit_weights[:, None])
        else:
            limit = self._limit_inverse.square() @ projection.outside.square()
            size = column_norm(projection.coordinates)
        return limit.sqrt(), self._limit_inverse.max() * size

    def _low_change(self, row: int) -> Tensor:
        """Largest change of a direction's weight, relative to its limit, between this row's penalty and none."""
        return self._row_alphas[row] / (self._smallest + self._row_alphas[row])
