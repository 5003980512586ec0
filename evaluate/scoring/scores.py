"""From a network and a benchmark to rows of the score table.

The way of the data, one function each: `cached_activations` (network, sounds -> features), `encode_stage`
(features, responses -> score of every unit and split), `tabulate` (scores of all stages -> rows). Whoever
spreads the work over processes or keeps results calls the three; `score_network` calls them in a row.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch import nn

from evaluate.benchmarks.benchmark import ALL, Benchmark
from evaluate.features.activations import Progress, device_of
from evaluate.features.cache import ActivationCache, cached_activations
from evaluate.metrics.encoding.encoding import encode
from evaluate.metrics.encoding.splits import Splits, published_splits
from evaluate.metrics.stage_selection import (
    best_stage,
    best_stage_by_region,
    mean_defined,
    median_defined,
    unit_stage_curves,
)
from evaluate.options import DEFAULT_BATCH_SIZE, DEFAULT_MEMORY_LIMIT_GIB
from evaluate.scoring import table as t
from evaluate.scoring.rows import Origin, add_means, rows_of, with_origin

if TYPE_CHECKING:
    import pandas as pd

_log = logging.getLogger(__name__)


class StageScores(NamedTuple):
    """Encoding scores of one stage.

    Attributes:
        r2: (V, splits) R^2 on the test sounds, corrected for noise where the benchmark asks for it; NaN where
            it is undefined. Not clipped.
        num_ties: How many (unit, split) pairs chose among alphas of equal error.
    """

    r2: np.ndarray
    num_ties: int


def score_network(
    net: nn.Module,
    benchmark: Benchmark,
    *,
    stages: Sequence[str] | None = None,
    splits: Splits | None = None,
    batch_size: int = DEFAULT_BATCH_SIZE,
    device: torch.device | str | None = None,
    run: str = "",
    checkpoint: str = "",
    step: int = 0,
    epoch: int = 0,
    progress: Progress | None = None,
    cache: ActivationCache | None = None,
) -> pd.DataFrame:
    """Score the stages of a network by how well they predict the responses of a benchmark.

    Args:
        net: Network with named stages, as `networks.AuditoryNetwork`; left as it was found.
        benchmark: Stimuli, responses, units.
        stages: Stages to score, or None for all.
        splits: Train and test sounds, or None for the published ten splits.
        batch_size: Sounds per forward pass.
        device: Where the network is, None for where its parameters are; encoding follows it to a CUDA GPU.
        run: Name of the run, for the table.
        checkpoint: Name of the checkpoint, for the table.
        step: Optimiser steps trained, for the table.
        epoch: Epochs trained, for the table.
        progress: Called as `progress(what, num_done, num_total)`.
        cache: Where activations are looked up and kept; None computes them.

    Returns:
        Rows of a score table, see `tabulate`.

    Raises:
        StageError: A stage is unknown or its activations are not finite.
        BenchmarkError: The benchmark's sounds are not right.
    """
    splits = splits or published_splits(benchmark.num_stimuli)
    features = cached_activations(
        net, benchmark, cache=cache, stages=stages, batch_size=batch_size, device=device, progress=progress
    )
    where = encoding_device(device if device is not None else device_of(net))
    scores = encode_stages(features, benchmark, splits, device=where, progress=progress)
    return tabulate(scores, benchmark, Origin(run=run, checkpoint=checkpoint, step=step, epoch=epoch))


def encoding_device(network_device: torch.device | str) -> torch.device:
    """Where to encode the features of a network: on its GPU if that computes in float64, else on the CPU."""
    device = torch.device(network_device)
    return device if device.type == "cuda" else torch.device("cpu")


def encode_stages(
    features: Mapping[str, np.ndarray],
    benchmark: Benchmark,
    splits: Splits,
    *,
    device: torch.device | str = "cpu",
    progress: Progress | None = None,
) -> dict[str, StageScores]:
    """Encode stage after stage, see `encode_stage`.

    Args:
        features: (S, D) features of each stage.
        benchmark: Responses to predict.
        splits: Train and test sounds.
        device: Where to compute. A stage for which a GPU lacks memory (training may fill it) is encoded on the CPU.
        progress: Called after each stage as `progress("encoding", num_done, num_total)`.

    Returns:
        Scores of each stage, in the same order.
    """
    scores = {}
    for num_done, (stage, stage_features) in enumerate(features.items(), start=1):
        try:
            scores[stage] = encode_stage(stage_features, benchmark, splits, stage=stage, device=device)
        except torch.OutOfMemoryError:
            _log.warning("encoding %s on the CPU: the GPU is out of memory", stage)
            scores[stage] = encode_stage(stage_features, benchmark, splits, stage=stage)
        if progress:
            progress("encoding", num_done, len(features))
    return scores


def encode_stage(
    features: np.ndarray,
    benchmark: Benchmark,
    splits: Splits,
    *,
    stage: str | None = None,
    device: torch.device | str = "cpu",
    memory_limit_gib: float = DEFAULT_MEMORY_LIMIT_GIB,
    progress: Callable[[int, int], None] | None = None,
) -> StageScores:
    """Predict every unit of a benchmark from one stage's features.

    Args:
        features: (S, D).
        benchmark: Responses to predict.
        splits: Train and test sounds.
        stage: Name for error messages.
        device: Where to compute, in float64.
        memory_limit_gib: Bound on the working memory, see `encode`.
        progress: Called as `progress(num_done, num_total)`, in units times splits.

    Returns:
        Scores of all units and splits.
    """
    # One repetition is enough where nothing is corrected; encoding the mean saves the fits to single ones.
    responses = benchmark.responses if benchmark.noise_corrected else mean_defined(benchmark.responses, axis=2)
    result = encode(
        features,
        responses,
        splits,
        allow_missing=bool(np.isnan(responses).any()),
        stage=stage,
        device=device,
        memory_limit_gib=memory_limit_gib,
        progress=progress,
    )
    r2 = result.r2_test_corrected if benchmark.noise_corrected else result.r2_test
    return StageScores(r2=np.asarray(r2), num_ties=result.num_ties)


def tabulate(scores: Mapping[str, StageScores], benchmark: Benchmark, origin: Origin) -> pd.DataFrame:
    """Summarise scores of units and splits into rows of the score table.

    For each stage, region (and "all") and subject: the median over splits (clipped to 1 for voxels), then the
    median over the subject's units in the region; subject "all" is the mean over subjects. For components,
    which are reported one by one: region is the component, region "all" the mean over components. The same
    at the best stage, which is selected on half of the splits and read out on the other half (`best_stage`),
    with its relative position; where in the network each region lies (`best_stage_by_region`); and how many scores
    are undefined, and tied, per stage.

    Args:
        scores: Scores of each stage, in the network's order.
        benchmark: Units of the scores.
        origin: What was scored.

    Returns:
        Score table (columns `table.COLUMNS`).
    """
    metric = t.ENCODING_R2_CORRECTED if benchmark.noise_corrected else t.ENCODING_R2
    rows = curve_rows(metric, {stage: of_stage.r2 for stage, of_stage in scores.items()}, benchmark)
    rows += _best_rows(scores, benchmark) + _region_rows(scores, benchmark) + _count_rows(scores)
    return with_origin(rows, benchmark.name, origin)


def failed_row(benchmark_name: str, origin: Origin) -> pd.DataFrame:
    """Make the row that marks an evaluation which raised.

    Args:
        benchmark_name: Benchmark that was being scored.
        origin: What was being scored.

    Returns:
        A score table of one row, metric "failed", value NaN.
    """
    return with_origin(rows_of(t.FAILED, ALL, {(ALL, ALL): np.nan}), benchmark_name, origin)


class _Grouping(NamedTuple):
    """Units in groups: each group's region and subject, and the group that each unit is in, (V,)."""

    labels: list[tuple[str, str]]
    codes: np.ndarray


def _groupings(benchmark: Benchmark) -> list[_Grouping]:
    """Group units by subject, and by region and subject; components by region alone (see `add_means`)."""
    units = benchmark.units
    by_region = _group(list(zip(units["region"], units["subject"], strict=True)))
    if benchmark.unit_kind == "component":
        return [by_region]
    return [_group([(ALL, subject) for subject in units["subject"]]), by_region]


def _group(labels: list[tuple[str, str]]) -> _Grouping:
    """Number labels in the order of their first unit."""
    numbers = {label: number for number, label in enumerate(dict.fromkeys(labels))}
    return _Grouping(list(numbers), np.array([numbers[label] for label in labels]))


def curve_rows(metric: str, r2: Mapping[str, np.ndarray], benchmark: Benchmark) -> list[dict[str, Any]]:
    """Make rows of a stage curve.

    Args:
        metric: What the values are.
        r2: (V, splits) scores of each stage.
        benchmark: Units of the scores.

    Returns:
        Rows for each stage, region and subject: median over splits, then over units, and the means over subjects.
    """
    by_unit = unit_stage_curves(np.stack(list(r2.values()), axis=1), clip=_is_clipped(benchmark))  # (V, stages)
    rows = []
    for number, stage in enumerate(r2):
        values = {
            label: float(median_defined(by_unit[grouping.codes == code, number], axis=0))
            for grouping in _groupings(benchmark)
            for code, label in enumerate(grouping.labels)
        }
        rows += rows_of(metric, stage, add_means(values, benchmark))
    return rows


def _best_rows(scores: Mapping[str, StageScores], benchmark: Benchmark) -> list[dict[str, Any]]:
    """Rows of the best stage, independently selected: its score and its relative position.

    Components have no participants to take an error from: theirs is over the iterations of stage selection, which
    are in the table as subjects "iteration0", "iteration1" and so on.
    """
    metric = t.BEST_STAGE_R2_CORRECTED if benchmark.noise_corrected else t.BEST_STAGE_R2
    stacked = _stacked(scores)
    values: dict[tuple[str, str], float] = {}
    positions: dict[tuple[str, str], float] = {}
    rows = []
    for grouping in _groupings(benchmark):
        # Groups are numbered from 0 without gaps, so results come in the order of the labels.
        best = best_stage(stacked, grouping.codes, clip=_is_clipped(benchmark))
        values |= dict(zip(grouping.labels, best.score, strict=True))
        positions |= dict(zip(grouping.labels, best.relative_position, strict=True))
        if benchmark.unit_kind == "component":
            rows += _iteration_rows(metric, [region for region, _ in grouping.labels], best.score_by_iteration)
    rows += rows_of(metric, t.BEST, add_means(values, benchmark))
    return rows + rows_of(t.BEST_STAGE_POSITION, t.BEST, add_means(positions, benchmark))


def _iteration_rows(metric: str, components: Sequence[str], scores: np.ndarray) -> list[dict[str, Any]]:
    """Rows of every iteration of stage selection: (iterations, components) scores and their mean over components."""
    with_mean = np.column_stack([scores, mean_defined(scores, axis=1)])
    values = {
        (region, f"{t.ITERATION}{iteration}"): float(score)
        for iteration, of_iteration in enumerate(with_mean)
        for region, score in zip([*components, ALL], of_iteration, strict=True)
    }
    return rows_of(metric, t.BEST, values)


def _region_rows(scores: Mapping[str, StageScores], benchmark: Benchmark) -> list[dict[str, Any]]:
    """Rows of where in the network the best stage of each region lies, chosen and read out on all splits."""
    units = benchmark.units
    subjects, regions = units["subject"].to_numpy(), units["region"].to_numpy()
    found = best_stage_by_region(_stacked(scores), subjects, regions, clip=_is_clipped(benchmark))
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


def _stacked(scores: Mapping[str, StageScores]) -> np.ndarray:
    """Scores of all stages, (V, stages, splits)."""
    return np.stack([stage_scores.r2 for stage_scores in scores.values()], axis=1)


def _count_rows(scores: Mapping[str, StageScores]) -> list[dict[str, Any]]:
    """Rows that count what is undefined and what was tied, for each stage."""
    everyone = (ALL, ALL)
    rows = []
    for stage, stage_scores in scores.items():
        rows += rows_of(t.NUM_UNDEFINED, stage, {everyone: int(np.isnan(stage_scores.r2).sum())})
        rows += rows_of(t.NUM_TIES, stage, {everyone: stage_scores.num_ties})
    return rows


def _is_clipped(benchmark: Benchmark) -> bool:
    """Whether medians over splits are clipped to 1, as published for voxels and not for components."""
    return benchmark.unit_kind == "voxel"
