"""An order in which some clips come more often than others, as a pure function of (seed, purpose, cycle)."""

import numpy as np

from datamodules.batches.random_streams import Purpose, generator


def weighted_order(weights: np.ndarray, *, seed: int, purpose: Purpose, cycle: int) -> np.ndarray:
    """Draw as many clips as there are, each about in proportion to its weight, in random order.

    Systematic sampling (Madow 1949): the clips are laid out in random order on a line, each as long as its expected
    count N w / sum(w), and taken at N evenly spaced points from a random start. So each clip comes as often as
    expected, rounded up or down, and exactly once if all weights are equal.

    Args:
        weights: (N,) float, at least 0, not all 0.
        seed: Seed of the run.
        purpose: What is drawn.
        cycle: Index of the pass.

    Returns:
        (N,) int64.
    """
    rng = generator(seed=seed, purpose=purpose, epoch=cycle)
    num_draws = len(weights)
    clips = rng.permutation(np.flatnonzero(weights))
    ends = np.cumsum(weights[clips])
    ends *= num_draws / ends[-1]
    ends[-1] = num_draws
    points = np.arange(num_draws) + rng.random()
    return rng.permutation(clips[np.searchsorted(ends, points, side="right").clip(max=len(clips) - 1)])


def fingerprint(weights: np.ndarray) -> int:
    """A number that differs between weights, for the state of a loader."""
    from zlib import crc32

    return crc32(np.ascontiguousarray(weights, dtype=np.float64).tobytes())
