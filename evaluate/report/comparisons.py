"""Comparison of scores of networks, with error bars over participants and tests between networks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Literal

import numpy as np

from evaluate.benchmarks.benchmark import ALL
from evaluate.metrics.metric import ScoreKind
from evaluate.metrics.standard_errors import sound_error, standard_error
from evaluate.report.figures.series import MANY_NETWORKS, Entry
from evaluate.report.significance import (
    Comparison,
    bootstrap_comparison,
    paired_differences,
    permutation_comparison,
    wilcoxon_over_models,
)
from evaluate.report.sound_comparison import sound_comparison
from evaluate.scoring import table as t

if TYPE_CHECKING:
    import pandas as pd


SampleKind = Literal["participants", "iterations", "none"]
Over = Literal["participants", "sounds", "iterations", "nothing"]
"""What an error is over."""
_REPEATED = (t.ITERATION, t.SPLIT)
MIN_MODELS_FOR_WILCOXON = 6
"""With fewer pairs, the smallest two-sided p of the signed-rank test is above .05."""


@dataclass(frozen=True, eq=False)
class Splits:
    """Scores in splits of the sounds.

    Attributes:
        scores: (networks, splits), NaN if a network has none.
        num_train: Number of training sounds of each split.
        num_test: Number of test sounds of each split.
    """

    scores: np.ndarray
    num_train: float
    num_test: float


@dataclass(frozen=True, eq=False)
class Summary:
    """Scores of several networks in one region. The errors of a network do not depend on the others.

    Attributes:
        means: (networks,) value over all subjects, from the table.
        samples: Networks x participants (or iterations of stage selection), NaN if a network has none.
        sample_kind: Meaning of the columns of `samples`.
        splits: Scores in the splits of the sounds; None if the table has none.
    """

    means: np.ndarray
    samples: pd.DataFrame
    sample_kind: SampleKind
    splits: Splits | None = None

    @property
    def values(self) -> np.ndarray:
        """The samples as an array (networks, samples)."""
        return self.samples.to_numpy(dtype=np.float64)

    @property
    def errors(self) -> np.ndarray:
        """Standard errors (networks,) over the samples, NaN for fewer than two."""
        return standard_error(self.values) if self.samples.shape[1] else np.full(len(self.means), np.nan)

    @property
    def sound_errors(self) -> np.ndarray:
        """Standard errors (networks,) over sounds (`standard_errors.sound_error`); NaN without scores of splits."""
        if self.splits is None:
            return np.full(len(self.means), np.nan)
        return sound_error(self.splits.scores, num_train=self.splits.num_train, num_test=self.splits.num_test)

    @property
    def num_samples(self) -> np.ndarray:
        """Numbers (networks,) of samples that are defined."""
        return (~np.isnan(self.values)).sum(axis=1) if self.samples.shape[1] else np.zeros(len(self.means), dtype=int)

    @property
    def num_participants(self) -> int | None:
        """Number of participants, the most that a network has; None if scores are not of participants."""
        return int(self.num_samples.max()) if self.sample_kind == "participants" else None

    @property
    def drawn(self) -> Over:
        """What errors in figures are over: participants if there are several, else sounds, else iterations."""
        if (self.num_participants or 0) > 1:
            return "participants"
        if self.splits is not None:
            return "sounds"
        return "iterations" if self.sample_kind == "iterations" else "nothing"

    @property
    def drawn_errors(self) -> np.ndarray:
        """Errors (networks,) for figures and the overview, over what `drawn` says."""
        return self.sound_errors if self.drawn == "sounds" else self.errors


@dataclass(frozen=True)
class PairTest:
    """Result of a test between two networks.

    Attributes:
        region: Region of the scores.
        higher: Label of the network with the higher mean.
        lower: Label of the other.
        method: "bootstrap" or "permutation".
        result: Difference, p value and counts.
        participant_error: Standard error over participants of the paired difference; NaN if undefined.
        over_sounds: Test over sounds; None if the tables have no scores of splits.
    """

    region: str
    higher: str
    lower: str
    method: str
    result: Comparison
    participant_error: float = float("nan")
    over_sounds: Comparison | None = None


def summarise(frames: Sequence[pd.DataFrame], metric: str, region: str, *, stage: str = t.BEST) -> Summary:
    """Collect one score per network, and the samples behind its errors.

    The errors of a network are over its own participants (or iterations of a component's stage selection) and over its
    own splits of the sounds. The published error bars of voxels, which change with the compared networks, are
    `standard_errors.within_participant_error`.

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
    names = {prefix: [name for name in samples.columns if t.is_numbered(name, prefix)] for prefix in _REPEATED}
    participants = [name for name in samples.columns if not any(name in of_prefix for of_prefix in names.values())]
    splits = _splits(samples[names[t.SPLIT]], frames)
    # Older tables have components with scores of splits in place of iterations.
    kind: SampleKind = "participants" if participants else "iterations" if any(names.values()) else "none"
    return Summary(means, samples[participants or names[t.ITERATION]], kind, splits)


def seed_errors(entries: Sequence[Entry], metric: str, region: str, *, stage: str = t.BEST) -> np.ndarray:
    """Compute standard errors (networks,) over the seeds of controls; NaN for networks of one seed.

    Args:
        entries: Networks, on one benchmark.
        metric: Metric of the score.
        region: Region or component, or "all".
        stage: Stage, or "best".
    """
    frames = [[seed.rows for seed in entry.seeds] for entry in entries]
    return np.array(
        [
            float(standard_error(summarise(of_seeds, metric, region, stage=stage).means)) if of_seeds else np.nan
            for of_seeds in frames
        ]
    )


def errors_to_draw(entries: Sequence[Entry], metric: str, region: str) -> np.ndarray:
    """Compute errors (networks,) for figures: over seeds for controls of several, else see `Summary.drawn`."""
    over_seeds = seed_errors(entries, metric, region)
    summary = summarise([entry.rows for entry in entries], metric, region)
    return np.where(np.isnan(over_seeds), summary.drawn_errors, over_seeds)


def ceilings_of(entries: Sequence[Entry], kind: ScoreKind, regions: Sequence[str]) -> np.ndarray:
    """Find the ceilings (regions,) of a score, the same for all networks; NaN where the tables have none."""
    found = [
        summarise([entry.rows for entry in entries], kind.ceiling_metric, region, stage=ALL).means for region in regions
    ]
    return np.array([next((mean for mean in means if not np.isnan(mean)), np.nan) for means in found])


@dataclass(frozen=True)
class ShareOfCeiling:
    """Score of one network over its ceiling.

    Attributes:
        value: The mean score of the participants over the mean of their ceilings.
        error: Standard error over participants; NaN for fewer than two.
        num_participants: Number of participants with a score and a ceiling.
    """

    value: float
    error: float
    num_participants: int


def share_of_ceiling(rows: pd.DataFrame, kind: ScoreKind, region: str) -> ShareOfCeiling:
    """Compute the score of a network at the best stage as a share of its ceiling.

    With scores x and ceilings c of P participants, the share is `q = mean(x) / mean(c)`, and its standard error that
    of a ratio (Cochran 1977, Sampling Techniques, section 6.4), `sd(x - q c) / (sqrt(P) mean(c))`.

    Args:
        rows: Rows of one network, for one benchmark and one step.
        kind: Kind of score.
        region: Region, or "all".

    Returns:
        The share over the participants with both; NaN if there are none, or no ceiling above 0.
    """
    scores, ceilings = _select(rows, kind.best_metric, region, t.BEST), _select(rows, kind.ceiling_metric, region, ALL)
    subjects = [name for name in scores.index if name != ALL and name in ceilings.index]
    x, c = scores[subjects].to_numpy(), ceilings[subjects].to_numpy()
    x, c = x[~np.isnan(x + c)], c[~np.isnan(x + c)]
    if not len(x) or not c.mean() > 0:
        return ShareOfCeiling(np.nan, np.nan, len(x))
    share = x.mean() / c.mean()
    return ShareOfCeiling(float(share), float(standard_error(x - share * c) / c.mean()), len(x))


def compare_networks(entries: Sequence[Entry], metric: str, region: str) -> list[PairTest]:
    """Test differences between networks at their best stages.

    Compares all pairs of trained networks and baselines, unless they are many (`MANY_NETWORKS`), and each untrained or
    permuted network with the trained one of its own run. The one-tailed test is for the network with the higher mean: a
    bootstrap over participants, or a permutation over iterations of a component's stage selection. Next to either is a
    test over sounds. There is no correction for the number of tests.

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
    values = summary.values
    tests = []
    has_many = sum(entry.group != "control" for entry in entries) >= MANY_NETWORKS
    for i, j in combinations(range(len(entries)), 2):
        if has_many and "control" not in (entries[i].group, entries[j].group):
            continue
        if not _belongs_together(entries[i], entries[j]) or np.isnan(summary.means[[i, j]]).any():
            continue
        if any(np.isnan(values[k]).all() for k in (i, j)):
            continue
        high, low = (i, j) if summary.means[i] >= summary.means[j] else (j, i)
        labels, over_sounds = (entries[high].label, entries[low].label), _over_sounds(summary.splits, high, low)
        if summary.sample_kind == "participants":
            result = bootstrap_comparison(values[high], values[low])
            error = float(standard_error(paired_differences(values[high], values[low])))
            tests.append(PairTest(region, *labels, "bootstrap", result, error, over_sounds))
        else:
            result = permutation_comparison(values[high], values[low])
            tests.append(PairTest(region, *labels, "permutation", result, over_sounds=over_sounds))
    return tests


def _over_sounds(splits: Splits | None, high: int, low: int) -> Comparison | None:
    """Test over sounds between two of the networks; None without scores of splits."""
    if splits is None:
        return None
    sizes = {"num_train": splits.num_train, "num_test": splits.num_test}
    return sound_comparison(splits.scores[high], splits.scores[low], **sizes)


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
    return round(values.sum()) if len(values) else None


def _splits(samples: pd.DataFrame, frames: Sequence[pd.DataFrame]) -> Splits | None:
    """Take the scores in splits of the sounds; None if there are none, or networks have splits of other sizes."""
    if not samples.shape[1]:
        return None
    columns = [(rows[t.METRIC].to_numpy(), rows[t.VALUE].to_numpy()) for rows in frames]
    sizes = [
        {float(value) for metrics, values in columns for value in values[metrics == metric]}
        for metric in (t.NUM_TRAIN_SOUNDS, t.NUM_TEST_SOUNDS)
    ]
    if any(len(size) != 1 for size in sizes):
        return None
    (num_train,), (num_test,) = sizes
    return Splits(samples.to_numpy(dtype=np.float64), num_train, num_test)


def _select(rows: pd.DataFrame, metric: str, region: str, stage: str) -> pd.Series:
    """Select the values of one network by subject, including "all"."""
    import pandas as pd

    # A report asks for thousands of such selections: this is several times as fast as to select rows of a frame.
    keys = ((t.METRIC, metric), (t.REGION, region), (t.STAGE, stage))
    is_chosen = np.logical_and.reduce([rows[column].to_numpy() == name for column, name in keys])
    subjects, values = (rows[column].to_numpy()[is_chosen] for column in (t.SUBJECT, t.VALUE))
    return pd.Series(dict(zip(subjects, values, strict=True)), dtype=np.float64)  # of equal subjects, the last one


def _belongs_together(first: Entry, second: Entry) -> bool:
    """Whether to test two networks: both trained or baselines, or a control and its own run."""
    strong = ("trained", "baseline")
    if first.state in strong and second.state in strong:
        return True
    if first.state not in strong and second.state not in strong:
        return False
    return first.series.owner == second.series.owner
