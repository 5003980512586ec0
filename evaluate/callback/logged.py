"""Which scores are logged, under which names: the same during training and by a watcher in another process."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from evaluate.benchmarks.benchmark import ALL, Benchmark
from evaluate.metrics.metric import ScoreKind
from evaluate.scoring import table as t

if TYPE_CHECKING:
    import pandas as pd


PREFIX = "brain"
STEP_KEY = f"{PREFIX}/checkpoint_step"
"""Logged with the scores: their x axis in Weights & Biases."""


def best_key(benchmark: str, kind_name: str = "") -> str:
    """Name the score that selects checkpoints (at the best stage, all units), such as "brain/NH2015/rsa/best"."""
    return _key(benchmark, kind_name, t.BEST)


def logged_values(rows: pd.DataFrame, kinds: Iterable[ScoreKind]) -> dict[str, float]:
    """Select the scores that are logged.

    Args:
        rows: Score table of one step.
        kinds: Scores by which networks are compared, see `ScoringPlan.kinds`.

    Returns:
        `brain/{benchmark}/{stage}` and, at the best stage, `brain/{benchmark}/{region}` and `brain/{benchmark}/best`.
        Metrics other than encoding have their name after the benchmark's.
    """
    rows = t.summary_rows(rows)
    columns = [t.BENCHMARK, t.STAGE, t.REGION, t.VALUE]
    values = {}
    for kind in kinds:
        curve = rows[(rows[t.METRIC] == kind.stage_metric) & (rows[t.REGION] == ALL)]
        for benchmark, stage, _, value in curve[columns].itertuples(index=False):
            values[_key(benchmark, kind.name, stage)] = float(value)
        # "best" comes last, so that a region of this name cannot replace it.
        best = rows[rows[t.METRIC] == kind.best_metric]
        best = best.sort_values(t.REGION, key=lambda regions: regions == ALL, kind="stable")
        for benchmark, _, region, value in best[columns].itertuples(index=False):
            values[_key(benchmark, kind.name, t.BEST if region == ALL else region)] = float(value)
    return values


def logged_names(benchmark: Benchmark, stages: Sequence[str], kinds: Iterable[ScoreKind]) -> list[str]:
    """Name the scores that will be logged, before there are any.

    Args:
        benchmark: Benchmark to score on.
        stages: Stages to score.
        kinds: Scores by which networks are compared on this benchmark.

    Returns:
        For each kind, the names that `logged_values` may return: of the best stage, then regions, then stages.
    """
    names: list[str] = []
    for kind in kinds:
        at_best = [t.BEST, *benchmark.regions] if kind.best_metric else []
        names += [_key(benchmark.name, kind.name, name) for name in (*at_best, *stages)]
    return list(dict.fromkeys(names))


def _key(benchmark: str, kind_name: str, name: str) -> str:
    return "/".join(filter(None, (PREFIX, benchmark, kind_name, name)))
