"""Metrics: comparisons of the stages of a network with the responses of a benchmark."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from evaluate.benchmarks.benchmark import Benchmark
from evaluate.metrics import MetricError
from evaluate.metrics.splits import Splits, published_splits
from evaluate.options import DEFAULT_MEMORY_LIMIT_GIB

Arrays = dict[str, np.ndarray]
"""Results of one stage, by name."""
Rows = list[dict[str, Any]]
"""Rows of the score table without the columns of network and benchmark, see `evaluate.metrics.table_rows`."""


ROW_COLUMNS = ("metric", "stage", "region", "subject", "value")
"""Columns of a row."""
BEST_STAGE = "best_stage_"
"""Prefix of a metric's name for its rows at the best stage."""


@dataclass(frozen=True, kw_only=True)
class Computing:
    """How to measure a stage. Except for the splits, no setting changes the result by more than rounding.

    Attributes:
        splits: Training and test stimuli; None for the published ones.
        device: Device to compute on.
        memory_limit_gib: Bound on the working memory, in GiB.
        progress: Called as `progress(num_done, num_total)`.
    """

    splits: Splits | None = None
    device: torch.device | str = "cpu"
    memory_limit_gib: float = DEFAULT_MEMORY_LIMIT_GIB
    progress: Callable[[int, int], None] | None = None

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
        ceiling_metric: Column `metric` of its rows for the highest score to expect; empty if there are none.
        is_bounded: Whether 1 is the highest value.
    """

    stage_metric: str
    best_metric: str = ""
    label: str
    title: str
    symbol: str
    name: str = ""
    counts: tuple[tuple[str, str], ...] = ()
    ceiling_metric: str = ""
    is_bounded: bool = True

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
    def metrics(self) -> tuple[str, ...]:
        """Metrics of the stages and, if it selects one, of the best stage."""
        return (self.stage_metric, self.best_metric) if self.best_metric else (self.stage_metric,)


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A comparison of stages with responses.

    The work has two parts. `measure` takes the features of one stage and returns small arrays, which are saved as soon
    as they are finished. `tabulate` makes rows from the arrays of all stages, which it may compare.

    Attributes:
        measure: `measure(features, benchmark, stage, computing)` with features (S, D) returns arrays by name.
        tabulate: `tabulate(results, benchmark)` with the arrays of each stage in the network's order returns rows, see
            `evaluate.metrics.table_rows.rows_of`.
        kinds: `kinds(benchmark)` returns the scores that compare networks.
        version: Increase it when the results of `measure` change, so that results saved earlier are not used. Metrics
            outside this package are also measured again when the file that defines `measure` changes.
        needs_categories: Whether the benchmark must have categories of sounds.
    """

    measure: Callable[[np.ndarray, Benchmark, str, Computing], Arrays]
    tabulate: Callable[[Mapping[str, Arrays], Benchmark], Rows]
    kinds: Callable[[Benchmark], tuple[ScoreKind, ...]] = lambda benchmark: ()
    version: int = 1
    needs_categories: bool = False

    def __post_init__(self) -> None:
        """Check that the functions are functions."""
        for name in ("measure", "tabulate", "kinds"):
            if not callable(getattr(self, name)):
                given = type(getattr(self, name)).__name__
                raise TypeError(f"Metric: {name} must be a function (see evaluate.Metric), got a {given}")

    def measured(self, name: str, features: np.ndarray, benchmark: Benchmark, stage: str, how: Computing) -> Arrays:
        """Call `measure` and check what it returns.

        Raises:
            MetricError: It is not a dictionary of numbers.
        """
        found = self.measure(features, benchmark, stage, how)
        if not isinstance(found, Mapping):
            raise MetricError(
                f"metric {name}: measure must return arrays by name, got a {type(found).__name__} for stage {stage}"
            )
        arrays = {str(key): np.asarray(value) for key, value in found.items()}
        for key, array in arrays.items():
            if array.dtype.kind not in "biuf":
                raise MetricError(f"metric {name}: measure must return numbers, but {key!r} of stage {stage} has none")
        return arrays

    def tabulated(self, name: str, results: Mapping[str, Arrays], benchmark: Benchmark) -> Rows:
        """Call `tabulate` and check what it returns.

        Raises:
            MetricError: It is not a list of rows, each once, with the right columns.
        """
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
