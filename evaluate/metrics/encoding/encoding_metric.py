"""The metric `encoding`: how well a linear model of a stage's features predicts each unit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from evaluate.benchmarks.benchmark import ALL, Benchmark
from evaluate.metrics.best_rows import best_in_groups, best_rows, split_rows
from evaluate.metrics.best_stage import best_stage_by_region, mean_defined
from evaluate.metrics.between_participants import OTHER_PARTICIPANTS, ceiling_between_participants
from evaluate.metrics.metric import Arrays, Computing, Metric, Rows, ScoreKind
from evaluate.metrics.table_rows import add_means, curve_rows, is_clipped, rows_of
from evaluate.scoring import table as t

if TYPE_CHECKING:
    from evaluate.metrics.encoding.encoding import EncodingResult

R2, NUM_TIES, NUM_SOUNDS = "r2", "num_ties", "num_sounds"
"""Arrays of a stage: R^2 (V, splits) on the test sounds, noise-corrected if the benchmark is, NaN if undefined, not
clipped; the number of (unit, split) pairs whose penalty was chosen among several of equal error; and the numbers (2,)
of training and of test sounds, means over splits."""

_COUNTS = (("undefined", t.NUM_UNDEFINED), ("ties", t.NUM_TIES))
RAW = ScoreKind(
    stage_metric=t.ENCODING_R2,
    best_metric=t.BEST_STAGE_R2,
    label="R² on test sounds",
    title="R²",
    symbol="R²",
    counts=_COUNTS,
    ceiling_metric=t.ENCODING_PARTICIPANT_CEILING,
    ceiling_label=OTHER_PARTICIPANTS,
)
CORRECTED = ScoreKind(
    stage_metric=t.ENCODING_R2_CORRECTED,
    best_metric=t.BEST_STAGE_R2_CORRECTED,
    label="noise-corrected R² on test sounds",
    title="noise-corrected R²",
    symbol="R²",
    counts=_COUNTS,
    ceiling_metric=t.ENCODING_PARTICIPANT_CEILING,
    ceiling_label=OTHER_PARTICIPANTS,
    is_noise_corrected=True,
)


def measure(features: np.ndarray, benchmark: Benchmark, stage: str, computing: Computing) -> Arrays:
    """Predict every unit of a benchmark from the features of one stage, (S, D); see `encode`."""
    result = _encoded(features, benchmark, slice(None), stage, computing)
    splits = computing.splits_of(benchmark)
    num_sounds = np.array([mask.sum(axis=1).mean() for mask in (splits.train, splits.test)])
    return {R2: _r2(result, benchmark), NUM_TIES: np.array(result.num_ties), NUM_SOUNDS: num_sounds}


def _encoded(
    features: np.ndarray, benchmark: Benchmark, units: slice | np.ndarray, stage: str | None, computing: Computing
) -> EncodingResult:
    from evaluate.metrics.encoding.encoding import encode  # the report needs the kinds of score alone, without torch

    # Without noise correction, only the mean is fitted, not the single repetitions.
    responses = benchmark.responses[:, units]
    responses = responses if benchmark.noise_corrected else mean_defined(responses, axis=2)
    return encode(
        features,
        responses,
        computing.splits_of(benchmark),
        allow_missing=bool(np.isnan(responses).any()),
        stage=stage,
        device=computing.device,
        memory_limit_gib=computing.memory_limit_gib,
        progress=computing.progress,
    )


def _r2(result: EncodingResult, benchmark: Benchmark) -> np.ndarray:
    return np.asarray(result.r2_test_corrected if benchmark.noise_corrected else result.r2_test)


def _predict(benchmark: Benchmark, others: np.ndarray, own: np.ndarray, computing: Computing) -> np.ndarray:
    """R^2 (own, splits) of units predicted from the mean responses of others."""
    features = mean_defined(benchmark.responses[:, others], axis=2)
    return _r2(_encoded(features, benchmark, own, None, replace(computing, progress=None)), benchmark)


def tabulate(results: Mapping[str, Arrays], benchmark: Benchmark) -> Rows:
    """Summarise scores of units and splits.

    The rows are:

    - for each stage, region (and "all") and subject, the median over splits (clipped to 1 for voxels), then the median
      over the subject's units in the region. Subject "all" is the mean over subjects. Each component has its own
      region, and region "all" is the mean over components;
    - the same at the best stage, selected on half of the splits and scored on the other half (`best_stage`), with its
      relative position and how often each stage was selected;
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
    num_train, num_test = next(iter(results.values()))[NUM_SOUNDS]
    best = _best_rows(scores, tuple(results), (float(num_train), float(num_test)), benchmark)
    return rows + best + _region_rows(scores, benchmark) + _count_rows(results)


def _kind(benchmark: Benchmark) -> ScoreKind:
    return CORRECTED if benchmark.noise_corrected else RAW


def _best_rows(
    scores: np.ndarray, stages: Sequence[str], num_sounds: tuple[float, float], benchmark: Benchmark
) -> Rows:
    """Make rows of the score and relative position of the independently selected best stage.

    For an error over sounds, the score of each split is there as subjects "split0", "split1" and so on, with the
    numbers of sounds, see `evaluate.metrics.standard_errors`. Components have no participants for an error bar. Their
    published one is over the iterations of stage selection, which are there as "iteration0", "iteration1" and so on.
    """
    metric = _kind(benchmark).best_metric
    found = best_in_groups(scores, benchmark)
    rows: Rows = []
    if benchmark.unit_kind == "component":
        for grouping, best in found:
            components = [region for region, _ in grouping.labels]
            rows += _iteration_rows(metric, components, best.score_by_iteration)
    rows += split_rows(metric, scores, found, benchmark)
    for name, number in zip((t.NUM_TRAIN_SOUNDS, t.NUM_TEST_SOUNDS), num_sounds, strict=True):
        rows += rows_of(name, ALL, {(ALL, ALL): number})
    rows += best_rows(metric, stages, found, benchmark)
    positions = {
        label: float(position)
        for grouping, best in found
        for label, position in zip(grouping.labels, best.relative_position, strict=True)
    }
    return rows + rows_of(t.BEST_STAGE_POSITION, t.BEST, add_means(positions, benchmark))


def _iteration_rows(metric: str, components: Sequence[str], scores: np.ndarray) -> Rows:
    """Make rows of the scores (iterations, components) of single iterations, with their mean over components."""
    with_mean = np.column_stack([scores, mean_defined(scores, axis=1)])
    values = {
        (region, f"{t.ITERATION}{number}"): float(score)
        for number, of_number in enumerate(with_mean)
        for region, score in zip([*components, ALL], of_number, strict=True)
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


METRIC = Metric(
    measure=measure,
    tabulate=tabulate,
    kinds=lambda benchmark: (_kind(benchmark),),
    version=2,
    ceiling=ceiling_between_participants(t.ENCODING_PARTICIPANT_CEILING, _predict),
)
