"""Ceilings between participants: how well other brains predict a brain.

The responses of a participant's units in a region are predicted, by the same procedure as from a stage of a network,
from the responses of all units that the other participants have in that region (means over repetitions). A network can
explain no more than the reliable part of a response, but how much of it other brains explain is often less: a network's
score is given as a share of both.

The features are themselves measured: their noise is not corrected for, so that this ceiling is one from below, which
rises with the number of participants and repetitions.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from evaluate.benchmarks.benchmark import ALL, Benchmark
from evaluate.metrics.metric import Arrays, Ceiling, Computing, Rows
from evaluate.metrics.table_rows import curve_rows, rows_of

SCORES = "scores"
"""Array (V, splits) of R^2; NaN for units whose region no other participant has."""

NUM_UNDEFINED = "_num_undefined"
"""Suffix of the metric that counts the units without a ceiling."""

OTHER_PARTICIPANTS = "other participants"
"""What tables and figures call this ceiling."""

Predict = Callable[[Benchmark, np.ndarray, np.ndarray, Computing], np.ndarray]
"""`predict(benchmark, others, own, computing)`: R^2 (own, splits) of units, predicted from others; both by index."""


def ceiling_between_participants(metric: str, predict: Predict) -> Ceiling:
    """Make the ceiling of a metric.

    Args:
        metric: Name of its rows.
        predict: Predicts units from others.

    Returns:
        What measures and tabulates it: a row for each region and participant, summarised as the scores of a stage, and
        the number of units without a ceiling.
    """

    def measure(benchmark: Benchmark, computing: Computing) -> Arrays:
        return {SCORES: scores_from_others(benchmark, computing, predict)}

    def tabulate(arrays: Arrays, benchmark: Benchmark) -> Rows:
        scores = arrays[SCORES]
        num_undefined = int(np.isnan(scores).all(axis=1).sum())
        return [
            *curve_rows(metric, {ALL: scores}, benchmark),
            *rows_of(metric + NUM_UNDEFINED, ALL, {(ALL, ALL): num_undefined}),
        ]

    return Ceiling(measure, tabulate)


def scores_from_others(benchmark: Benchmark, computing: Computing, predict: Predict) -> np.ndarray:
    """Predict every unit from the units of its region in the other participants.

    Args:
        benchmark: The benchmark.
        computing: How to compute; its progress counts units.
        predict: Predicts units from others.

    Returns:
        (V, splits) R^2; NaN for units whose region no other participant has.
    """
    subjects, regions = (benchmark.units[column].to_numpy() for column in ("subject", "region"))
    scores = np.full((benchmark.num_units, computing.splits_of(benchmark).num_splits), np.nan)
    num_done = 0
    for region in benchmark.regions:
        for subject in benchmark.subjects:
            in_region, is_own = regions == region, subjects == subject
            own, others = np.flatnonzero(in_region & is_own), np.flatnonzero(in_region & ~is_own)
            if len(own) and len(others):
                scores[own] = predict(benchmark, others, own, computing)
            num_done += len(own)
            if computing.progress is not None and len(own):
                computing.progress(num_done, benchmark.num_units)
    return scores
