"""Metrics: comparisons of the stages of a network with the responses of a benchmark."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from datamodules.audio import PUBLISHED_DURATION_S
from evaluate.benchmarks.benchmark import ALL, Benchmark
from evaluate.metrics import MetricError, is_built_in
from evaluate.metrics.splits import Splits, published_splits
from evaluate.options import DEFAULT_MEMORY_LIMIT_GIB
from networks.user_code import user_code

if TYPE_CHECKING:
    import pandas as pd
    import torch


Arrays = dict[str, np.ndarray]
"""Results of one stage, by name."""
Rows = list[dict[str, Any]]
"""Rows of the score table without the columns of network and benchmark, see `evaluate.metrics.table_rows`."""


METRIC, REGION = "metric", "region"
ROW_COLUMNS = (METRIC, "stage", REGION, "subject", "value")
"""Columns of a row."""
BEST_STAGE = "best_stage_"
"""Prefix of a metric's name for its rows at the best stage."""
SHARE = "_share"
"""Suffix of that name for rows that say which stage it is: how often each stage was selected."""
NO_STAGE = ""
"""In place of a stage: what is measured from the responses alone, see `Ceiling`."""


def share_of(best_metric: str) -> str:
    """Name the rows that say how often each stage was selected, for the name of the rows at the best stage."""
    name, slash, part = best_metric.partition("/")
    return f"{name}{SHARE}{slash}{part}"


def part_of(metric: str, part: str) -> str:
    """Name the rows of a part of the data, such as a category of sounds."""
    return f"{metric}/{part}"


@dataclass(frozen=True, kw_only=True)
class Computing:
    """How to measure a stage. Except for the splits, no setting changes the result by more than rounding.

    Attributes:
        splits: Training and test stimuli; None for the published ones.
        device: Device to compute on.
        memory_limit_gib: Bound on the working memory, in GiB.
        progress: Called as `progress(num_done, num_total)`.
        duration_s: Length of what the network heard of each sound, in seconds, for features in time.
        class_names: Names of the outputs, for metrics of heads; empty if they are unknown.
        reference: Features (S, D) of the network in `Metric.reference`, all of its stages together, for the benchmark's
            sounds; None for metrics without one.
    """

    splits: Splits | None = None
    device: torch.device | str = "cpu"
    memory_limit_gib: float = DEFAULT_MEMORY_LIMIT_GIB
    progress: Callable[[int, int], None] | None = None
    duration_s: float = PUBLISHED_DURATION_S
    class_names: tuple[str, ...] = ()
    reference: np.ndarray | None = None

    def splits_of(self, benchmark: Benchmark) -> Splits:
        """Splits of a benchmark's stimuli."""
        return self.splits or published_splits(benchmark.num_stimuli)


@dataclass(frozen=True, kw_only=True)
class ScoreKind:
    """A score that compares networks: its rows in the table, and its names in logs, consoles and figures.

    Attributes:
        stage_metric: Column `metric` of its rows for single stages.
        best_metric: Column `metric` of its rows at the best stage; empty if it selects no stage.
        label: Label of an axis.
        title: Title of a table or figure.
        symbol: Shortest form, for narrow columns.
        name: Part of file names and logged names; empty for encoding, whose logged names are `brain/BENCHMARK/STAGE`.
        counts: Pairs of a column in the report's table and the metric that it counts.
        ceiling_metric: Column `metric` of its rows for the highest score to expect, for stage "all"; empty if it has
            none. Tables and figures show it where there are such rows.
        ceiling_label: What it is.
        selects_stage: Whether the rows at the best stage are those of a stage that was selected; otherwise there is
            only one, and titles do not mention it.
        is_noise_corrected: Whether it is a share of the reliable variance.
        is_bounded: Whether 1 is the highest value.
        parts: For a score of parts of the data, such as categories of sounds, the parts as far as they are known;
            otherwise None. Rows of a part have the metrics `STAGE_METRIC/PART`, `BEST_METRIC/PART` and so on. Tables
            and figures have a column or panel for each part in place of regions.
        note: Sentence below its table.
        course_metric: For a score of responses in time, the name of its rows at single times, `COURSE_METRIC/SECONDS`;
            empty if there are none.
        joins_stages: Whether there are rows of all stages together, with the stage "all".
        reference: For a comparison with another network, its name.
    """

    stage_metric: str
    best_metric: str = ""
    label: str
    title: str
    symbol: str
    name: str = ""
    counts: tuple[tuple[str, str], ...] = ()
    ceiling_metric: str = ""
    ceiling_label: str = "ceiling"
    selects_stage: bool = True
    is_noise_corrected: bool = False
    is_bounded: bool = True
    parts: tuple[str, ...] | None = None
    note: str = ""
    course_metric: str = ""
    joins_stages: bool = False
    reference: str = ""

    @classmethod
    def named(cls, name: str, *, has_best: bool) -> ScoreKind:
        """Make the kind of a metric with rows `name` and, if `has_best`, `best_stage_` + `name`."""
        words = name.replace("_", " ")
        best_metric = BEST_STAGE + name if has_best else ""
        return cls(
            stage_metric=name,
            best_metric=best_metric,
            label=words,
            title=words,
            symbol=words,
            name=name,
            is_bounded=False,
        )

    @property
    def best_title(self) -> str:
        """Title of the score at the best stage."""
        return f"{self.title} at the best stage" if self.selects_stage else self.title

    @property
    def metrics(self) -> tuple[str, ...]:
        """Metrics of the stages and, if it selects one, of the best stage."""
        return (self.stage_metric, self.best_metric) if self.best_metric else (self.stage_metric,)

    @property
    def columns(self) -> str:
        """What tables have columns for."""
        return "regions" if self.parts is None else "parts"

    @property
    def share_metric(self) -> str:
        """Metric of the rows that say how often each stage was selected as the best; empty if it selects none."""
        return share_of(self.best_metric) if self.best_metric else ""

    @property
    def each(self) -> tuple[ScoreKind, ...]:
        """The score of each part by itself; the score if it has no parts."""
        if self.parts is None:
            return (self,)
        return tuple(
            replace(
                self,
                stage_metric=part_of(self.stage_metric, part),
                best_metric=part_of(self.best_metric, part) if self.best_metric else "",
                name=part_of(self.name, part),
                parts=None,
            )
            for part in self.parts
        )

    def of_parts(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Select the rows of a score of parts, over all regions, with the parts in place of the regions.

        Args:
            rows: Rows of a score table.

        Returns:
            Rows with the metrics of this score; all rows as they are if it has no parts.
        """
        if self.parts is None:
            return rows
        split = rows[METRIC].str.partition("/")
        is_part = split[0].isin([*self.metrics, self.share_metric]) & (split[1] != "") & (rows[REGION] == ALL)
        names = {column: split[place][is_part].to_numpy() for column, place in ((METRIC, 0), (REGION, 2))}
        return rows[is_part].assign(**names)


@dataclass(frozen=True)
class Ceiling:
    """What a metric measures from the responses alone, once, for benchmarks with `participant_ceiling`.

    Attributes:
        measure: `measure(benchmark, computing)` returns arrays by name.
        tabulate: `tabulate(arrays, benchmark)` returns rows, with stage "all".
    """

    measure: Callable[[Benchmark, Computing], Arrays]
    tabulate: Callable[[Arrays, Benchmark], Rows]


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A comparison of stages with responses.

    The work has two parts. `measure` takes the features of one stage and returns small arrays, which are saved as soon
    as they are finished. `tabulate` makes rows from the arrays of all stages, which it may compare. What takes long and
    needs all stages at once is the work of `join`, in between.

    Attributes:
        measure: `measure(features, benchmark, stage, computing)` with features (S, D) returns arrays by name.
        tabulate: `tabulate(results, benchmark)` with the arrays of each stage in the network's order returns rows, see
            `evaluate.metrics.table_rows.rows_of`.
        kinds: `kinds(benchmark)` returns the scores that compare networks.
        version: Increase it when the results of `measure` change, so that results saved earlier are not used. Metrics
            outside this package are also measured again when the file that defines `measure` changes.
        needs_categories: Whether the benchmark must have categories of sounds.
        in_time: Whether features keep their time axis, (S, D, N), and the benchmark must have responses in time.
        ceiling: What is measured without a network; None for nothing.
        of_heads: Whether features are the outputs (S, C) of a network's head, on benchmarks with `trials` only. All
            other metrics are of stages, on all other benchmarks.
        reference: Network that the metric compares others with, see `evaluate.scoring.references`; empty for none.
        join: `join(results, benchmark, computing)` with the arrays of each stage returns arrays of all stages together;
            `tabulate` then finds them under "all", after the stages. None if there are no such arrays.
    """

    measure: Callable[[np.ndarray, Benchmark, str, Computing], Arrays]
    tabulate: Callable[[Mapping[str, Arrays], Benchmark], Rows]
    kinds: Callable[[Benchmark], tuple[ScoreKind, ...]] = lambda benchmark: ()
    version: int = 1
    needs_categories: bool = False
    in_time: bool = False
    ceiling: Ceiling | None = None
    of_heads: bool = False
    reference: str = ""
    join: Callable[[Mapping[str, Arrays], Benchmark, Computing], Arrays] | None = None

    def __post_init__(self) -> None:
        """Check that the functions are functions."""
        for name in ("measure", "tabulate", "kinds", *(() if self.join is None else ("join",))):
            if not callable(getattr(self, name)):
                given = type(getattr(self, name)).__name__
                raise TypeError(f"Metric: {name} must be a function (see evaluate.Metric), got a {given}")

    def applies_to(self, benchmark: Benchmark) -> bool:
        """Whether it can be measured on a benchmark: of heads on trials, of stages on responses."""
        return self.of_heads == (benchmark.trials is not None)

    def measured(self, name: str, features: np.ndarray, benchmark: Benchmark, stage: str, how: Computing) -> Arrays:
        """Call `measure` and check what it returns.

        Raises:
            MetricError: `measure` of a user's metric raises an error, or it is not a dictionary of numbers.
        """
        with _running(f"metric {name}: measure, for stage {stage},", name):
            found = self.measure(features, benchmark, stage, how)
        return _checked_arrays(found, f"metric {name}: measure", f"stage {stage}")

    def joined(self, name: str, results: Mapping[str, Arrays], benchmark: Benchmark, how: Computing) -> Arrays:
        """Call `join` and check what it returns; errors as for `measured`."""
        assert self.join is not None
        with _running(f"metric {name}: join", name):
            found = self.join(results, benchmark, how)
        return _checked_arrays(found, f"metric {name}: join", "all stages")

    def tabulated(self, name: str, results: Mapping[str, Arrays], benchmark: Benchmark) -> Rows:
        """Call `tabulate` and check what it returns.

        Raises:
            MetricError: `tabulate` of a user's metric raises an error, or it is not a list of rows, each once, with the
                right columns.
        """
        with _running(f"metric {name}: tabulate", name):
            rows = self.tabulate(results, benchmark)
        if not isinstance(rows, Sequence) or not all(isinstance(row, Mapping) for row in rows):
            raise MetricError(f"metric {name}: tabulate must return a list of rows, got a {type(rows).__name__}")
        if not rows:
            raise MetricError(f"metric {name}: tabulate returned no rows for benchmark {benchmark.name!r}")
        seen = set()
        for row in rows:
            if set(row) != set(ROW_COLUMNS):
                raise MetricError(
                    f"metric {name}: a row must have the columns {', '.join(ROW_COLUMNS)}, got "
                    f"{', '.join(map(str, row)) or 'none'}"
                )
            key = tuple(str(row[column]) for column in ROW_COLUMNS[:-1])
            if key in seen:
                raise MetricError(f"metric {name}: tabulate returned two rows for {' / '.join(key)}")
            seen.add(key)
        return list(rows)

    def kinds_on(self, name: str, benchmark: Benchmark) -> tuple[ScoreKind, ...]:
        """Call `kinds` and check what it returns.

        Raises:
            MetricError: `kinds` of a user's metric raises an error, or it is not a tuple of `ScoreKind`.
        """
        with _running(f"metric {name}: kinds", name):
            kinds = tuple(self.kinds(benchmark))
        other = next((kind for kind in kinds if not isinstance(kind, ScoreKind)), None)
        if other is not None:
            raise MetricError(
                f"metric {name}: kinds must return a tuple of evaluate.ScoreKind, got a {type(other).__name__} in it"
            )
        return kinds


def _checked_arrays(found: Any, what: str, where: str) -> Arrays:
    """Check that a function of a metric returned a dictionary of numbers."""
    if not isinstance(found, Mapping):
        raise MetricError(f"{what} must return arrays by name, got a {type(found).__name__} for {where}")
    arrays = {str(key): np.asarray(value) for key, value in found.items()}
    for key, array in arrays.items():
        if array.dtype.kind not in "biuf":
            raise MetricError(f"{what} must return numbers, but {key!r} of {where} has none")
    return arrays


def _running(what: str, name: str) -> AbstractContextManager[None]:
    """Say where a user's metric raises an error. Built-in metrics explain their errors themselves."""
    if is_built_in(name):
        return nullcontext()
    import torch

    # The engine computes again on the CPU if the GPU has no memory left.
    return user_code(what, raises=MetricError, passes=(MetricError, torch.OutOfMemoryError))
