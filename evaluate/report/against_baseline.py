"""Tests which networks predict responses better than the baseline, corrected for the number of networks."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from evaluate.report.comparisons import Over, summarise
from evaluate.report.figures.series import Entry
from evaluate.report.significance import Comparison, holm, least_p, paired_comparison
from evaluate.report.sound_comparison import sound_comparison

LEVEL = 0.05
"""A corrected p value below this counts as better."""
BETTER = "*"
"""Mark of networks that predict better than the baseline."""


@dataclass(frozen=True)
class BaselineTest:
    """Test of one network against the baseline, in one region.

    Attributes:
        entry: The network.
        result: Difference and one-tailed p value of the paired t test.
        p_value: p value, corrected for the number of networks (`significance.holm`); over n participants, at least 2^-n
            (`significance.least_p`).
        pairs: What pairs of scores are of: "participants" or "sounds" (splits of the sounds).
        over_sounds: Test over sounds; None if the tables have no scores of splits.
    """

    entry: Entry
    result: Comparison
    p_value: float
    pairs: Over
    over_sounds: Comparison | None = None

    @property
    def is_better(self) -> bool:
        """Whether the network predicts better than the baseline."""
        return self.p_value < LEVEL

    @property
    def error(self) -> float:
        """Standard error of the difference, over what its pairs are of."""
        return _error(self.result)

    @property
    def sound_error(self) -> float:
        """Standard error of the difference over sounds; NaN if it is unknown."""
        return float("nan") if self.over_sounds is None else _error(self.over_sounds)


def baseline_of(entries: Sequence[Entry]) -> Entry | None:
    """Find the baseline among networks; None if it was not scored."""
    return next((entry for entry in entries if entry.group == "baseline"), None)


def compare_with_baseline(entries: Sequence[Entry], metric: str, region: str) -> list[BaselineTest]:
    """Test whether networks predict better than the baseline at their best stages.

    Each test is a one-tailed t test on paired differences: over participants or, for components and single
    participants, over the splits of the sounds with the correction for their overlap (`sound_comparison`). Controls are
    not tested.

    Args:
        entries: Networks, on one benchmark.
        metric: Metric of the score at the best stage.
        region: Region or component, or "all".

    Returns:
        A test for each network that has pairs with the baseline; empty without a baseline.
    """
    baseline = baseline_of(entries)
    tested = [entry for entry in entries if entry.group in ("in-house", "external")]
    if baseline is None or not tested:
        return []
    summary = summarise([entry.rows for entry in (baseline, *tested)], metric, region)
    over_sounds: list[Comparison | None] = [None] * len(tested)
    if (splits := summary.splits) is not None:
        sizes = {"num_train": splits.num_train, "num_test": splits.num_test}
        over_sounds = [sound_comparison(own, splits.scores[0], **sizes) for own in splits.scores[1:]]
    if summary.drawn == "participants":
        results = [paired_comparison(own, summary.values[0]) for own in summary.values[1:]]
    else:
        results = [result for result in over_sounds if result is not None]
    corrected = holm(np.array([result.p_value for result in results]))
    return [
        BaselineTest(entry, result, float(np.maximum(p, _least_p(result, summary.drawn))), summary.drawn, of_sounds)
        for entry, result, p, of_sounds in zip(tested, results, corrected, over_sounds, strict=False)
        if not np.isnan(result.difference)
    ]


def _least_p(result: Comparison, pairs: Over) -> float:
    return least_p(result.num_first) if pairs == "participants" else 0.0


def _error(result: Comparison) -> float:
    return abs(result.difference / result.statistic) if result.statistic else float("nan")
