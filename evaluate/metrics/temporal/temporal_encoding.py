"""Encoding models in time: how well does a stage predict the time courses of responses to new sounds?

For each split of the sounds:

1. Average the stage's frames in the time bins of the responses (`time_bins`), and compute their principal components
   over the training sounds (`sound_components`).
2. Fit ridge regression from the components at the last L bins to the response in each bin, with a penalty chosen for
   each unit by folds over the training sounds (`lagged_ridge`).
3. Compute Pearson r and R^2 of prediction and response over all test sounds and bins, and r over the test sounds in
   each bin.
4. With two or more repetitions, repeat the fit for every single repetition, for the noise correction of static encoding
   models (`evaluate.metrics.encoding.noise_ceiling`), over sounds and bins instead of sounds.
"""

import threading
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from datamodules.progress import ReportCount
from evaluate.array_shapes import show_shapes
from evaluate.benchmarks.time_bins import TimeBins
from evaluate.metrics.encoding.features import check_features
from evaluate.metrics.encoding.pearson import deviation
from evaluate.metrics.encoding.prediction_scores import Deviations, score_predictions, signed_correlation
from evaluate.metrics.encoding.responses import arrange_targets, check_responses
from evaluate.metrics.splits import Splits
from evaluate.metrics.temporal.lagged_ridge import BLOCK_BYTES, NUM_FOLDS, SCALES, LaggedRidge
from evaluate.metrics.temporal.sound_components import SoundComponents
from evaluate.workers import Workers

MAX_COMPONENTS = 128
"""Principal components of a stage that are kept."""


@dataclass(frozen=True, eq=False)
class TemporalResult:
    """Scores of V units in each split; arrays are (V, splits) unless noted otherwise.

    Attributes:
        r_test: Pearson correlation of prediction and response over all test sounds and bins; may be negative, 0 if the
            prediction is constant, NaN if the response is.
        r2_test: Its square, 0 if it is negative.
        r2_test_corrected: `r2_test / (response_ceiling * prediction_ceiling)`, may exceed 1; NaN for units with fewer
            than two repetitions.
        response_ceiling: Reliability of the mean response over sounds and bins, at least its floor; NaN without
            repetitions.
        prediction_ceiling: Reliability of the predictions, at least its floor; NaN without repetitions.
        scale: Ridge penalty relative to the mean variance of the lagged components (times their number of rows).
        peak_lag_s: Lag whose part of the prediction has the largest variance, in seconds.
        r_by_bin: (V, splits, T) correlation over the test sounds in each bin; 0 and NaN as for `r_test`.
        bin_centers_s: (T,) centres of the bins in seconds from the onset of the sound.
    """

    r_test: np.ndarray
    r2_test: np.ndarray
    r2_test_corrected: np.ndarray
    response_ceiling: np.ndarray
    prediction_ceiling: np.ndarray
    scale: np.ndarray
    peak_lag_s: np.ndarray
    r_by_bin: np.ndarray
    bin_centers_s: np.ndarray

    __repr__ = show_shapes


def temporal_encode(
    features: np.ndarray,
    responses: np.ndarray,
    splits: Splits,
    *,
    duration_s: float = 2.0,
    rate_hz: float = 25.0,
    num_lags: int = 10,
    start_s: float = 0.0,
    max_components: int = MAX_COMPONENTS,
    allow_missing: bool = False,
    stage: str | None = None,
    device: torch.device | str = "cpu",
    memory_limit_gib: float = 2.0,
    progress: ReportCount | None = None,
) -> TemporalResult:
    """Fit and score encoding models of all units' time courses in all splits.

    Args:
        features: (S, D, N) activations in N frames that divide the sound evenly, from `stage_activations` with
            `average=False`. N is 1 for a stage without time.
        responses: (S, V, R, T) repeated or (S, V, T) single responses of the units in T bins. Bin k covers
            `[start_s + k / rate_hz, start_s + (k + 1) / rate_hz)`.
        splits: Train and test masks over the S sounds.
        duration_s: Length of the network's input in seconds.
        rate_hz: Bins per second.
        num_lags: Number of lags: a response depends on the stage in the same bin and in the `num_lags - 1` before.
        start_s: Start of the first bin in seconds from the onset of the sound; may be negative.
        max_components: Maximum number of principal components of the stage.
        allow_missing: Accept NaN in `responses` for missing repetitions, as `encode` does.
        stage: Name for error messages.
        device: Device to compute on, in float64.
        memory_limit_gib: Bound on working memory in addition to features, responses and result, in GiB.
        progress: Called as `progress(num_done, num_total)` from time to time; both count units times splits.

    Returns:
        Scores, see `TemporalResult`.

    Raises:
        ValueError: Shapes are wrong or differ, features are not finite, responses are NaN or infinite, a unit has no
            response to a sound, a setting is not possible, or no bin is inside the sound.
    """
    features = check_features(features, splits, stage=stage, num_axes=3)
    responses = check_responses(responses, splits, allow_missing=allow_missing, has_time=True)
    for name, value in (("num_lags", num_lags), ("max_components", max_components)):
        if value < 1:
            raise ValueError(f"{name} must be at least 1, got {value}")
    if not duration_s > 0:
        raise ValueError(f"duration_s must be the length of the sounds in seconds, got {duration_s}")
    if int(splits.train.sum(axis=1).min()) < NUM_FOLDS:
        raise ValueError(f"{NUM_FOLDS} folds need as many training sounds, got {int(splits.train.sum(axis=1).min())}")
    bins = TimeBins(responses.shape[3], rate_hz, start_s)
    num_units = responses.shape[1]
    with Workers(torch.device(device)) as workers:
        components = SoundComponents(
            features,
            bins.earlier(num_lags - 1),  # what a response depends on may be before its first bin
            duration_s,
            max_components=max_components,
            device=torch.device(device),
            memory_limit_gib=0.75 * memory_limit_gib,
        )
        size = num_lags * min(max_components, features.shape[1])
        left = max(memory_limit_gib * 2**30 - components.num_bytes, 0.0)
        per_split = max(components.bytes_per_split, _split_bytes(size, num_lags, len(features), bins.num_bins))
        at_once = int(np.clip(left / 2 / per_split, 1, workers.num_workers))
        chunk = max(1, int(left / 2 / at_once / _unit_bytes(size, responses)))
        turn = threading.Semaphore(at_once)

        def fit_split(split: int) -> dict[str, np.ndarray]:
            with turn:
                train, test = np.flatnonzero(splits.train[split]), np.flatnonzero(splits.test[split])
                model = LaggedRidge(components.project(train), num_lags, train)
                parts = [
                    _fit_units(model, torch.as_tensor(responses[:, first : first + chunk]).to(device), train, test)
                    for first in range(0, num_units, chunk)
                ]
            return {name: torch.cat([part[name] for part in parts]).cpu().numpy() for name in parts[0]}

        arrays: dict[str, np.ndarray] = {}
        for split, found in enumerate(workers.map(fit_split, range(splits.num_splits))):
            for name, values in found.items():
                shape = num_units, splits.num_splits, *values.shape[1:]
                arrays.setdefault(name, np.empty(shape))[:, split] = values
            if progress is not None:
                progress(num_units * (split + 1), num_units * splits.num_splits)
    arrays["peak_lag_s"] = arrays.pop("peak_lag") / rate_hz
    return TemporalResult(**arrays, bin_centers_s=bins.centers_s)


def _fit_units(model: LaggedRidge, responses: Tensor, train: np.ndarray, test: np.ndarray) -> dict[str, Tensor]:
    """Fit the mean of responses (S, V, R, T) and, if there are several, each repetition; score the fits."""
    num_sounds, num_units, _, num_bins = responses.shape
    # Sounds and bins are the rows of the fits: (S T, V, R).
    targets = arrange_targets(responses.double().permute(0, 3, 1, 2).flatten(0, 1))
    num_fits = targets.values.shape[1]
    values = targets.values.view(num_sounds, num_bins, num_fits, num_units)
    fit = model.fit(values.flatten(2))
    predicted = model.predict(fit, test).unflatten(2, (num_fits, num_units))
    on_device = [torch.as_tensor(sounds, device=values.device) for sounds in (train, test)]
    measured = values[on_device[1]]
    train_deviation = Deviations(*deviation(values[on_device[0]].flatten(0, 1)))
    scores = score_predictions(predicted.flatten(0, 1), measured.flatten(0, 1), train_deviation, targets)
    return {
        "r_test": signed_correlation(predicted[:, :, 0].flatten(0, 1), measured[:, :, 0].flatten(0, 1)),
        "r2_test": scores["r2_test"],
        "r2_test_corrected": scores["r2_test_corrected"],
        "response_ceiling": scores["response_ceiling"],
        "prediction_ceiling": scores["prediction_ceiling"],
        "scale": fit.scale[:num_units],
        "peak_lag": model.peak_lag(fit)[:num_units].double(),
        "r_by_bin": signed_correlation(predicted[:, :, 0], measured[:, :, 0]).T,
    }


def _split_bytes(size: int, num_lags: int, num_sounds: int, num_bins: int) -> int:
    """Memory of one split: products of each fold, of all, and space to work; components; blocks of rows."""
    products = (NUM_FOLDS + 1 + 3) * size**2
    return 8 * (products + num_sounds * num_bins * size // num_lags) + 3 * BLOCK_BYTES


def _unit_bytes(size: int, responses: np.ndarray) -> int:
    """Memory per unit: about eight arrays over sounds and bins, moments of each fold, weights and errors."""
    num_sounds, _, num_repetitions, num_bins = responses.shape
    num_fits = 1 + (num_repetitions if num_repetitions > 1 else 0)
    return 8 * num_fits * (8 * num_sounds * num_bins + (NUM_FOLDS + 4) * size + len(SCALES) * (3 * size + 1))
