"""Groups of networks that differ only in their seed, controls too: mean and standard error over seeds."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from evaluate.metrics.standard_errors import standard_error
from evaluate.options import SEED_PATTERN
from evaluate.report.comparisons import summarise
from evaluate.report.figures.selection import ScoreKind
from evaluate.report.figures.series import Entry, State, entries_of
from evaluate.report.figures.series import Series as Run
from evaluate.scoring import table as t

_ONLY_SEEDS = "all seeds"
"""Name of the group of runs whose names are their seeds alone, such as `seed_0`."""


@dataclass(frozen=True, eq=False)
class Group:
    """Networks that differ only in their seed, after or before training.

    Attributes:
        label: Name of the group.
        state: Trained, untrained, permuted or baseline.
        scores: (networks, regions) scores, NaN if missing.
        colour: Colour of the first network.
    """

    label: str
    state: State
    scores: np.ndarray
    colour: str

    @property
    def num_networks(self) -> int:
        """Number of networks with a score."""
        return int((~np.isnan(self.scores)).any(axis=1).sum())

    @property
    def means(self) -> np.ndarray:
        """Mean (regions,) over networks, NaN if none has a score."""
        count = (~np.isnan(self.scores)).sum(axis=0)
        return np.where(count > 0, np.nansum(self.scores, axis=0) / np.maximum(count, 1), np.nan)

    @property
    def errors(self) -> np.ndarray:
        """Standard error (regions,) over networks, NaN for fewer than two."""
        return standard_error(self.scores.T)


def group_name(name: str, pattern: str = SEED_PATTERN) -> str:
    """Name the group of a run: its name without `pattern`, or "all seeds" if nothing remains."""
    return re.sub(pattern, "", name).strip(" -_") or _ONLY_SEEDS


def groups_of(
    runs: Sequence[Run], benchmark: str, kind: ScoreKind, regions: Sequence[str], pattern: str = SEED_PATTERN
) -> list[Group]:
    """Group runs of different seeds, on one benchmark.

    Args:
        runs: See `series_of`.
        benchmark: Name of the benchmark.
        kind: Kind of score, at the best stage.
        regions: Regions or components, or "all".
        pattern: See `group_name`.

    Returns:
        Trained groups in the order of the runs, then untrained, permuted and baselines; empty if no group has two
        networks.
    """
    members: dict[tuple[State, str], list[Entry]] = {}
    every = [one for entry in entries_of(runs, benchmark, kind.metrics) for one in entry.seeds or [entry]]
    for entry in every:
        key = entry.state, group_name(entry.series.owner, pattern)
        if entry.state == "baseline":
            key = entry.state, entry.series.name
        members.setdefault(key, []).append(entry)
    if all(len(entries) < 2 for entries in members.values()):
        return []
    order: tuple[State, ...] = ("trained", "untrained", "permuted", "baseline")
    groups = []
    for (state, name), entries in sorted(members.items(), key=lambda item: order.index(item[0][0])):
        frames = [entry.rows for entry in entries]
        scores = np.stack([summarise(frames, kind.best_metric, region).means for region in regions], axis=1)
        label = f"{name}, {state}" if state in ("untrained", "permuted") else name
        groups.append(Group(label, state, scores, entries[0].series.colour))
    return groups


def means_over_seeds(
    runs: Sequence[Run], benchmark: str, kind: ScoreKind, region: str, pattern: str = SEED_PATTERN
) -> dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Compute the means of groups over training.

    Args:
        runs: See `series_of`.
        benchmark: Name of the benchmark.
        kind: Kind of score, at the best stage.
        region: Region or component, or "all".
        pattern: See `group_name`.

    Returns:
        By group, the steps at which all its runs were scored, with means and standard errors; errors of groups with one
        run are NaN.
    """
    curves: dict[str, list[dict[int, float]]] = {}
    for run in runs:
        if run.kind != "run":
            continue
        rows = t.summary_rows(run.rows)
        rows = rows[(rows[t.BENCHMARK] == benchmark) & (rows[t.METRIC] == kind.best_metric)]
        rows = rows[rows[t.REGION] == region]
        if len(rows):
            curve = dict(zip(rows[t.STEP].astype(int), rows[t.VALUE].astype(float), strict=True))
            curves.setdefault(group_name(run.owner, pattern), []).append(curve)
    found = {}
    for name, of_group in curves.items():
        steps = sorted(set.intersection(*(set(curve) for curve in of_group)))
        values = np.array([[curve[step] for curve in of_group] for step in steps]).reshape(len(steps), -1)
        found[name] = (np.array(steps), values.mean(axis=1), standard_error(values))
    return found
