"""Rows at the best stage, and of how often each stage was selected as the best."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from evaluate.benchmarks.benchmark import Benchmark
from evaluate.metrics.best_stage import BestStage, best_stage
from evaluate.metrics.metric import Rows, share_of
from evaluate.metrics.table_rows import Grouping, add_means, groupings, is_clipped, rows_of
from evaluate.scoring import table as t


class BestInGroups(NamedTuple):
    """The best stage of groups of units."""

    grouping: Grouping
    best: BestStage


def best_in_groups(scores: np.ndarray, benchmark: Benchmark) -> list[BestInGroups]:
    """Select the best stage of every unit, for each way of grouping the units (by subject, by region and subject).

    Args:
        scores: (V, stages, splits).
        benchmark: Benchmark of the units.
    """
    # Groups are numbered in order of first appearance, so results are in the order of the labels.
    return [
        BestInGroups(grouping, best_stage(scores, grouping.codes, clip=is_clipped(benchmark)))
        for grouping in groupings(benchmark)
    ]


def best_rows(metric: str, stages: Sequence[str], found: Sequence[BestInGroups], benchmark: Benchmark) -> Rows:
    """Make the rows of the score at the best stage, and of the stages that were selected.

    Args:
        metric: Name of the score at the best stage.
        stages: Names of the stages.
        found: See `best_in_groups`.
        benchmark: Benchmark of the units.

    Returns:
        Rows for each region and subject, with means.
    """
    values = {
        label: float(score)
        for grouping, best in found
        for label, score in zip(grouping.labels, best.score, strict=True)
    }
    shares = {
        label: selection_shares(best.unit_stage[:, grouping.codes == code], len(stages))
        for grouping, best in found
        for code, label in enumerate(grouping.labels)
    }
    return rows_of(metric, t.BEST, add_means(values, benchmark)) + share_rows(metric, stages, shares, benchmark)


def share_rows(
    metric: str, stages: Sequence[str], shares: dict[tuple[str, str], np.ndarray], benchmark: Benchmark
) -> Rows:
    """Make the rows of how often each stage was selected as the best.

    Args:
        metric: Name of the score at the best stage.
        stages: Names of the stages.
        shares: (stages,) fractions of the selections by region and subject, see `selection_shares`.
        benchmark: Benchmark of the units.

    Returns:
        Rows for each stage, region and subject, with means, which add up to 1 over stages.
    """
    return [
        row
        for number, stage in enumerate(stages)
        for row in rows_of(
            share_of(metric),
            stage,
            add_means({label: float(values[number]) for label, values in shares.items()}, benchmark),
        )
    ]


def selection_shares(selected: np.ndarray, num_stages: int) -> np.ndarray:
    """Compute the fraction (stages,) of selections of each stage.

    Args:
        selected: Indices of selected stages, of any shape; -1 if none could be selected.
        num_stages: Number of stages.

    Returns:
        Fractions that add up to 1; NaN if no stage was selected.
    """
    counts = np.bincount(selected[selected >= 0], minlength=num_stages)
    return counts / counts.sum() if counts.any() else np.full(num_stages, np.nan)
