"""The metric `behaviour`: does a network recognise what listeners recognise, in the conditions in which they do?

A network names each sound by the largest output of its head. Its accuracy in each condition (a kind of background at an
SNR) is compared with that of listeners, over conditions: by Pearson's correlation, and by the root mean square of the
differences (Kell et al. 2018).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from evaluate.benchmarks.behaviour.trials import ACCURACY, ERROR, Trials
from evaluate.benchmarks.benchmark import ALL, Benchmark
from evaluate.benchmarks.problems import shorten
from evaluate.metrics.best_stage import mean_defined
from evaluate.metrics.metric import BEST_STAGE, Arrays, Computing, Metric, Rows, ScoreKind
from evaluate.metrics.standard_errors import fraction_error
from evaluate.metrics.table_rows import rows_of
from evaluate.scoring import table as t

IS_RIGHT = "is_right"
"""Array (S,): 1 for a right answer, 0 for a wrong one, NaN if the right one is none of the network's classes."""

MIN_CONDITIONS = 3
"""Two conditions always correlate perfectly."""

CORRECT = ScoreKind(
    stage_metric=t.BEHAVIOUR_ACCURACY,
    best_metric=BEST_STAGE + t.BEHAVIOUR_ACCURACY,
    label="fraction of sounds recognised",
    title="recognition",
    symbol="correct",
    name="behaviour",
    ceiling_metric=t.HUMAN_ACCURACY,
    ceiling_label="listeners",
    selects_stage=False,
    note="Columns are conditions; the first is their mean.",
)
LIKENESS = ScoreKind(
    stage_metric=t.BEHAVIOUR_R,
    best_metric=BEST_STAGE + t.BEHAVIOUR_R,
    label="correlation with listeners over conditions",
    title="likeness to listeners",
    symbol="r",
    name="behaviour_likeness",
    selects_stage=False,
)
BEHAVIOUR_KINDS = (CORRECT, LIKENESS)


def measure(features: np.ndarray, benchmark: Benchmark, stage: str, computing: Computing) -> Arrays:
    """Find which sounds a head names rightly.

    Args:
        features: (S, C) outputs of the head.
        benchmark: Benchmark with trials.
        stage: Name of the head.
        computing: Has the names of the C classes.

    Returns:
        See `IS_RIGHT`.

    Raises:
        StageError: The classes have no names or others than the sounds.
    """
    from evaluate.features.recording import StageError  # with torch, which reports do without

    trials = _trials(benchmark)
    classes = computing.class_names
    if len(classes) != features.shape[1]:
        known = f"{len(classes)} names of classes are known" if classes else "the names of its classes are not known"
        raise StageError(
            f"the head {stage!r} has {features.shape[1]} outputs, but {known}: name them, one per line in the order of "
            f"the outputs, in classes.txt of benchmark {benchmark.name!r}"
        )
    places = {name: place for place, name in enumerate(classes)}
    target = np.array([places.get(label, -1) for label in trials.labels])
    if (target < 0).all():
        raise StageError(
            f"none of the answers of benchmark {benchmark.name!r}, such as "
            f"{shorten(list(dict.fromkeys(trials.labels)))}, is a class of the head {stage!r}, such as "
            f"{shorten(list(classes))}"
        )
    return {IS_RIGHT: np.where(target < 0, np.nan, features.argmax(axis=1) == target)}


def tabulate(results: Mapping[str, Arrays], benchmark: Benchmark) -> Rows:
    """Compare accuracies with those of listeners.

    The rows are, with conditions in place of regions and "all" for their mean: the accuracy of the head and its
    standard error over sounds; those of listeners; and for all conditions together the correlation, the RMSE, and the
    number of sounds that are left out because their label is not a class of the network.

    Args:
        results: Results of `measure` of the head.
        benchmark: The benchmark.

    Returns:
        Rows of the score table.
    """
    trials = _trials(benchmark)
    rows: Rows = []
    for stage, arrays in results.items():
        accuracy, error = accuracies(arrays[IS_RIGHT], trials)
        likeness = {(ALL, ALL): correlation(accuracy, trials.human(ACCURACY))}
        for where, metric in ((stage, t.BEHAVIOUR_ACCURACY), (t.BEST, CORRECT.best_metric)):
            rows += rows_of(metric, where, _by_condition(accuracy, trials))
        for where, metric in ((stage, t.BEHAVIOUR_R), (t.BEST, LIKENESS.best_metric)):
            rows += rows_of(metric, where, likeness)
        rows += rows_of(t.BEHAVIOUR_ERROR, stage, _by_condition(error, trials, has_mean=False))
        rows += rows_of(t.BEHAVIOUR_RMSE, stage, {(ALL, ALL): rmse(accuracy, trials.human(ACCURACY))})
        num_unknown = int(np.isnan(arrays[IS_RIGHT]).sum())
        rows += rows_of(t.BEHAVIOUR_NUM_UNKNOWN, stage, {(ALL, ALL): num_unknown})
    rows += rows_of(t.HUMAN_ACCURACY, ALL, _by_condition(trials.human(ACCURACY), trials))
    return rows + rows_of(t.HUMAN_ERROR, ALL, _by_condition(trials.human(ERROR), trials, has_mean=False))


def accuracies(is_right: np.ndarray, trials: Trials) -> tuple[np.ndarray, np.ndarray]:
    """Accuracy in each condition and its standard error over sounds, `sqrt(p (1 - p) / n)`; NaN without sounds."""
    conditions = np.array(trials.conditions)
    accuracy, error = np.full((2, len(trials.names)), np.nan)
    for place, name in enumerate(trials.names):
        answers = is_right[conditions == name]
        answers = answers[~np.isnan(answers)]
        if len(answers):
            accuracy[place] = answers.mean()
            error[place] = fraction_error(accuracy[place], len(answers))
    return accuracy, error


def correlation(network: np.ndarray, human: np.ndarray) -> float:
    """Pearson correlation over the conditions with both values; NaN if there are fewer than three, or all are equal."""
    defined = ~np.isnan(network + human)
    if defined.sum() < MIN_CONDITIONS or not np.ptp(network[defined]) or not np.ptp(human[defined]):
        return float("nan")
    return float(np.corrcoef(network[defined], human[defined])[0, 1])


def rmse(network: np.ndarray, human: np.ndarray) -> float:
    """Root mean square difference over the conditions with both values; NaN if there are none."""
    return float(np.sqrt(mean_defined((network - human) ** 2, axis=0)))


def _by_condition(values: np.ndarray, trials: Trials, *, has_mean: bool = True) -> dict[tuple[str, str], float]:
    mean = {(ALL, ALL): float(mean_defined(values, axis=0))} if has_mean else {}
    return mean | {(name, ALL): float(value) for name, value in zip(trials.names, values, strict=True)}


def _trials(benchmark: Benchmark) -> Trials:
    assert benchmark.trials is not None  # by `of_heads`
    return benchmark.trials


METRIC = Metric(measure=measure, tabulate=tabulate, kinds=lambda benchmark: BEHAVIOUR_KINDS, of_heads=True)
