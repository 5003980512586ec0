"""The metric `within_category`: how well responses are predicted among the sounds of one category.

A model that only separates speech from everything else predicts a speech-selective response well over all sounds, but
not within speech.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from evaluate.benchmarks.benchmark import Benchmark
from evaluate.metrics.best_stage import mean_defined
from evaluate.metrics.encoding.encoding import encode
from evaluate.metrics.metric import Arrays, Computing, Metric, Rows, ScoreKind
from evaluate.metrics.table_rows import curve_rows
from evaluate.scoring import table as t

# The 11 sound categories of Norman-Haignere, Kanwisher & McDermott 2015, with their labels in `components.mat`, in four
# broad categories.
BROAD_CATEGORIES: Mapping[str, str] = {
    "Music": "music",
    "Song": "music",
    "EngSpeech": "speech",
    "ForSpeech": "speech",
    "HumVoc": "vocal",
    "AniVoc": "vocal",
    "HumNonVoc": "non-vocal",
    "AniNonVoc": "non-vocal",
    "Nature": "non-vocal",
    "Mechanical": "non-vocal",
    "EnvSound": "non-vocal",
}
MIN_STIMULI = 3
"""Minimum number of stimuli for a meaningful correlation: two always correlate perfectly."""


def within_category_r2(predicted: np.ndarray, measured: np.ndarray, categories: Sequence[str]) -> dict[str, np.ndarray]:
    """Squared correlation of predicted and measured responses within the stimuli of each category.

    Args:
        predicted: (S, V) predictions, NaN for stimuli that were not predicted (see `EncodingResult.predictions`).
        measured: (S, V) responses.
        categories: (S,) category of each stimulus; `BROAD_CATEGORIES` maps the published ones to broad ones.

    Returns:
        `max(r, 0)^2` (V,) by category; NaN if fewer than three stimuli were predicted or the values do not vary.

    Raises:
        ValueError: Shapes do not match.
    """
    predicted, measured = np.asarray(predicted, dtype=np.float64), np.asarray(measured, dtype=np.float64)
    if predicted.shape != measured.shape or predicted.ndim != 2 or len(categories) != len(predicted):
        raise ValueError(
            f"predicted and measured must be (S, V) with S categories, got {predicted.shape}, {measured.shape} "
            f"and {len(categories)} categories"
        )
    labels = np.asarray(categories, dtype=str)
    return {
        name: _squared_correlation(predicted[labels == name], measured[labels == name])
        for name in dict.fromkeys(labels.tolist())
    }


def measure(features: np.ndarray, benchmark: Benchmark, stage: str, computing: Computing) -> Arrays:
    """Measure R^2 within each category, and within each broad one if the categories are the published ones.

    Returns:
        R^2 (V, splits) on the test sounds by category; NaN if a split tests fewer than three sounds of the category.
    """
    measured = mean_defined(benchmark.responses, axis=2)
    result = encode(
        features,
        measured,
        computing.splits_of(benchmark),
        keep_predictions=True,
        stage=stage,
        device=computing.device,
        memory_limit_gib=computing.memory_limit_gib,
        progress=computing.progress,
    )
    assert result.predictions is not None  # by `keep_predictions`
    by_category: dict[str, list[np.ndarray]] = {}
    for categories in _levels(benchmark):
        for prediction in result.predictions:
            for name, values in within_category_r2(prediction, measured, categories).items():
                by_category.setdefault(name, []).append(values)
    return {name: np.stack(values, axis=1) for name, values in by_category.items()}


def tabulate(results: Mapping[str, Arrays], benchmark: Benchmark) -> Rows:
    """Make one stage curve per category; the metric of its rows is `within_category_r2/CATEGORY`."""
    return [
        row
        for name in next(iter(results.values()))
        for row in curve_rows(_metric_of(name), {stage: arrays[name] for stage, arrays in results.items()}, benchmark)
    ]


def score_kinds(benchmark: Benchmark) -> tuple[ScoreKind, ...]:
    """Return one kind of score per category."""
    names = dict.fromkeys(name for categories in _levels(benchmark) for name in categories)
    return tuple(score_kind(_metric_of(name)) for name in names)


def score_kind(stage_metric: str) -> ScoreKind:
    """Return the names of `within_category_r2/CATEGORY` in logs, consoles and figures."""
    category = stage_metric.removeprefix(f"{t.WITHIN_CATEGORY_R2}/")
    return ScoreKind(
        stage_metric=stage_metric,
        label=f"R² on test sounds within {category}",
        title=f"R² within {category}",
        symbol="R²",
        name=stage_metric,
    )


def _levels(benchmark: Benchmark) -> list[tuple[str, ...]]:
    """Categories of the stimuli: the benchmark's own, then the broad ones."""
    assert benchmark.categories is not None  # by `needs_categories`
    levels = [tuple(benchmark.categories)]
    if set(benchmark.categories) <= set(BROAD_CATEGORIES):
        levels.append(tuple(BROAD_CATEGORIES[name] for name in benchmark.categories))
    return levels


def _metric_of(category: str) -> str:
    return f"{t.WITHIN_CATEGORY_R2}/{category}"


def _squared_correlation(predicted: np.ndarray, measured: np.ndarray) -> np.ndarray:
    result = np.full(predicted.shape[1], np.nan)
    for unit in range(predicted.shape[1]):
        defined = np.isfinite(predicted[:, unit]) & np.isfinite(measured[:, unit])
        pair = predicted[defined, unit], measured[defined, unit]
        if defined.sum() >= MIN_STIMULI and min(np.ptp(values) for values in pair) > 0:
            result[unit] = max(float(np.corrcoef(*pair)[0, 1]), 0.0) ** 2
    return result


METRIC = Metric(measure=measure, tabulate=tabulate, kinds=score_kinds, needs_categories=True)
