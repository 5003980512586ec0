"""Scores of predictions of test data: correlation, R^2, and its correction for noise."""

from typing import NamedTuple

import torch
from torch import Tensor

from evaluate.metrics.encoding.noise_ceiling import ceiling, pairwise_reliability
from evaluate.metrics.encoding.pearson import CONSTANT_PREDICTION, column_norm, column_sum, correlation, deviation
from evaluate.metrics.encoding.responses import Targets


class Deviations(NamedTuple):
    """Deviations of targets from their means over rows (stimuli, or stimuli and bins)."""

    centred: Tensor  # (rows, K, V)
    norm: Tensor  # (K, V), 0 for constant targets


def score_predictions(predicted: Tensor, measured: Tensor, train: Deviations, targets: Targets) -> dict[str, Tensor]:
    """Correlate predictions with test data and, if there are repetitions, correct R^2 for noise.

    Args:
        predicted: (tests, K, V) predictions of K fits of V units: of the mean and, if there are several, of each
            repetition. A constant may be missing.
        measured: (tests, K, V) the same of the test data.
        train: Deviations of the training data.
        targets: All data.

    Returns:
        `r_test`, `r_test_raw`, `r2_test`, `r2_test_corrected`, `response_ceiling` and `prediction_ceiling` (V,), as
        described for `EncodingResult`.
    """
    # Deviations from the mean over test rows (tests, K, V) and their norms (K, V), of all fits at once.
    test_centred, test_norm = deviation(measured)
    predicted_centred = predicted - column_sum(predicted) / len(predicted)
    predicted_norm = column_norm(predicted_centred)
    raw = correlation(column_sum(predicted_centred[:, 0] * test_centred[:, 0]), predicted_norm[0], test_norm[0])
    r_test = published_rule(raw, test_norm[0])
    scores = {"r_test": r_test, "r_test_raw": raw, "r2_test": r_test.square()}
    if predicted.shape[1] == 1:
        undefined = torch.full_like(raw, torch.nan)
        return scores | dict.fromkeys(("r2_test_corrected", "response_ceiling", "prediction_ceiling"), undefined)
    # R2_corrected = R2 / (ceiling of the responses * ceiling of the predictions), from fits 1 to R.
    varies = predicted_norm >= CONSTANT_PREDICTION * test_norm
    predictions = Deviations(predicted_centred, torch.where(varies, predicted_norm, 0.0))
    ceilings = {
        "response_ceiling": ceiling_of_repetitions(train, targets),
        "prediction_ceiling": ceiling_of_repetitions(predictions, targets),
    }
    both = ceilings["response_ceiling"] * ceilings["prediction_ceiling"]
    return scores | ceilings | {"r2_test_corrected": scores["r2_test"] / both}


def published_rule(raw: Tensor, measured_norm: Tensor) -> Tensor:
    """Set negative correlations, and those of constant predictions, to 0; NaN only where the response is constant."""
    return torch.where(measured_norm > 0, raw.nan_to_num(nan=0.0).clamp(min=0.0), torch.nan)


def signed_correlation(predicted: Tensor, measured: Tensor) -> Tensor:
    """Correlation (...) over the first axis; 0 for a constant prediction, NaN for a constant response."""
    predicted_centred, predicted_norm = deviation(predicted)
    measured_centred, measured_norm = deviation(measured)
    raw = correlation(column_sum(predicted_centred * measured_centred), predicted_norm, measured_norm)
    return torch.where(measured_norm > 0, raw.nan_to_num(nan=0.0), torch.nan)


def ceiling_of_repetitions(found: Deviations, targets: Targets) -> Tensor:
    """Ceiling (V,) from the repetitions among deviations, which are behind the mean; NaN without a pair of them."""
    centred, norm = found.centred[:, 1:], torch.where(targets.is_missing, 0.0, found.norm[1:])
    reliability = pairwise_reliability(centred, norm)
    has_pair = (~targets.is_missing).sum(dim=0) >= 2
    return torch.where(has_pair, ceiling(reliability, targets.num_repetitions, len(centred)), torch.nan)
