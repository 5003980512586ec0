"""Which scores loggers get, and under which names: the same while training and from a watcher beside it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from evaluate.benchmarks.benchmark import ALL, Benchmark
from evaluate.scoring import table as t

if TYPE_CHECKING:
    import pandas as pd


PREFIX = "brain"
STEP_KEY = f"{PREFIX}/checkpoint_step"
"""Logged beside the scores: the x axis of all of them in Weights & Biases."""


def best_key(benchmark: str) -> str:
    """Name the score at the best stage, all units together: what checkpoints are chosen by.

    Args:
        benchmark: Name of the benchmark.

    Returns:
        As "brain/NH2015/best".
    """
    return f"{PREFIX}/{benchmark}/{t.BEST}"


def logged_values(rows: pd.DataFrame) -> dict[str, float]:
    """Choose the scores that are logged.

    Args:
        rows: Score table of one step.

    Returns:
        `brain/{benchmark}/{stage}` and, at the best stage, `brain/{benchmark}/{region}` and
        `brain/{benchmark}/best`.
    """
    rows = t.summary_rows(rows)
    values = {}
    curve = rows[rows[t.METRIC].isin(t.STAGE_METRICS) & (rows[t.REGION] == ALL)]
    best = rows[rows[t.METRIC].isin(t.BEST_METRICS)]
    for benchmark, stage, value in curve[[t.BENCHMARK, t.STAGE, t.VALUE]].itertuples(index=False):
        values[f"{PREFIX}/{benchmark}/{stage}"] = float(value)
    # "best" comes last, so that no region's name can take its place.
    best = best.sort_values(t.REGION, key=lambda regions: regions == ALL)
    for benchmark, region, value in best[[t.BENCHMARK, t.REGION, t.VALUE]].itertuples(index=False):
        values[best_key(benchmark) if region == ALL else f"{PREFIX}/{benchmark}/{region}"] = float(value)
    return values


def logged_names(benchmark: Benchmark, stages: Sequence[str]) -> list[str]:
    """Name the scores that are logged, before there are any.

    Args:
        benchmark: What is scored on.
        stages: Stages that are scored.

    Returns:
        The keys of `logged_values`, the best stage's first, then regions, then stages.
    """
    names = [t.BEST, *benchmark.regions, *stages]
    return [f"{PREFIX}/{benchmark.name}/{name}" for name in dict.fromkeys(names)]
