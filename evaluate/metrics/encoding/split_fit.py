"""Ridge fits of many units in one split: predictions, correlations and noise ceilings.

The computations of `evaluate.metrics.encoding.encoding`, for tensors that fit into memory.
"""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from evaluate.metrics.encoding.pearson import column_norm, column_sum, correlation, varying_norm
from evaluate.metrics.encoding.prediction_scores import Deviations, published_rule, score_predictions
from evaluate.metrics.encoding.responses import Targets
from evaluate.metrics.encoding.ridge import LeaveOneOutRidge


class SplitModel(NamedTuple):
    """Values that the fits of all units in one split share."""

    ridge: LeaveOneOutRidge
    test_scores: Tensor  # (tests, r) test features on the axes of the training features
    train: Tensor  # (n,) indices
    test: Tensor  # (tests,) indices


def prepare_split(features: Tensor, alphas: np.ndarray, train: np.ndarray, test: np.ndarray) -> SplitModel:
    """Decompose one split's training features and project its test features.

    Args:
        features: (S, D) float64.
        alphas: (A,) penalties to choose from.
        train: (S,) bool.
        test: (S,) bool.

    Returns:
        The values that the fits of all units share, on the device of `features`.
    """
    train_index = torch.as_tensor(np.flatnonzero(train), device=features.device)
    test_index = torch.as_tensor(np.flatnonzero(test), device=features.device)
    ridge = LeaveOneOutRidge(features[train_index], alphas)
    parts = ridge.decomposition
    return SplitModel(ridge, (features[test_index] - parts.mean) @ parts.axes, train_index, test_index)


class UnitFits(NamedTuple):
    """Fits of V units in one split."""

    scores: dict[str, Tensor]  # the arrays of `EncodingResult` by name, each (V,)
    predictions: Tensor  # (tests, V) of the mean response
    coefficients: Tensor  # (r, V) of the mean response, on the axes of the training features
    train_mean: Tensor  # (V,) mean of the training responses


def fit_units(model: SplitModel, targets: Targets) -> UnitFits:
    """Fit the mean response of some units and, if there are several, each repetition; score the fits.

    Args:
        model: Result of `prepare_split`.
        targets: Result of `arrange_targets` for V units.

    Returns:
        Scores, predictions and coefficients.
    """
    # K fits (the mean, then the repetitions) of V units are K V targets with a penalty each.
    num_fits, num_units = targets.values.shape[1:]
    train_values = targets.values.index_select(0, model.train)
    projection = model.ridge.project(train_values.flatten(1))
    choice = model.ridge.choose(projection)
    coefficients = model.ridge.shrink(projection.coordinates, choice.index)  # (r, K V)
    predicted = (model.test_scores @ coefficients).unflatten(1, (num_fits, num_units))  # minus the training mean
    measured = targets.values.index_select(0, model.test)
    train_centred = projection.centred.view_as(train_values)
    train_norm = varying_norm(train_centred, projection.mean.view(num_fits, num_units))
    scores = score_predictions(predicted, measured, Deviations(train_centred, train_norm), targets)
    tied = choice.is_tie.view(num_fits, num_units)
    scores |= {
        "r2_train": _train_r2(model, projection.coordinates[:, :num_units], coefficients, train_norm[0]),
        "alpha": choice.alpha[:num_units],
        "is_tie": tied[0],
        "num_tied_repetitions": (tied[1:] & ~targets.is_missing[: num_fits - 1]).sum(dim=0),
    }
    train_mean = projection.mean[:num_units]
    return UnitFits(scores, predicted[:, 0] + train_mean, coefficients[:, :num_units], train_mean)


def _train_r2(model: SplitModel, coordinates: Tensor, coefficients: Tensor, train_norm: Tensor) -> Tensor:
    """Squared correlation over the training stimuli, from coordinates on the basis instead of predictions."""
    # The prediction is Q (s * b); Q is orthonormal, so inner products and norms are those of the coordinates.
    fitted = coefficients[:, : coordinates.shape[1]] * model.ridge.decomposition.singular_values[:, None]
    raw = correlation(column_sum(fitted * coordinates), column_norm(fitted), train_norm)
    return published_rule(raw, train_norm).square()
