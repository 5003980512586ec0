"""Ridge fits of many units in one split: predictions, correlations and noise ceilings.

The computations of `evaluate.metrics.encoding.encoding`, for tensors that fit into memory.
"""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from evaluate.metrics.encoding.noise_ceiling import ceiling, pairwise_reliability
from evaluate.metrics.encoding.pearson import (
    CONSTANT_PREDICTION,
    column_norm,
    column_sum,
    correlation,
    deviation,
    varying_norm,
)
from evaluate.metrics.encoding.ridge import LeaveOneOutRidge


class SplitModel(NamedTuple):
    """Values that the fits of all units in one split share."""

    ridge: LeaveOneOutRidge
    test_scores: Tensor  # (tests, r) test features on the axes of the training features
    train: Tensor  # (n,) indices
    test: Tensor  # (tests,) indices


class Targets(NamedTuple):
    """Responses of a chunk of units, arranged for the fits."""

    values: Tensor  # (S, K, V): the mean, then each repetition if there are several; no NaN
    is_missing: Tensor  # (R, V) bool, repetitions with NaN
    num_repetitions: Tensor  # (V,) number of repetitions in the mean, harmonic mean over stimuli


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


def arrange_targets(repetitions: Tensor) -> Targets:
    """Put the mean of float64 repetitions (S, V, R), NaN if missing, in front of them."""
    repetitions = repetitions.transpose(1, 2)  # (S, R, V)
    is_nan = repetitions.isnan()
    count = (~is_nan).sum(dim=1, dtype=torch.float64)  # (S, V)
    filled = repetitions.nan_to_num()
    mean = filled.sum(dim=1, keepdim=True) / count[:, None]
    values = torch.cat([mean, filled], dim=1) if repetitions.shape[1] > 1 else mean
    return Targets(values, is_nan.any(dim=0), 1.0 / (1.0 / count).mean(dim=0))


def fit_units(model: SplitModel, targets: Targets) -> tuple[dict[str, Tensor], Tensor]:
    """Fit the mean response of some units and, if there are several, each repetition; score the fits.

    Args:
        model: Result of `prepare_split`.
        targets: Result of `arrange_targets` for V units.

    Returns:
        The arrays of `EncodingResult` by name, each (V,), and the predictions of the mean (tests, V).
    """
    # K fits (the mean, then the repetitions) of V units are K V targets with a penalty each.
    num_fits, num_units = targets.values.shape[1:]
    train_values = targets.values.index_select(0, model.train)
    projection = model.ridge.project(train_values.flatten(1))
    choice = model.ridge.choose(projection)
    coefficients = model.ridge.shrink(projection.coordinates, choice.index)  # (r, K V)
    predicted = (model.test_scores @ coefficients).unflatten(1, (num_fits, num_units))  # minus the training mean
    # Deviations from the mean over test stimuli (tests, K, V) and their norms (K, V), of all fits at once.
    test_centred, test_norm = deviation(targets.values.index_select(0, model.test))
    predicted_centred = predicted - column_sum(predicted) / len(predicted)
    predicted_norm = column_norm(predicted_centred)
    raw = correlation(column_sum(predicted_centred[:, 0] * test_centred[:, 0]), predicted_norm[0], test_norm[0])
    train_centred = projection.centred.view_as(train_values)
    train_norm = varying_norm(train_centred, projection.mean.view(num_fits, num_units))
    r_test = _published_rule(raw, test_norm[0])
    scores = {
        "r_test": r_test,
        "r_test_raw": raw,
        "r2_test": r_test.square(),
        "r2_train": _train_r2(model, projection.coordinates[:, :num_units], coefficients, train_norm[0]),
        "alpha": choice.alpha[:num_units],
        "is_tie": choice.is_tie[:num_units],
    }
    if num_fits == 1:
        scores |= _without_correction(r_test)
    else:
        # R2_corrected = R2 / (ceiling of the responses * ceiling of the predictions), from fits 1 to R.
        varies = predicted_norm >= CONSTANT_PREDICTION * test_norm
        predicted_norm = torch.where(varies, predicted_norm, 0.0)
        ceilings = {
            "response_ceiling": _ceiling(train_centred[:, 1:], train_norm[1:], targets),
            "prediction_ceiling": _ceiling(predicted_centred[:, 1:], predicted_norm[1:], targets),
        }
        both = ceilings["response_ceiling"] * ceilings["prediction_ceiling"]
        tied = choice.is_tie.view(num_fits, num_units)[1:] & ~targets.is_missing
        scores |= ceilings | {
            "r2_test_corrected": scores["r2_test"] / both,
            "num_tied_repetitions": tied.sum(dim=0),
        }
    return scores, predicted[:, 0] + projection.mean[:num_units]


def _train_r2(model: SplitModel, coordinates: Tensor, coefficients: Tensor, train_norm: Tensor) -> Tensor:
    """Squared correlation over the training stimuli, from coordinates on the basis instead of predictions."""
    # The prediction is Q (s * b); Q is orthonormal, so inner products and norms are those of the coordinates.
    fitted = coefficients[:, : coordinates.shape[1]] * model.ridge.decomposition.singular_values[:, None]
    raw = correlation(column_sum(fitted * coordinates), column_norm(fitted), train_norm)
    return _published_rule(raw, train_norm).square()


def _published_rule(raw: Tensor, measured_norm: Tensor) -> Tensor:
    """Set negative correlations, and those of constant predictions, to 0; NaN only where the response is constant."""
    return torch.where(measured_norm > 0, raw.nan_to_num(nan=0.0).clamp(min=0.0), torch.nan)


def _without_correction(like: Tensor) -> dict[str, Tensor]:
    names = ("r2_test_corrected", "response_ceiling", "prediction_ceiling")
    undefined = {name: torch.full_like(like, torch.nan) for name in names}
    return undefined | {"num_tied_repetitions": torch.zeros_like(like, dtype=torch.int64)}


def _ceiling(centred: Tensor, norm: Tensor, targets: Targets) -> Tensor:
    """Ceiling (V,) from centred values (stimuli, R, V) and their norms (R, V), 0 if constant; NaN without a pair."""
    defined_norm = torch.where(targets.is_missing, 0.0, norm)
    reliability = pairwise_reliability(centred, defined_norm)
    has_pair = (~targets.is_missing).sum(dim=0) >= 2
    return torch.where(has_pair, ceiling(reliability, targets.num_repetitions, len(centred)), torch.nan)
