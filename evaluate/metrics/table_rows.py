"""Rows of the score table, made by metrics from values of units, regions and subjects."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np

from evaluate.benchmarks.benchmark import ALL, Benchmark
from evaluate.metrics.best_stage import mean_defined, median_defined, unit_stage_curves
from evaluate.metrics.metric import Rows
from evaluate.scoring import table as t

Values = Mapping[tuple[str, str], float]
"""Values by region and subject."""


class Grouping(NamedTuple):
    """Groups of units: `labels` are the region and subject of each group, `codes` (V,) the group of each unit."""

    labels: list[tuple[str, str]]
    codes: np.ndarray


def rows_of(metric: str, stage: str, values: Values) -> Rows:
    """Make one row per region and subject.

    Args:
        metric: Name of the values, for column `metric`.
        stage: Stage of the values, `table.BEST` or "all".
        values: Values by region and subject.

    Returns:
        Rows without the columns that `evaluate.scoring.table.identified` adds.
    """
    return [
        {t.METRIC: metric, t.STAGE: stage, t.REGION: region, t.SUBJECT: subject, t.VALUE: float(value)}
        for (region, subject), value in values.items()
    ]


def add_means(values: Values, benchmark: Benchmark) -> dict[tuple[str, str], float]:
    """Add the mean over components (region "all") and the mean over subjects (subject "all").

    Args:
        values: Values by region and subject.
        benchmark: Benchmark of their units.

    Returns:
        The same values and the means of those that are defined, for regions with values.
    """
    added = dict(values)
    if benchmark.unit_kind == "component":
        for subject in benchmark.subjects:
            added[ALL, subject] = _mean(value for (_, whose), value in added.items() if whose == subject)
    if ALL not in benchmark.subjects:
        for region in (ALL, *benchmark.regions):
            of_region = [value for (where, _), value in added.items() if where == region]
            if of_region:
                added[region, ALL] = _mean(of_region)
    return added


def curve_rows(metric: str, scores: Mapping[str, np.ndarray], benchmark: Benchmark) -> Rows:
    """Make the rows of a stage curve.

    Args:
        metric: Name of the values, for column `metric`.
        scores: (V, splits) scores of each stage.
        benchmark: Units of the scores.

    Returns:
        Rows for each stage, region and subject: the median over splits, then over units, and the mean over subjects.
    """
    by_unit = unit_stage_curves(np.stack(list(scores.values()), axis=1), clip=is_clipped(benchmark))  # (V, stages)
    grouped = groupings(benchmark)
    rows = []
    for number, stage in enumerate(scores):
        values = {
            label: float(median_defined(by_unit[grouping.codes == code, number], axis=0))
            for grouping in grouped
            for code, label in enumerate(grouping.labels)
        }
        rows += rows_of(metric, stage, add_means(values, benchmark))
    return rows


def groupings(benchmark: Benchmark) -> list[Grouping]:
    """Group voxels by subject, and by region and subject; components only by region (see `add_means`)."""
    units = benchmark.units
    by_region = _group(list(zip(units["region"], units["subject"], strict=True)))
    if benchmark.unit_kind == "component":
        return [by_region]
    return [_group([(ALL, subject) for subject in units["subject"]]), by_region]


def is_clipped(benchmark: Benchmark) -> bool:
    """Whether medians over splits are clipped to 1, as published for voxels but not for components."""
    return benchmark.unit_kind == "voxel"


def _group(labels: list[tuple[str, str]]) -> Grouping:
    """Number labels in the order of first appearance."""
    numbers = {label: number for number, label in enumerate(dict.fromkeys(labels))}
    return Grouping(list(numbers), np.array([numbers[label] for label in labels]))


def _mean(values: Iterable[float]) -> float:
    """Mean of the values that are not NaN; NaN if there are none."""
    return float(mean_defined(np.array(list(values)), axis=0))
