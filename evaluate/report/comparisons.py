"""Comparison of scores of networks, with error bars over participants and tests between networks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Literal

import numpy as np

from evaluate.benchmarks.benchmark import ALL
from evaluate.report.figures.series import Entry
from evaluate.report.significance import (
    Comparison,
    bootstrap_comparison,
    participant_error,
    permutation_comparison,
    standard_error,
    wilcoxon_over_models,
)
from evaluate.scoring import table as t

if TYPE_CHECKING:
    import pandas as pd


SampleKind = Literal["participants", "iterations", "none"]
MIN_MODELS_FOR_WILCOXON = 6
"""With fewer pairs, the smallest two-sided p of the signed-rank test is above .05."""


@dataclass(frozen=True, eq=False)
class Summary:
    """Scores of several networks in one region.

    Attributes:
        means: (networks,) value over all subjects, from the table.
        errors: (networks,) standard errors, NaN for fewer than two samples.
        samples: Networks x participants (or iterations of stage selection), NaN if a network has none.
        sample_kind: Meaning of the columns of `samples`.
    """

    means: np.ndarray
    errors: np.ndarray
    samples: pd.DataFrame
    sample_kind: SampleKind


@dataclass(frozen=True)
class PairTest:
    """Result of a test between two networks.

    Attributes:
        region: Region of the scores.
        higher: Label of the network with the higher mean.
        lower: Label of the other.
        method: "bootstrap" or "permutation".
        result: Difference, p value and counts.
    """

    region: str
    higher: str
    lower: str
    method: str
    result: Comparison


def summarise(frames: Sequence[pd.DataFrame], metric: str, region: str, *, stage: str = t.BEST) -> Summary:
    """Collect one score per network, its error bar and the samples behind it.

    Error bars are those of the paper: standard errors over participants, after subtracting each participant's mean over
    the compared networks (`significance.participant_error`). For a single network, and over iterations of a component's
    stage selection, they are plain standard errors.

    Args:
        frames: Rows of each network, for one benchmark and one step.
        metric: Metric of the score.
        region: Region or component, or "all".
        stage: Stage, or "best".

    Returns:
        Means, errors and samples.
    """
    import pandas as pd

    chosen = [_select(rows, metric, region, stage) for rows in frames]
    means = np.array([rows.get(ALL, np.nan) for rows in chosen], dtype=np.float64)
    samples = pd.DataFrame([rows.drop(ALL, errors="ignore") for rows in chosen]).reset_index(drop=True)
    if samples.shape[1] == 0:
        return Summary(means, np.full(len(frames), np.nan), samples, "none")
    is_iterated = all(str(name).startswith(t.ITERATION) for name in samples.columns)
    values = samples.to_numpy(dtype=np.float64)
    num_scored = int((~np.isnan(values)).any(axis=1).sum())
    errors = participant_error(values) if num_scored > 1 and not is_iterated else standard_error(values)
    return Summary(means, errors, samples, "iterations" if is_iterated else "participants")


def compare_networks(entries: Sequence[Entry], metric: str, region: str) -> list[PairTest]:
    """Test differences between networks at their best stages.

    Compares all pairs of trained networks and baselines, and each untrained or permuted network with the trained one of
    its own run. The one-tailed test is for the network with the higher mean: a bootstrap over participants, or a
    permutation over iterations of a component's stage selection. There is no correction for the number of tests.

    Args:
        entries: Networks, on one benchmark.
        metric: Metric of the score at the best stage.
        region: Region or component, or "all".

    Returns:
        A test for each pair with values of participants or iterations.
    """
    summary = summarise([entry.rows for entry in entries], metric, region)
    if summary.sample_kind == "none":
        return []
    values = summary.samples.to_numpy(dtype=np.float64)
    tests = []
    for i, j in combinations(range(len(entries)), 2):
        if not _belongs_together(entries[i], entries[j]) or np.isnan(summary.means[[i, j]]).any():
            continue
        if any(np.isnan(values[k]).all() for k in (i, j)):
            continue
        high, low = (i, j) if summary.means[i] >= summary.means[j] else (j, i)
        if summary.sample_kind == "participants":
            method, result = "bootstrap", bootstrap_comparison(values[high], values[low])
        else:
            method, result = "permutation", permutation_comparison(values[high], values[low])
        tests.append(PairTest(region, entries[high].label, entries[low].label, method, result))
    return tests


def compare_regions(entries: Sequence[Entry], metric: str, regions: Sequence[str]) -> dict[str, Comparison]:
    """Test over networks whether the best stage of other regions differs from that of primary cortex.

    Args:
        entries: Networks, of which the trained ones are used.
        metric: Metric of the relative position.
        regions: Regions, including "Primary".

    Returns:
        Two-sided Wilcoxon signed-rank test against "Primary" by region; empty if there are too few networks.
    """
    trained = [entry.rows for entry in entries if entry.state == "trained"]
    if len(trained) < MIN_MODELS_FOR_WILCOXON or "Primary" not in regions:
        return {}
    positions = {region: summarise(trained, metric, region).means for region in regions}
    others = [region for region in regions if region not in ("Primary", ALL)]
    return {region: wilcoxon_over_models(positions[region], positions["Primary"]) for region in others}


def count(rows: pd.DataFrame, metric: str, stage: str | None = None) -> int | None:
    """Sum counts such as `num_undefined`.

    Args:
        rows: Rows of one network.
        metric: Metric of the counts.
        stage: Stage, or None for all.

    Returns:
        The sum, or None if the table has no such counts.
    """
    found = t.summary_rows(rows)
    found = found[(found[t.METRIC] == metric) & (True if stage is None else found[t.STAGE] == stage)]
    values = found[t.VALUE].dropna()
    return int(values.sum()) if len(values) else None


def _select(rows: pd.DataFrame, metric: str, region: str, stage: str) -> pd.Series:
    """Select the values of one network by subject, including "all"."""
    found = rows[(rows[t.METRIC] == metric) & (rows[t.REGION] == region) & (rows[t.STAGE] == stage)]
    return found.drop_duplicates(t.SUBJECT, keep="last").set_index(t.SUBJECT)[t.VALUE]


def _belongs_together(first: Entry, second: Entry) -> bool:
    """Whether to test two networks: both trained or baselines, or a control and its own run."""
    strong = ("trained", "baseline")
    if first.state in strong and second.state in strong:
        return True
    if first.state not in strong and second.state not in strong:
        return False
    return first.series.owner == second.series.owner
