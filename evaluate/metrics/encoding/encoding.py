"""Encoding models: how well do features predict measured responses to new stimuli?

The procedure is that of Tuckute, Feather et al. 2023. For each split of the stimuli:

1. Fit ridge regression from the features to the mean response of each unit, with the penalty of the smallest
   leave-one-out error.
2. Compute Pearson r and R^2 between prediction and response on the test stimuli.
3. Repeat the fit for every single repetition, for the noise correction.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from datamodules.progress import ReportCount
from evaluate.array_shapes import show_shapes
from evaluate.metrics.encoding.decomposition import Compressed, compress, compress_reversibly
from evaluate.metrics.encoding.features import check_features
from evaluate.metrics.encoding.penalties import PUBLISHED_ALPHAS
from evaluate.metrics.encoding.responses import arrange_targets, check_responses
from evaluate.metrics.encoding.split_fit import SplitModel, fit_units, prepare_split
from evaluate.metrics.encoding.weights import EncodingWeights
from evaluate.metrics.splits import Splits
from evaluate.workers import Workers

# Targets fitted together: their working memory fits into the cache of a processor core.
_CPU_CHUNK = 3072


@dataclass(frozen=True, eq=False)
class EncodingResult:
    """Scores of V units in each split; every array is (V, splits) unless noted otherwise.

    Attributes:
        r_test: Pearson correlation of prediction and response over the test stimuli; 0 if it is negative or the
            prediction is constant (the published rule), NaN if the response is constant.
        r_test_raw: The same before that rule: may be negative, NaN if prediction or response is constant.
        r2_test: `r_test` squared.
        r2_test_corrected: `r2_test / (response_ceiling * prediction_ceiling)`, may exceed 1; NaN for units with fewer
            than two repetitions.
        r2_train: Squared correlation over the training stimuli.
        alpha: Ridge penalty of the fit to the mean response.
        is_tie: True if no penalty predicts left-out training stimuli better than the mean of the others.
        num_tied_repetitions: Number of ties among the fits to single repetitions.
        response_ceiling: Reliability of the mean response, at least its floor; NaN without repetitions.
        prediction_ceiling: Reliability of the predictions, at least its floor; NaN without repetitions.
        predictions: (splits, S, V) predicted mean responses of the test stimuli, NaN for the others; None unless
            `keep_predictions`.
        weights: The models, for maps and predictions of other sounds; None unless `keep_weights`.
    """

    r_test: np.ndarray
    r_test_raw: np.ndarray
    r2_test: np.ndarray
    r2_test_corrected: np.ndarray
    r2_train: np.ndarray
    alpha: np.ndarray
    is_tie: np.ndarray
    num_tied_repetitions: np.ndarray
    response_ceiling: np.ndarray
    prediction_ceiling: np.ndarray
    predictions: np.ndarray | None = None
    weights: EncodingWeights | None = None

    __repr__ = show_shapes

    @property
    def num_ties(self) -> int:
        """Number of units and splits whose fit to the mean response is a tie."""
        return int(self.is_tie.sum())

    @property
    def num_undefined(self) -> int:
        """Number of units and splits without a defined score, because their test responses do not vary."""
        return int(np.isnan(self.r2_test).sum())


def encode(
    features: np.ndarray,
    responses: np.ndarray,
    splits: Splits,
    *,
    alphas: np.ndarray = PUBLISHED_ALPHAS,
    allow_missing: bool = False,
    keep_predictions: bool = False,
    keep_weights: bool = False,
    stage: str | None = None,
    device: torch.device | str = "cpu",
    memory_limit_gib: float = 2.0,
    progress: ReportCount | None = None,
) -> EncodingResult:
    """Fit and score encoding models of all units in all splits.

    Args:
        features: (S, D) features of the stimuli, real and finite.
        responses: (S, V, R) repeated or (S, V) single responses of the units. The fit is to the mean over repetitions;
            with one repetition, there is no noise correction.
        splits: Train and test masks over the S stimuli.
        alphas: Ridge penalties to choose from, in any order.
        allow_missing: Accept NaN in `responses`. The mean is then over the available repetitions. A repetition of a
            unit with any NaN is excluded from the noise correction, whose number of repetitions R is the harmonic mean
            over stimuli of the available ones.
        keep_predictions: Also return the predictions, splits x S x V numbers.
        keep_weights: Also return the models of the mean responses. Scores are bitwise the same. With P = min(S, D), the
            models take 8 (D P + splits P V) bytes, see `EncodingWeights`; computing them takes 8 D P bytes more.
        stage: Name for error messages.
        device: Device to compute on, in float64.
        memory_limit_gib: Bound on working memory in addition to features, responses and result, in GiB.
        progress: Called as `progress(num_done, num_total)` from time to time; both count units times splits.

    Returns:
        Scores, see `EncodingResult`.

    Raises:
        ValueError: Shapes are wrong or differ, features are not finite, responses are NaN or infinite, or a unit has
            no response to a stimulus. The message gives the position.
    """
    features = check_features(features, splits, stage=stage)
    responses = check_responses(responses, splits, allow_missing=allow_missing)
    compressed = (
        compress_reversibly(features, device=device, memory_limit_gib=memory_limit_gib) if keep_weights else None
    )
    if compressed is None:
        rotated = compress(features, device=device, memory_limit_gib=memory_limit_gib)
    else:
        rotated = compressed.rotated
    collected = _Collected(responses, splits, keep_predictions, compressed)
    keep = _Kept(predictions=keep_predictions, weights=keep_weights)
    num_done = 0
    with Workers(rotated.device) as workers:
        sizes = _chunk_sizes(responses, splits, len(alphas), workers, memory_limit_gib)
        for models in _prepared_groups(rotated, np.asarray(alphas), splits, sizes.splits, workers):
            chunks = [slice(first, first + sizes.units) for first in range(0, responses.shape[1], sizes.units)]
            collected.add_means(models)
            fit = partial(_fit_chunk, responses, models, keep, rotated.device)
            for units, fits in zip(chunks, workers.map(fit, chunks), strict=True):
                collected.add(units, fits)
                num_done += len(fits) * len(fits[0][1].scores["alpha"])
                if progress is not None:
                    progress(num_done, splits.num_splits * responses.shape[1])
    return collected.result()


class _Sizes(NamedTuple):
    """Numbers of units and of splits to process at a time."""

    units: int
    splits: int


def _chunk_sizes(
    responses: np.ndarray, splits: Splits, num_alphas: int, workers: Workers, memory_limit_gib: float
) -> _Sizes:
    """Number of units per chunk and of splits prepared at a time, each within half of the memory limit."""
    num_stimuli, num_units, num_repetitions = responses.shape
    num_fits = _num_fits(num_repetitions)
    half = memory_limit_gib * 2**29
    # About eight arrays over stimuli and three over penalties per target; the bases and tables of each split.
    bytes_per_unit = 8 * num_fits * (8 * num_stimuli + 3 * num_alphas) * workers.num_workers
    most_units = int(half / bytes_per_unit)
    if workers.on_cpu:
        most_units = min(most_units, _CPU_CHUNK // num_fits)
    bytes_per_split = 8 * num_stimuli * (3 * num_stimuli + 5 * num_alphas)
    most_splits = min(int(half / bytes_per_split), splits.num_splits)
    return _Sizes(min(max(1, most_units), num_units), max(1, most_splits))


def _num_fits(num_repetitions: int) -> int:
    """Number of fits per unit: the mean, and each repetition if there are several."""
    return 1 + (num_repetitions if num_repetitions > 1 else 0)


_PreparedSplits = list[tuple[int, SplitModel]]


def _prepared_groups(
    features: Tensor, alphas: np.ndarray, splits: Splits, size: int, workers: Workers
) -> Iterator[_PreparedSplits]:
    """Yield splits with their models, `size` at a time."""

    def prepare(split: int) -> tuple[int, SplitModel]:
        return split, prepare_split(features, alphas, splits.train[split], splits.test[split])

    for first in range(0, splits.num_splits, size):
        yield list(workers.map(prepare, range(first, min(first + size, splits.num_splits))))


class _Kept(NamedTuple):
    """What to keep in addition to scores."""

    predictions: bool
    weights: bool


class _ChunkFits(NamedTuple):
    """Fits of some units in one split, on the CPU."""

    scores: dict[str, Tensor]  # by name, (V,)
    predictions: Tensor | None  # (tests, V)
    coordinates: Tensor | None  # (P, V) weights on the rotated features
    train_mean: Tensor  # (V,) mean of the training responses


_Fits = list[tuple[int, _ChunkFits]]


def _fit_chunk(
    responses: np.ndarray, models: _PreparedSplits, keep: _Kept, device: torch.device, units: slice
) -> _Fits:
    """Fit some units in some splits; return the number of each split with its fits."""
    repetitions = torch.as_tensor(responses[:, units]).to(device, torch.float64)
    targets = arrange_targets(repetitions)
    fits: _Fits = []
    for split, model in models:
        fitted = fit_units(model, targets)
        kept = _ChunkFits(
            scores={name: value.cpu() for name, value in fitted.scores.items()},
            predictions=fitted.predictions.cpu() if keep.predictions else None,
            coordinates=(model.ridge.decomposition.axes @ fitted.coefficients).cpu() if keep.weights else None,
            train_mean=fitted.train_mean.cpu(),
        )
        fits.append((split, kept))
    return fits


class _Collected:
    """Scores of all units and splits, filled in chunk by chunk; with weights on compressed features, if given."""

    def __init__(
        self, responses: np.ndarray, splits: Splits, keep_predictions: bool, compressed: Compressed | None
    ) -> None:
        self._splits = splits
        self._shape = (responses.shape[1], splits.num_splits)
        self._arrays: dict[str, np.ndarray] = {}
        self._predictions = None
        if keep_predictions:
            self._predictions = np.full((splits.num_splits, *responses.shape[:2]), np.nan)
        self._weights = None
        if compressed is not None:
            num_units, num_axes = responses.shape[1], compressed.rotated.shape[1]
            self._weights = EncodingWeights(
                directions=compressed.directions.cpu().numpy(),
                feature_mean=compressed.mean.cpu().numpy(),
                train_mean=np.empty((splits.num_splits, num_axes)),
                coordinates=np.empty((splits.num_splits, num_axes, num_units)),
                response_mean=np.empty((splits.num_splits, num_units)),
            )

    def add_means(self, models: _PreparedSplits) -> None:
        """Fill in the means of the training features of some splits."""
        if self._weights is not None:
            for split, model in models:
                self._weights.train_mean[split] = model.ridge.decomposition.mean.cpu().numpy()

    def add(self, units: slice, fits: _Fits) -> None:
        """Fill in the scores of some units."""
        for split, fitted in fits:
            for name, value in fitted.scores.items():
                found = value.numpy()
                self._arrays.setdefault(name, np.empty(self._shape, found.dtype))[units, split] = found
            if self._predictions is not None and fitted.predictions is not None:
                self._predictions[split, self._splits.test[split], units] = fitted.predictions.numpy()
            if self._weights is not None and fitted.coordinates is not None:
                self._weights.coordinates[split, :, units] = fitted.coordinates.numpy()
                self._weights.response_mean[split, units] = fitted.train_mean.numpy()

    def result(self) -> EncodingResult:
        """Return all scores."""
        return EncodingResult(**self._arrays, predictions=self._predictions, weights=self._weights)
