"""Sounds that are longer than a network's input, heard in overlapping windows that are joined in time."""

from dataclasses import dataclass

import numpy as np

from evaluate.benchmarks.benchmark import Benchmark
from evaluate.benchmarks.sound_files import SoundSet


@dataclass(frozen=True)
class Windows:
    """Windows of the length of a network's input W, each half a window after the one before.

    A moment is heard in the window whose centre is nearest: the middle half of every window counts, and the edges only
    where the sound begins and ends. So every moment but those has at least a quarter of a window on either side.

    Attributes:
        num_samples: Samples W of a window.
        num_windows: Number of windows; 1 for sounds that are not longer than a window.
    """

    num_samples: int
    num_windows: int = 1

    @classmethod
    def over(cls, num_samples: int, longest: int) -> "Windows":
        """Windows of `num_samples` that cover `longest` samples; sounds are padded with zeros to their end."""
        hop = num_samples // 2
        return cls(num_samples, 1 + max(0, -(-(longest - num_samples) // max(hop, 1))))

    @property
    def starts(self) -> np.ndarray:
        """First sample (windows,) of each window."""
        return np.arange(self.num_windows) * (self.num_samples // 2)

    @property
    def total_samples(self) -> int:
        """Samples that all windows cover together."""
        return int(self.starts[-1]) + self.num_samples

    def cut(self, waveforms: np.ndarray) -> np.ndarray:
        """Cut sounds (S, total_samples) into windows (S * windows, W), all of the first sound first."""
        if self.num_windows == 1:
            return waveforms
        cuts = [waveforms[:, start : start + self.num_samples] for start in self.starts]
        return np.stack(cuts, axis=1).reshape(-1, self.num_samples)

    def join(self, features: np.ndarray) -> np.ndarray:
        """Join features of windows in time.

        Args:
            features: (S * windows, D, N).

        Returns:
            (S, D, M) features in M frames that divide all windows together evenly. A frame is as long as in a window,
            or half as long if N is odd, since windows are half a window apart.
        """
        if self.num_windows == 1:
            return features
        num_frames = features.shape[2]
        by_window = features.reshape(-1, self.num_windows, *features.shape[1:])  # (S, windows, D, N)
        per_window = num_frames * (1 if num_frames % 2 == 0 else 2)
        total = round(self.total_samples / self.num_samples * per_window)
        centers = (np.arange(total) + 0.5) * self.total_samples / total
        middles = self.starts + self.num_samples / 2
        window = np.abs(centers[:, None] - middles).argmin(axis=1)
        frame = ((centers - self.starts[window]) * num_frames / self.num_samples).astype(int).clip(0, num_frames - 1)
        # Indices on both sides of a slice put the frames first: (M, S, D).
        return np.ascontiguousarray(by_window[:, window, :, frame].transpose(1, 2, 0))


def windows_of(benchmark: Benchmark, sample_rate_hz: int, num_samples: int) -> Windows:
    """Windows that cover the longest sound of a benchmark.

    Responses without time, and sounds made by a function, have one window: the input of the network.

    Args:
        benchmark: Benchmark of the sounds.
        sample_rate_hz: Sample rate of the network's input in Hz.
        num_samples: Samples of the network's input.
    """
    if benchmark.time_courses is None or not isinstance(benchmark.waveforms, SoundSet):
        return Windows(num_samples)
    return Windows.over(num_samples, round(benchmark.waveforms.longest_s * sample_rate_hz))
