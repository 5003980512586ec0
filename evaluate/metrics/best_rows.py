"""Rows at the best stage, and of how often each stage was selected as the best."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from evaluate.benchmarks.benchmark import ALL, Benchmark
from evaluate.metrics.best_stage import BestStage, best_stage, median_defined, scores_of_splits
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


def split_rows(metric: str, scores: np.ndarray, found: Sequence[BestInGroups], benchmark: Benchmark) -> Rows:
    """Make the rows of the score in each split, from which errors over sounds are computed.

    A split is scored at the stages that other splits selected (`scores_of_splits`). As for the score itself, this is
    the median over the units of a subject, then the mean over subjects.

    Args:
        metric: Name of the score at the best stage.
        scores: (V, stages, splits), as given to `best_in_groups`.
        found: What that returned.
        benchmark: Benchmark of the units.

    Returns:
        Rows for each region, with "split0", "split1" and so on in place of the subjects.
    """
    of_units = scores_of_splits(scores, found[0].best)  # the same for all groupings: each unit selects its own stage
    if is_clipped(benchmark):
        of_units = np.minimum(of_units, 1.0)
    by_label = {
        label: median_defined(of_units[grouping.codes == code], axis=0)
        for grouping, _ in found
        for code, label in enumerate(grouping.labels)
    }
    rows: Rows = []
    for number in range(of_units.shape[1]):
        of_split = add_means({label: float(values[number]) for label, values in by_label.items()}, benchmark)
        over_subjects = {
            (region, f"{t.SPLIT}{number}"): value for (region, subject), value in of_split.items() if subject == ALL
        }
        rows += rows_of(metric, t.BEST, over_subjects)
    return rows


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
