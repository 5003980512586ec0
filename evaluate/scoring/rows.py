"""Rows of the score table, made from values of regions and subjects."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from evaluate.benchmarks.benchmark import ALL, Benchmark
from evaluate.metrics.stage_selection import mean_defined
from evaluate.scoring import table as t

if TYPE_CHECKING:
    import pandas as pd


Values = Mapping[tuple[str, str], float]
"""Values by region and subject."""


@dataclass(frozen=True, kw_only=True)
class Origin:
    """What was scored: the columns that all rows of one evaluation share.

    Attributes:
        run: Name of the training run.
        checkpoint: File of the checkpoint, empty for a network in memory.
        step: Optimiser steps that the network was trained for, 0 untrained.
        epoch: Epochs that it was trained for.
    """

    run: str = ""
    checkpoint: str = ""
    step: int = 0
    epoch: int = 0


def rows_of(metric: str, stage: str, values: Values) -> list[dict[str, Any]]:
    """Make one row per region and subject.

    Args:
        metric: What the values are.
        stage: Stage that they are of, `table.BEST` or "all".
        values: Values by region and subject.

    Returns:
        Rows without the columns that `with_origin` adds.
    """
    return [
        {t.METRIC: metric, t.STAGE: stage, t.REGION: region, t.SUBJECT: subject, t.VALUE: float(value)}
        for (region, subject), value in values.items()
    ]


def with_origin(rows: list[dict[str, Any]], benchmark_name: str, origin: Origin) -> pd.DataFrame:
    """Add the columns that all rows of an evaluation share.

    Args:
        rows: Rows of `rows_of`.
        benchmark_name: Benchmark that was scored on.
        origin: What was scored.

    Returns:
        Score table (columns `table.COLUMNS`).
    """
    return t.make_table([{**asdict(origin), t.BENCHMARK: benchmark_name, **row} for row in rows])


def add_means(values: Values, benchmark: Benchmark) -> dict[tuple[str, str], float]:
    """Add the mean over components (region "all") and the mean over subjects (subject "all").

    Args:
        values: Values by region and subject.
        benchmark: Whose units they are of.

    Returns:
        The same values and the means of what is defined, in regions that there are values of.
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


def _mean(values: Iterable[float]) -> float:
    """Mean of what is defined, NaN where nothing is."""
    return float(mean_defined(np.array(list(values)), axis=0))
