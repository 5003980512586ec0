"""The metric `temporal`: how well a linear model of a stage's activations in time predicts each unit's time course."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from evaluate.benchmarks.benchmark import ALL, Benchmark
from evaluate.metrics.best_rows import best_in_groups, best_rows
from evaluate.metrics.best_stage import mean_defined, median_defined
from evaluate.metrics.between_participants import OTHER_PARTICIPANTS, ceiling_between_participants
from evaluate.metrics.metric import BEST_STAGE, Arrays, Computing, Metric, Rows, ScoreKind, part_of
from evaluate.metrics.table_rows import curve_rows, rows_of
from evaluate.scoring import table as t

if TYPE_CHECKING:
    from evaluate.metrics.temporal.temporal_encoding import TemporalResult

MAX_LAG_S = 0.4
"""Responses depend on the last 400 ms of a stage: 10 bins at 25 Hz."""

R2, R_BY_BIN, PEAK_LAG_S = "r2", "r_by_bin", "peak_lag_s"
"""Arrays of a stage: R^2 (V, splits), noise-corrected if the benchmark is; r (V, T) in each bin, mean over splits; and
the peak lag (V,) in seconds, median over splits."""


def _made_kind(stage_metric: str, title: str) -> ScoreKind:
    return ScoreKind(
        stage_metric=stage_metric,
        best_metric=BEST_STAGE + stage_metric,
        label=f"{title} on test sounds",
        title=title,
        symbol="R²",
        name="temporal",
        course_metric=t.TEMPORAL_R,
        ceiling_metric=t.TEMPORAL_PARTICIPANT_CEILING,
        ceiling_label=OTHER_PARTICIPANTS,
        is_noise_corrected=stage_metric == t.TEMPORAL_R2_CORRECTED,
    )


RAW = _made_kind(t.TEMPORAL_R2, "R² in time")
CORRECTED = _made_kind(t.TEMPORAL_R2_CORRECTED, "noise-corrected R² in time")
TEMPORAL_KINDS = (CORRECTED, RAW)


def measure(features: np.ndarray, benchmark: Benchmark, stage: str, computing: Computing) -> Arrays:
    """Predict every unit's time course from the features (S, D, N) of one stage; see `temporal_encode`.

    The number of lags is that of the bins in `MAX_LAG_S`, at least one.
    """
    result = _encoded(features, benchmark, slice(None), stage, computing, start_s=benchmark.bins.start_s)
    return {
        R2: _r2(result, benchmark),
        R_BY_BIN: mean_defined(result.r_by_bin, axis=1),
        PEAK_LAG_S: median_defined(result.peak_lag_s, axis=1),
    }


def _encoded(
    features: np.ndarray,
    benchmark: Benchmark,
    units: slice | np.ndarray,
    stage: str | None,
    computing: Computing,
    *,
    start_s: float,
) -> TemporalResult:
    from evaluate.metrics.temporal.temporal_encoding import temporal_encode  # with torch

    assert benchmark.time_courses is not None  # by `in_time`
    rate_hz = benchmark.bins.rate_hz
    # Without noise correction, only the mean is fitted, not the single repetitions.
    responses = benchmark.time_courses[:, units]
    if not benchmark.noise_corrected:
        responses = mean_defined(responses, axis=2)
    return temporal_encode(
        features,
        responses,
        computing.splits_of(benchmark),
        duration_s=computing.duration_s,
        rate_hz=rate_hz,
        start_s=start_s,
        num_lags=max(1, round(MAX_LAG_S * rate_hz)),
        allow_missing=bool(np.isnan(responses).any()),
        stage=stage,
        device=computing.device,
        memory_limit_gib=computing.memory_limit_gib,
        progress=computing.progress,
    )


def _r2(result: TemporalResult, benchmark: Benchmark) -> np.ndarray:
    return np.asarray(result.r2_test_corrected if benchmark.noise_corrected else result.r2_test)


def _predict(benchmark: Benchmark, others: np.ndarray, own: np.ndarray, computing: Computing) -> np.ndarray:
    """R^2 (own, splits) of units predicted from the mean time courses of others in the same bins and those before."""
    assert benchmark.time_courses is not None
    bins = benchmark.bins
    # The frames are the bins of the responses, all of them inside what was "heard".
    features = mean_defined(benchmark.time_courses[:, others], axis=2)
    computing = replace(computing, progress=None, duration_s=bins.num_bins / bins.rate_hz)
    return _r2(_encoded(features, benchmark, own, None, computing, start_s=0.0), benchmark)


def tabulate(results: Mapping[str, Arrays], benchmark: Benchmark) -> Rows:
    """Summarise scores of units, splits and bins.

    The rows are:

    - for each stage, region (and "all") and subject, R^2 as in static encoding, and the same at the best stage;
    - for each stage and region (and "all"), the correlation in each bin, `temporal_r/SECONDS` with the centre of the
      bin, and the peak lag: medians over units.

    Args:
        results: Results of `measure` for each stage, in the network's order.
        benchmark: Benchmark of the units.

    Returns:
        Rows of the score table.
    """
    kind = _kind(benchmark)
    rows = curve_rows(kind.stage_metric, {stage: arrays[R2] for stage, arrays in results.items()}, benchmark)
    scores = np.stack([arrays[R2] for arrays in results.values()], axis=1)  # (V, stages, splits)
    rows += best_rows(kind.best_metric, tuple(results), best_in_groups(scores, benchmark), benchmark)
    regions = benchmark.units["region"].to_numpy()
    members = {ALL: np.ones(len(regions), dtype=bool)} | {name: regions == name for name in benchmark.regions}
    for stage, arrays in results.items():
        lags = {(name, ALL): float(median_defined(arrays[PEAK_LAG_S][of], axis=0)) for name, of in members.items()}
        rows += rows_of(t.TEMPORAL_PEAK_LAG_S, stage, lags)
        courses = {name: median_defined(arrays[R_BY_BIN][of], axis=0) for name, of in members.items()}
        for number, time_s in enumerate(benchmark.bins.centers_s):
            at_time = {(name, ALL): float(course[number]) for name, course in courses.items()}
            rows += rows_of(part_of(t.TEMPORAL_R, f"{time_s:.6g}"), stage, at_time)
    return rows


def _kind(benchmark: Benchmark) -> ScoreKind:
    return CORRECTED if benchmark.noise_corrected else RAW


METRIC = Metric(
    measure=measure,
    tabulate=tabulate,
    kinds=lambda benchmark: (_kind(benchmark),),
    in_time=True,
    ceiling=ceiling_between_participants(t.TEMPORAL_PARTICIPANT_CEILING, _predict),
)
