"""Tests which networks predict responses better than the baseline, corrected for the number of networks."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from evaluate.report.comparisons import SampleKind, summarise
from evaluate.report.figures.series import Entry
from evaluate.report.significance import Comparison, holm, paired_comparison
from evaluate.report.sound_errors import sound_comparison

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
        p_value: p value, corrected for the number of networks (`significance.holm`).
        pairs: Pairs of scores: "participants", or "iterations" for those of splits of the sounds.
    """

    entry: Entry
    result: Comparison
    p_value: float
    pairs: SampleKind

    @property
    def is_better(self) -> bool:
        """Whether the network predicts better than the baseline."""
        return self.p_value < LEVEL

    @property
    def error(self) -> float:
        """Standard error of the difference."""
        return abs(self.result.difference / self.result.statistic) if self.result.statistic else float("nan")


def baseline_of(entries: Sequence[Entry]) -> Entry | None:
    """Find the baseline among networks; None if it was not scored."""
    return next((entry for entry in entries if entry.group == "baseline"), None)


def compare_with_baseline(entries: Sequence[Entry], metric: str, region: str) -> list[BaselineTest]:
    """Test whether networks predict better than the baseline at their best stages.

    Each test is a one-tailed t test on paired differences: over participants or, for components, over the splits of the
    sounds with the correction for their overlap (`sound_errors.sound_comparison`). Controls are not tested.

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
    if summary.sample_kind == "participants":
        values = summary.samples.to_numpy(dtype=np.float64)
        results = [paired_comparison(own, values[0]) for own in values[1:]]
    elif summary.splits is not None:
        splits = summary.splits
        sizes = {"num_train": splits.num_train, "num_test": splits.num_test}
        results = [sound_comparison(own, splits.scores[0], **sizes) for own in splits.scores[1:]]
    else:
        return []
    corrected = holm(np.array([result.p_value for result in results]))
    return [
        BaselineTest(entry, result, float(p), summary.sample_kind)
        for entry, result, p in zip(tested, results, corrected, strict=True)
        if not np.isnan(result.difference)
    ]
