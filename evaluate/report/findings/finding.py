"""The result of one claim: effect, interval and verdict."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import stats

CONFIDENCE = 0.95
"""Confidence level of the intervals."""

Verdict = Literal["supported", "contradicted", "open"]


@dataclass(frozen=True)
class Finding:
    """An effect that a claim says is above 0.

    Attributes:
        claim: Short form of the claim, the same for all its effects.
        what: What was compared, such as "word: trained - untrained".
        region: Region or component, or "all".
        effect: The effect, in the units of the score (or of the relative position of stages).
        error: Its standard error over `samples`; NaN if undefined.
        num_samples: Number of samples of the error.
        samples: What the error is over, such as "participants".
        num_agreeing: Number of compared pairs of networks whose own effect is above 0.
        num_pairs: Number of compared pairs of networks.
        seed_error: Standard error over the seeds of controls; NaN if they have one seed each.
    """

    claim: str
    what: str
    region: str
    effect: float
    error: float
    num_samples: int
    samples: str
    num_agreeing: int
    num_pairs: int
    seed_error: float = float("nan")

    @property
    def interval(self) -> tuple[float, float]:
        """Confidence interval of the effect from Student's t, with `num_samples - 1` degrees of freedom."""
        if not self.error > 0 or self.num_samples < 2:
            return float("nan"), float("nan")
        half = float(stats.t.ppf((1 + CONFIDENCE) / 2, self.num_samples - 1)) * self.error
        return self.effect - half, self.effect + half

    @property
    def verdict(self) -> Verdict:
        """Whether the interval is above 0 (supported), below 0 (contradicted), or contains it (open)."""
        low, high = self.interval
        if low > 0:
            return "supported"
        return "contradicted" if high < 0 else "open"


@dataclass(frozen=True)
class Untested:
    """A claim that the networks of a report cannot test.

    Attributes:
        claim: Short form of the claim.
        missing: What is missing.
    """

    claim: str
    missing: str


def mean_effect(differences: np.ndarray) -> np.ndarray:
    """Mean (n,) over pairs of networks of differences (pairs, n); NaN where no pair has a value."""
    is_defined = ~np.isnan(differences)
    counts = is_defined.sum(axis=0)
    sums = np.where(is_defined, differences, 0.0).sum(axis=0)
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
