"""The metric `partition`: what a network explains that a reference network does not, and what they share."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import numpy as np

from evaluate.benchmarks.benchmark import ALL, Benchmark
from evaluate.metrics.best_rows import best_in_groups, best_rows
from evaluate.metrics.best_stage import mean_defined
from evaluate.metrics.metric import BEST_STAGE, Arrays, Computing, Metric, Rows, ScoreKind, part_of
from evaluate.metrics.partition.network_parts import (
    PARTS,
    has_split_errors,
    joined_space,
    part_values,
    summarise_parts,
    values_of_splits,
)
from evaluate.metrics.table_rows import curve_rows, rows_of
from evaluate.scoring import table as t
from networks.weights.source_names import BASELINE

SPACE, REFERENCE = "space", "reference"
"""Arrays of a stage, in addition to `PARTS` (V, splits): features (S, D) of the stage and of the reference."""

ROW_NAMES = {
    "unique_a": t.PARTITION_UNIQUE,
    "shared": t.PARTITION_SHARED,
    "unique_b": t.PARTITION_UNIQUE_TO_REFERENCE,
    "r2_a": t.PARTITION_R2,
    "r2_b": t.PARTITION_R2_OF_REFERENCE,
    "r2_ab": t.PARTITION_R2_OF_BOTH,
}
"""Metrics of the rows of each part; the name of the reference follows after a slash."""


def partition_metric(reference: str = BASELINE) -> Metric:
    """Make the metric for a reference.

    Args:
        reference: The reference, a network: see `evaluate.scoring.references.check_reference`.

    Returns:
        The metric. Its best stage is the one that explains most in addition to the reference.
    """
    from evaluate.scoring.references import reference_label

    label = reference_label(reference)
    return Metric(
        measure=measure,
        join=join,
        tabulate=partial(tabulate, label=label),
        kinds=lambda benchmark: (partition_kind(label, corrected=benchmark.noise_corrected),),
        reference=reference,
    )


def row_name(part: str, label: str, *, corrected: bool) -> str:
    """Name the rows of a part, one of `PARTS`."""
    return part_of(f"{ROW_NAMES[part]}{t.PARTITION_CORRECTED if corrected else ''}", label)


def partition_kind(label: str, *, corrected: bool) -> ScoreKind:
    """Describe the score of one reference.

    Args:
        label: Name of the reference, see `evaluate.scoring.references.reference_label`.
        corrected: Whether it is corrected for noise.
    """
    name = row_name("unique_a", label, corrected=corrected)
    title = f"{'noise-corrected ' if corrected else ''}R² beyond {label}"
    return ScoreKind(
        stage_metric=name,
        best_metric=BEST_STAGE + name,
        label=f"{title} on test sounds",
        title=title,
        symbol="R²",
        name=f"partition_{label}",
        joins_stages=True,
        reference=label,
        note=f"What the best stage explains and all stages of {label} together do not (R² of both minus R² of "
        f"{label}); it may be slightly negative.",
    )


def measure(features: np.ndarray, benchmark: Benchmark, stage: str, computing: Computing) -> Arrays:
    """Divide the explained variance of every unit between one stage and the reference; see `partition`."""
    assert computing.reference is not None  # by `Metric.reference`
    space = joined_space({stage: features}, device=computing.device, memory_limit_gib=computing.memory_limit_gib)
    parts = _parts(space, computing.reference, benchmark, computing)
    return {**parts, SPACE: space, REFERENCE: computing.reference}


def join(results: Mapping[str, Arrays], benchmark: Benchmark, computing: Computing) -> Arrays:
    """Divide it between all stages together, each with the same variance, and the reference."""
    space = np.concatenate([arrays[SPACE] for arrays in results.values()], axis=1)
    return _parts(space, next(iter(results.values()))[REFERENCE], benchmark, computing)


def tabulate(results: Mapping[str, Arrays], benchmark: Benchmark, *, label: str) -> Rows:
    """Summarise the parts of units and splits.

    The rows are, with the name of the reference after a slash:

    - for each stage, region (and "all") and subject, what the stage explains and the reference does not, and the same
      at the best stage;
    - for all stages together (stage "all"), this and all other parts, see `ROW_NAMES`. Components, and units of a
      single subject, have no subjects for an error bar: the values of single splits are there as "split0", ...

    Args:
        results: Results of `measure` for each stage, in the network's order, and of `join`.
        benchmark: Benchmark of the units.
        label: Name of the reference.

    Returns:
        Rows of the score table.
    """
    kind = partition_kind(label, corrected=benchmark.noise_corrected)
    stages = [stage for stage in results if stage != ALL]
    unique = {stage: results[stage]["unique_a"] for stage in stages}
    rows = curve_rows(kind.stage_metric, unique, benchmark)
    scores = np.stack(list(unique.values()), axis=1)  # (V, stages, splits)
    rows += best_rows(kind.best_metric, stages, best_in_groups(scores, benchmark), benchmark)
    summary = summarise_parts(results[ALL], benchmark)
    for part in PARTS:
        metric = row_name(part, label, corrected=benchmark.noise_corrected)
        of_part = summary[summary["part"] == part]
        values = dict(zip(zip(of_part["region"], of_part["subject"], strict=True), of_part["value"], strict=True))
        rows += rows_of(metric, ALL, values)
        if has_split_errors(benchmark):
            for number, of_split in enumerate(values_of_splits(results[ALL][part], benchmark)):
                single = {(region, f"{t.SPLIT}{number}"): value for region, value in of_split.items()}
                rows += rows_of(metric, ALL, single)
    return rows


def _parts(space: np.ndarray, reference: np.ndarray, benchmark: Benchmark, computing: Computing) -> Arrays:
    from evaluate.metrics.partition.partition import partition  # the report needs the kinds of score without torch

    responses = benchmark.responses if benchmark.noise_corrected else mean_defined(benchmark.responses, axis=2)
    result = partition(
        space,
        reference,
        responses,
        computing.splits_of(benchmark),
        allow_missing=bool(np.isnan(responses).any()),
        device=computing.device,
        memory_limit_gib=computing.memory_limit_gib,
        progress=computing.progress,
    )
    return part_values(result, benchmark)
