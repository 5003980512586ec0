"""The metric `within_category`: how well responses are predicted among the sounds of one category.

A model that only separates speech from everything else predicts a speech-selective response well over all sounds, but
not within speech.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from evaluate.benchmarks.benchmark import Benchmark
from evaluate.metrics.best_rows import best_in_groups, best_rows
from evaluate.metrics.best_stage import mean_defined
from evaluate.metrics.metric import Arrays, Computing, Metric, Rows, ScoreKind, part_of
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
    from evaluate.metrics.encoding.encoding import encode  # with torch

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
    """Make a stage curve and the score at the best stage for each category.

    The metrics of the rows are `within_category_r2/CATEGORY` and `best_stage_within_category_r2/CATEGORY`. Each
    category selects a best stage of its own.
    """
    rows: Rows = []
    for name in next(iter(results.values())):
        by_stage = {stage: arrays[name] for stage, arrays in results.items()}
        rows += curve_rows(part_of(t.WITHIN_CATEGORY_R2, name), by_stage, benchmark)
        found = best_in_groups(np.stack(list(by_stage.values()), axis=1), benchmark)
        rows += best_rows(part_of(t.BEST_STAGE_WITHIN_CATEGORY_R2, name), tuple(results), found, benchmark)
    return rows


def score_kinds(benchmark: Benchmark) -> tuple[ScoreKind, ...]:
    """Return the kind of score, with the benchmark's categories as its parts."""
    names = dict.fromkeys(name for categories in _levels(benchmark) for name in categories)
    return (replace(WITHIN_CATEGORY, parts=tuple(names)),)


def _levels(benchmark: Benchmark) -> list[tuple[str, ...]]:
    """Categories of the stimuli: the benchmark's own, then the broad ones."""
    assert benchmark.categories is not None  # by `needs_categories`
    levels = [tuple(benchmark.categories)]
    if set(benchmark.categories) <= set(BROAD_CATEGORIES):
        levels.append(tuple(BROAD_CATEGORIES[name] for name in benchmark.categories))
    return levels


def _squared_correlation(predicted: np.ndarray, measured: np.ndarray) -> np.ndarray:
    result = np.full(predicted.shape[1], np.nan)
    for unit in range(predicted.shape[1]):
        defined = np.isfinite(predicted[:, unit]) & np.isfinite(measured[:, unit])
        pair = predicted[defined, unit], measured[defined, unit]
        if defined.sum() >= MIN_STIMULI and min(np.ptp(values) for values in pair) > 0:
            result[unit] = max(float(np.corrcoef(*pair)[0, 1]), 0.0) ** 2
    return result


WITHIN_CATEGORY = ScoreKind(
    stage_metric=t.WITHIN_CATEGORY_R2,
    best_metric=t.BEST_STAGE_WITHIN_CATEGORY_R2,
    label="R² on test sounds of one category",
    title="R² within categories",
    symbol="R²",
    name=t.WITHIN_CATEGORY_R2,
    parts=(),
    note="Each category selects a best stage of its own; a dash: fewer than three test sounds in every split. "
    "Published categories are also joined to four broad ones: music, speech, vocal and non-vocal.",
)
METRIC = Metric(measure=measure, tabulate=tabulate, kinds=score_kinds, needs_categories=True)
