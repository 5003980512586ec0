"""The metric `encoding`: how well a linear model of a stage's features predicts each unit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from evaluate.benchmarks.benchmark import ALL, Benchmark
from evaluate.metrics.best_stage import best_stage, best_stage_by_region, mean_defined
from evaluate.metrics.encoding.encoding import encode
from evaluate.metrics.metric import Arrays, Computing, Metric, Rows, ScoreKind
from evaluate.metrics.table_rows import add_means, curve_rows, groupings, is_clipped, rows_of
from evaluate.scoring import table as t

R2, NUM_TIES = "r2", "num_ties"
"""Arrays of a stage: R^2 (V, splits) on the test sounds, noise-corrected if the benchmark is, NaN if undefined, not
clipped; and the number of (unit, split) pairs whose penalty was chosen among several of equal error."""

_COUNTS = (("undefined", t.NUM_UNDEFINED), ("ties", t.NUM_TIES))
RAW = ScoreKind(
    stage_metric=t.ENCODING_R2,
    best_metric=t.BEST_STAGE_R2,
    label="R² on test sounds",
    title="R²",
    symbol="R²",
    counts=_COUNTS,
)
CORRECTED = ScoreKind(
    stage_metric=t.ENCODING_R2_CORRECTED,
    best_metric=t.BEST_STAGE_R2_CORRECTED,
    label="noise-corrected R² on test sounds",
    title="noise-corrected R²",
    symbol="R²",
    counts=_COUNTS,
)


def measure(features: np.ndarray, benchmark: Benchmark, stage: str, computing: Computing) -> Arrays:
    """Predict every unit of a benchmark from the features of one stage, (S, D); see `encode`."""
    # Without noise correction, only the mean is fitted, not the single repetitions.
    responses = benchmark.responses if benchmark.noise_corrected else mean_defined(benchmark.responses, axis=2)
    result = encode(
        features,
        responses,
        computing.splits_of(benchmark),
        allow_missing=bool(np.isnan(responses).any()),
        stage=stage,
        device=computing.device,
        memory_limit_gib=computing.memory_limit_gib,
        progress=computing.progress,
    )
    r2 = result.r2_test_corrected if benchmark.noise_corrected else result.r2_test
    return {R2: np.asarray(r2), NUM_TIES: np.array(result.num_ties)}


def tabulate(results: Mapping[str, Arrays], benchmark: Benchmark) -> Rows:
    """Summarise scores of units and splits.

    The rows are:

    - for each stage, region (and "all") and subject, the median over splits (clipped to 1 for voxels), then the median
      over the subject's units in the region. Subject "all" is the mean over subjects. Each component has its own
      region, and region "all" is the mean over components;
    - the same at the best stage, selected on half of the splits and scored on the other half (`best_stage`), with its
      relative position;
    - the position of each region in the network (`best_stage_by_region`);
    - the number of undefined and of tied scores of each stage.

    Args:
        results: Results of `measure` for each stage, in the network's order.
        benchmark: Benchmark of the units.

    Returns:
        Rows of the score table.
    """
    rows = curve_rows(
        _kind(benchmark).stage_metric, {stage: arrays[R2] for stage, arrays in results.items()}, benchmark
    )
    scores = np.stack([arrays[R2] for arrays in results.values()], axis=1)  # (V, stages, splits)
    return rows + _best_rows(scores, benchmark) + _region_rows(scores, benchmark) + _count_rows(results)


def _kind(benchmark: Benchmark) -> ScoreKind:
    return CORRECTED if benchmark.noise_corrected else RAW


def _best_rows(scores: np.ndarray, benchmark: Benchmark) -> Rows:
    """Make rows of the score and relative position of the independently selected best stage.

    Components have no participants for an error bar. Theirs is over the iterations of stage selection, which are in the
    table as subjects "iteration0", "iteration1" and so on.
    """
    metric = _kind(benchmark).best_metric
    values: dict[tuple[str, str], float] = {}
    positions: dict[tuple[str, str], float] = {}
    rows: Rows = []
    for grouping in groupings(benchmark):
        # Groups are numbered in order of first appearance, so results are in the order of the labels.
        best = best_stage(scores, grouping.codes, clip=is_clipped(benchmark))
        values |= dict(zip(grouping.labels, best.score, strict=True))
        positions |= dict(zip(grouping.labels, best.relative_position, strict=True))
        if benchmark.unit_kind == "component":
            rows += _iteration_rows(metric, [region for region, _ in grouping.labels], best.score_by_iteration)
    rows += rows_of(metric, t.BEST, add_means(values, benchmark))
    return rows + rows_of(t.BEST_STAGE_POSITION, t.BEST, add_means(positions, benchmark))


def _iteration_rows(metric: str, components: Sequence[str], scores: np.ndarray) -> Rows:
    """Make rows of every iteration of stage selection from scores (iterations, components), with their mean."""
    with_mean = np.column_stack([scores, mean_defined(scores, axis=1)])
    values = {
        (region, f"{t.ITERATION}{iteration}"): float(score)
        for iteration, of_iteration in enumerate(with_mean)
        for region, score in zip([*components, ALL], of_iteration, strict=True)
    }
    return rows_of(metric, t.BEST, values)


def _region_rows(scores: np.ndarray, benchmark: Benchmark) -> Rows:
    """Make rows of the position of each region's best stage in the network, over all splits."""
    units = benchmark.units
    subjects, regions = units["subject"].to_numpy(), units["region"].to_numpy()
    found = best_stage_by_region(scores, subjects, regions, clip=is_clipped(benchmark))
    present = set(zip(units["region"], units["subject"], strict=True))
    values = {
        (region, subject): float(found.relative_position[row, column])
        for row, subject in enumerate(found.subjects)
        for column, region in enumerate(found.regions)
        if (region, subject) in present
    }
    if ALL not in found.subjects:
        values |= {(region, ALL): float(mean) for region, mean in zip(found.regions, found.mean, strict=True)}
    return rows_of(t.REGION_STAGE_POSITION, t.BEST, values)


def _count_rows(results: Mapping[str, Arrays]) -> Rows:
    """Make rows that count the undefined and the tied scores of each stage."""
    everyone = (ALL, ALL)
    rows = []
    for stage, arrays in results.items():
        rows += rows_of(t.NUM_UNDEFINED, stage, {everyone: int(np.isnan(arrays[R2]).sum())})
        rows += rows_of(t.NUM_TIES, stage, {everyone: int(arrays[NUM_TIES])})
    return rows


METRIC = Metric(measure=measure, tabulate=tabulate, kinds=lambda benchmark: (_kind(benchmark),))
