"""What a metric is: a comparison of the stages of a network with the responses of a benchmark."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from evaluate.benchmarks.benchmark import Benchmark
from evaluate.metrics.encoding.splits import Splits, published_splits
from evaluate.options import DEFAULT_MEMORY_LIMIT_GIB

Arrays = dict[str, np.ndarray]
"""What was measured on one stage, by name."""
Rows = list[dict[str, Any]]
"""Rows of the score table without the columns that say what was scored, see `evaluate.metrics.table_rows`."""


BEST_STAGE = "best_stage_"
"""In front of a metric's name: its rows at the best stage."""


@dataclass(frozen=True, kw_only=True)
class Computing:
    """How a stage is measured. Nothing but the splits changes the result by more than rounding.

    Attributes:
        splits: Training and test stimuli; None for the published ones.
        device: Where to compute.
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
    """A number that networks are compared by: where it is in the table, and what loggers, consoles and figures call it.

    Attributes:
        stage_metric: Its rows for single stages (column `metric`).
        best_metric: Its rows at the best stage; empty if no stage is best.
        label: Label of an axis.
        title: Title of a table or figure.
        symbol: Shortest form.
        name: Part of file names and logged names; empty for encoding, whose logged names are `brain/BENCHMARK/STAGE`.
        counts: What is counted with it: column of the report's table -> metric.
        ceiling_metric: Its rows for the highest score to be expected; empty if there are none.
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
        """Make the kind of a metric whose rows are called `name` and, at the best stage, `best_stage_name`."""
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
        """Metrics of stages and, if any, of the best stage."""
        return (self.stage_metric, self.best_metric) if self.best_metric else (self.stage_metric,)


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A comparison of stages with responses.

    The work is split in two. `measure` sees the features of one stage and returns small arrays, which are kept as soon
    as they are finished. `tabulate` makes rows from the arrays of all stages, which it may compare.

    Attributes:
        measure: `measure(features, benchmark, stage, computing)` with features (S, D) returns arrays by name.
        tabulate: `tabulate(results, benchmark)` with the arrays of each stage in the network's order returns rows, see
            `evaluate.metrics.table_rows.rows_of`.
        kinds: `kinds(benchmark)` returns the numbers that networks are compared by.
        version: Increased when `measure` changes its numbers, so that results kept on disk are not used.
        needs_categories: Whether the benchmark must have categories of sounds.
    """

    measure: Callable[[np.ndarray, Benchmark, str, Computing], Arrays]
    tabulate: Callable[[Mapping[str, Arrays], Benchmark], Rows]
    kinds: Callable[[Benchmark], tuple[ScoreKind, ...]] = lambda benchmark: ()
    version: int = 1
    needs_categories: bool = False
