r"""Ridge regression from lagged components to responses in time, with the penalty chosen by folds over sounds.

The row of sound s and bin t holds the K components of the stage at t, t - 1, ..., t - L + 1. With the centred rows X
and responses Y of a fit, the weights for penalty a are

    w = (X' X + a tr(X' X) / p I)^-1 X' Y,   p = K L

A sound's bins are never divided between fit and test, since neighbouring bins are similar. Each fold is predicted from
the other folds; all fits share the moments of the folds.
"""

from collections.abc import Iterator
from functools import reduce
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from evaluate.metrics.encoding.pearson import column_sum
from evaluate.metrics.encoding.penalties import TIE_TOLERANCE, first_row
from evaluate.metrics.temporal.shifted_systems import ShiftedSystems

NUM_FOLDS = 5
"""Training sound i, in ascending order, is in fold i mod 5."""

SCALES = 10.0 ** np.arange(4.0, -8.5, -0.5)
"""Penalties relative to `tr(X' X) / p`: 1e4 down to 1e-8 in half decades."""

BLOCK_BYTES = 2**26
"""Rows of lagged components at a time, in bytes."""


class LaggedFit(NamedTuple):
    """Weights of M targets."""

    weights: Tensor  # (L, K, M)
    scale: Tensor  # (M,) relative penalty
    intercept: Tensor  # (M,)


class _Solver(NamedTuple):
    """The ridge systems of a fit, for all penalties."""

    num_rows: int
    mean: Tensor  # (p,)
    systems: ShiftedSystems


class LaggedRidge:
    """Ridge models of one split: those that leave out a fold, and that of all training sounds.

    Args:
        components: (S, T + L - 1, K) components of all sounds, float64: L - 1 bins before those of the responses.
        num_lags: Number of lags L.
        train: (n,) indices of the training sounds, ascending.
    """

    def __init__(self, components: Tensor, num_lags: int, train: np.ndarray) -> None:
        self._components, self._num_lags = components, num_lags
        self._num_bins = components.shape[1] - num_lags + 1
        self._size = num_lags * components.shape[2]
        self._folds = [train[fold::NUM_FOLDS] for fold in range(NUM_FOLDS)]
        # Of each fold, and of all: sums of products, which become those without the fold and then its solver, in place.
        shape = num_lags, components.shape[2], num_lags, components.shape[2]
        products = components.new_zeros(NUM_FOLDS + 1, *shape)
        totals = [self._add_products(found, fold) for found, fold in zip(products, self._folds, strict=False)]
        *parts, whole = products.view(NUM_FOLDS + 1, self._size, self._size)
        for part in parts:
            whole += part
        total, num_rows = reduce(torch.add, totals), len(train) * self._num_bins
        self._partial = [
            _solver(torch.sub(whole, part, out=part), total - left_out, num_rows - len(fold) * self._num_bins)
            for part, left_out, fold in zip(parts, totals, self._folds, strict=True)
        ]
        self._full = _solver(whole, total, num_rows)

    def fit(self, targets: Tensor) -> LaggedFit:
        """Choose the penalty of each target, and fit all training sounds.

        Args:
            targets: (S, T, M) float64.

        Returns:
            Weights and penalties; of errors within 1e-9 of the smallest, the largest penalty is chosen.
        """
        crossed = [self._cross_moments(fold, targets) for fold in self._folds]
        total, products = (reduce(torch.add, each) for each in zip(*crossed, strict=True))
        num_targets = targets.shape[2]
        errors = torch.zeros(len(SCALES), num_targets, dtype=torch.float64, device=targets.device)
        for fold, solver, (fold_total, fold_products) in zip(self._folds, self._partial, crossed, strict=True):
            mean = (total - fold_total) / solver.num_rows
            solved = _solved(solver, products - fold_products, mean)
            self._add_errors(errors, fold, solver, solved, targets=targets, mean=mean)
        chosen = first_row(errors <= errors.amin(dim=0) * (1.0 + TIE_TOLERANCE))
        scale = torch.as_tensor(SCALES, device=targets.device)[chosen]
        mean = total / self._full.num_rows
        solved = _solved(self._full, products, mean)[chosen, :, torch.arange(num_targets, device=targets.device)]
        weights = self._full.systems.rotate_back(solved.T)
        return LaggedFit(self._by_lag(weights), scale, mean - self._full.mean @ weights)

    def predict(self, fit: LaggedFit, sounds: np.ndarray) -> Tensor:
        """Predict the responses (sounds, T, M) to sounds."""
        parts = [self._weighted(block, fit.weights) for block in self._blocks(sounds)]
        return (torch.cat(parts) + fit.intercept).view(len(sounds), self._num_bins, -1)

    def peak_lag(self, fit: LaggedFit) -> Tensor:
        """Lag (M,) in bins whose part of the prediction has the largest variance."""
        # Components are uncorrelated: the variance of a lag's part is the sum over its components.
        train = torch.as_tensor(np.concatenate(self._folds), device=self._components.device)
        variance = self._components[train].square().mean(dim=(0, 1))  # (K,)
        return (fit.weights.square() * variance[:, None]).sum(dim=1).argmax(dim=0)

    def _blocks(self, sounds: np.ndarray) -> Iterator[Tensor]:
        """Yield the sounds, a few at a time."""
        step = max(1, BLOCK_BYTES // (8 * max(self._size, 1) * self._num_bins))
        for first in range(0, len(sounds), step):
            yield torch.as_tensor(sounds[first : first + step], device=self._components.device)

    def _lagged(self, sounds: Tensor) -> Iterator[Tensor]:
        """Yield the components (sounds * T, K) at lags of 0, 1, ..., L - 1 bins."""
        components = self._components[sounds]
        for start in reversed(range(self._num_lags)):
            yield components[:, start : start + self._num_bins].flatten(0, 1)

    def _by_lag(self, values: Tensor) -> Tensor:
        """View values (p, M) as (L, K, M)."""
        return values.unflatten(0, (self._num_lags, self._components.shape[2]))

    def _weighted(self, sounds: Tensor, weights: Tensor) -> Tensor:
        """Sum (sounds * T, M) of the lagged components times weights (L, K, M)."""
        found = weights.new_zeros(len(sounds) * self._num_bins, weights.shape[2])
        for lagged, of_lag in zip(self._lagged(sounds), weights, strict=True):
            found.addmm_(lagged, of_lag)
        return found

    def _add_products(self, products: Tensor, sounds: np.ndarray) -> Tensor:
        """Add the products of the rows of some sounds to products (L, K, L, K); return the sum (p,) of the rows."""
        num_lags, num_components = self._num_lags, self._components.shape[2]
        total = self._components.new_zeros(num_lags, num_components)
        ends = self._components.new_zeros((num_lags - 1) * num_components, (num_lags - 1) * num_components)
        for block in self._blocks(sounds):
            by_lag = list(self._lagged(block))
            total += torch.stack([column_sum(lagged) for lagged in by_lag])
            products[0] += torch.stack([by_lag[0].T @ lagged for lagged in by_lag], dim=1)
            components = self._components[block]
            before, after = (
                components[:, bins].flip(1).flatten(1)
                for bins in (slice(num_lags - 1), slice(self._num_bins, self._num_bins + num_lags - 1))
            )
            ends.addmm_(before.T, before).addmm_(after.T, after, alpha=-1)
        # Two lags have the products of the two that are one bin shorter, except for a bin at either end.
        changes = ends.view(num_lags - 1, num_components, num_lags - 1, num_components)
        for lag in range(1, num_lags):
            products[lag, :, 0] = products[0, :, lag].T
            products[lag, :, 1:] = products[lag - 1, :, :-1] + changes[lag - 1]
        return total.flatten()

    def _cross_moments(self, sounds: np.ndarray, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Sums (M,) of targets and (p, M) of rows times targets over some sounds."""
        total, products = targets.new_zeros(targets.shape[2]), targets.new_zeros(self._size, targets.shape[2])
        by_lag = self._by_lag(products)
        for block in self._blocks(sounds):
            values = targets[block].flatten(0, 1)
            total += column_sum(values)
            for of_lag, lagged in zip(by_lag, self._lagged(block), strict=True):
                of_lag.addmm_(lagged.T, values)
        return total, products

    def _add_errors(
        self,
        errors: Tensor,
        sounds: np.ndarray,
        solver: _Solver,
        solved: Tensor,
        *,
        targets: Tensor,
        mean: Tensor,
    ) -> None:
        """Add the squared errors of predicting the sounds of a fold at every penalty to errors (A, M)."""
        if solved.shape[0] * solved.shape[2] <= self._size:
            # For few targets, the weights of all penalties are fewer than the axes that the rows would be rotated to.
            weights = solver.systems.rotate_back(solved.transpose(0, 1).flatten(1))  # (p, A M)
            constant = mean - (solver.mean @ weights).view_as(errors)
            for block in self._blocks(sounds):
                predicted = self._weighted(block, self._by_lag(weights)).unflatten(1, errors.shape)
                measured = targets[block].flatten(0, 1)
                errors += column_sum((measured[:, None] - constant - predicted).square_())
            return
        for block in self._blocks(sounds):
            rows = torch.cat(list(self._lagged(block)), dim=1) - solver.mean
            rotated = solver.systems.rotate(rows.T).T
            measured = targets[block].flatten(0, 1) - mean
            for row, of_scale in enumerate(solved):
                errors[row] += column_sum((measured - rotated @ of_scale).square_())


def _solver(products: Tensor, total: Tensor, num_rows: int) -> _Solver:
    """Factorise the products of rows minus their mean, plus penalties; overwrites products (p, p)."""
    mean = total / num_rows
    centred = products.addr_(mean, mean, alpha=-num_rows)
    unit = centred.diagonal().mean() if len(mean) else centred.new_ones(())
    # If the rows do not vary, any penalty gives weights of 0.
    penalties = torch.as_tensor(SCALES, device=mean.device) * torch.where(unit > 0, unit, 1.0)
    return _Solver(num_rows, mean, ShiftedSystems(centred, penalties))


def _solved(solver: _Solver, products: Tensor, target_mean: Tensor) -> Tensor:
    """Solve for rotated weights (A, p, M), of products of rows and targets."""
    centred = products - solver.num_rows * torch.outer(solver.mean, target_mean)
    return solver.systems.solve(solver.systems.rotate(centred))
