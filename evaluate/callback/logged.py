"""Which scores are logged, under which names: the same during training and by a watcher in another process."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from evaluate.benchmarks.benchmark import ALL, Benchmark
from evaluate.metrics.metric import ScoreKind
from evaluate.metrics.selected_stage import SelectedStage, selected_stages
from evaluate.scoring import table as t

if TYPE_CHECKING:
    import pandas as pd


PREFIX = "brain"
STAGE_KEY = "best_stage"
"""Last part of the names under which best stages are logged: by their index as a number, by their name as a text."""
STEP_KEY = f"{PREFIX}/checkpoint_step"
"""Logged with the scores: their x axis in Weights & Biases."""


EMA_SUFFIX = "_ema"
"""End of the names of benchmarks in scores of averaged weights."""


def averaged_names(values: Mapping[str, float], benchmark: str) -> dict[str, float]:
    """Rename scores of a benchmark to those of averaged weights: `brain/{benchmark}_ema/...`."""
    prefix = f"{PREFIX}/{benchmark}/"
    return {f"{PREFIX}/{benchmark}{EMA_SUFFIX}/{name.removeprefix(prefix)}": value for name, value in values.items()}


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
    rows, kinds = t.summary_rows(rows), [each for kind in kinds for each in kind.each]
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


class StagePlace(NamedTuple):
    """What a best stage is the best for.

    Attributes:
        benchmark: Name of the benchmark.
        kind: Name of the score; empty for encoding.
        region: Region, or "all".
    """

    benchmark: str
    kind: str
    region: str

    @property
    def key(self) -> str:
        """Name in logs: `brain/{benchmark}/best_stage`, with the metric and the region before its last part."""
        return _key(self.benchmark, self.kind, "" if self.region == ALL else self.region, STAGE_KEY)


def best_stages(rows: pd.DataFrame, kinds: Iterable[ScoreKind]) -> dict[StagePlace, SelectedStage]:
    """Find the best stages that are logged.

    Args:
        rows: Score table of one step.
        kinds: Scores by which networks are compared, see `ScoringPlan.kinds`.

    Returns:
        Stages by benchmark, score and region.
    """
    return {
        StagePlace(str(benchmark), kind.name, region): stage
        for benchmark, of_benchmark in rows.groupby(t.BENCHMARK, sort=False)
        for each in kinds
        for kind in each.each
        for region, stage in selected_stages(of_benchmark, kind).items()
    }


def logged_stages(rows: pd.DataFrame, kinds: Iterable[ScoreKind]) -> dict[str, SelectedStage]:
    """Find the best stages that are logged, by the names in logs, see `StagePlace.key`; arguments as `best_stages`."""
    return {place.key: stage for place, stage in best_stages(rows, kinds).items()}


def described_scores(values: Mapping[str, float], stages: Mapping[str, str]) -> list[str]:
    """Describe the scores at the best stage of all units, such as "NH2015 0.412 (relu2)".

    Args:
        values: Logged scores by name.
        stages: Names of best stages by the names under which they are logged.

    Returns:
        A text for each benchmark and kind of score; NaN, of an evaluation that failed, is "undefined".
    """
    start, end = f"{PREFIX}/", f"/{t.BEST}"
    found = {
        name.removeprefix(start).removesuffix(end): value
        for name, value in values.items()
        if name.startswith(start) and name.endswith(end)
    }
    texts = []
    for name, value in found.items():
        stage = stages.get(f"{start}{name}/{STAGE_KEY}", "")
        number = "undefined" if math.isnan(value) else f"{value:.3f}"
        texts.append(f"{name} {number}" + (f" ({stage})" if stage and not math.isnan(value) else ""))
    return texts


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
    regions: Sequence[str] = benchmark.regions
    if benchmark.trials is not None:
        regions, stages = benchmark.trials.names, [benchmark.trials.task]
    for kind in kinds:
        at_best = [t.BEST, *regions] if kind.best_metric else []
        together = [ALL] if kind.joins_stages else []
        names += [_key(benchmark.name, kind.name, name) for name in (*at_best, *stages, *together)]
    return list(dict.fromkeys(names))


def _key(*names: str) -> str:
    return "/".join(filter(None, (PREFIX, *names)))
