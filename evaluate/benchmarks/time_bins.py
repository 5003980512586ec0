"""The time bins of responses, and the frames of a stage that each of them covers."""

from dataclasses import dataclass

import numpy as np

# Overlaps below this fraction of a bin are rounding errors of its edges.
_SMALLEST_OVERLAP = 1e-9


@dataclass(frozen=True)
class TimeBins:
    """Bins of equal length: bin k covers `[start_s + k / rate_hz, start_s + (k + 1) / rate_hz)`.

    Attributes:
        num_bins: Number of bins T.
        rate_hz: Bins per second.
        start_s: Start of the first bin; 0 is the onset of the sound.

    Raises:
        ValueError: There are no bins, or rate or start are not possible.
    """

    num_bins: int
    rate_hz: float
    start_s: float = 0.0

    def __post_init__(self) -> None:
        if self.num_bins < 1:
            raise ValueError(f"expected at least one time bin, got {self.num_bins}")
        if not (np.isfinite(self.rate_hz) and self.rate_hz > 0):
            raise ValueError(f"rate_hz must be a positive number of bins per second, got {self.rate_hz}")
        if not np.isfinite(self.start_s):
            raise ValueError(f"start_s must be the start of the first bin in seconds, got {self.start_s}")

    @property
    def edges_s(self) -> np.ndarray:
        """Edges (T + 1,) of the bins in seconds from the onset of the sound."""
        return self.start_s + np.arange(self.num_bins + 1) / self.rate_hz

    @property
    def centers_s(self) -> np.ndarray:
        """Centres (T,) of the bins in seconds from the onset of the sound."""
        edges = self.edges_s
        return np.asarray((edges[1:] + edges[:-1]) / 2)

    def __str__(self) -> str:
        """Describe them in a line."""
        edges = self.edges_s
        return f"{self.num_bins} bins at {self.rate_hz:g} Hz, from {edges[0]:g} to {edges[-1]:g} s"

    def earlier(self, num_bins: int) -> "TimeBins":
        """The same bins after `num_bins` more of them."""
        return TimeBins(self.num_bins + num_bins, self.rate_hz, self.start_s - num_bins / self.rate_hz)

    def weights(self, num_frames: int, duration_s: float) -> np.ndarray:
        """Weights of a stage's frames in each bin: the overlap, relative to that of all frames.

        Frame n of N covers `[n, n + 1) * duration_s / N`.

        Args:
            num_frames: Number of frames N; 1 for a stage without time.
            duration_s: Length of the network's input in seconds.

        Returns:
            (T, N) weights with sums of 1, or 0 for a bin outside the sound.
        """
        edges, frames = self.edges_s, np.arange(num_frames + 1) * (duration_s / num_frames)
        ends = np.minimum(edges[1:, None], frames[None, 1:])
        overlap = np.maximum(ends - np.maximum(edges[:-1, None], frames[None, :-1]), 0.0)
        overlap[overlap < _SMALLEST_OVERLAP / self.rate_hz] = 0.0
        total = overlap.sum(axis=1, keepdims=True)
        return np.divide(overlap, total, out=np.zeros_like(overlap), where=total > 0)
