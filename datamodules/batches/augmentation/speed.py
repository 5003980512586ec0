"""Speed: faster and higher, or slower and lower, as a tape would be."""

from functools import lru_cache
from math import ceil, gcd

import numpy as np

from datamodules.batches.augmentation.augmentation import Parameters, Place, SoundAugmentation, Window, check_range

_STEPS = 100
"""Factors are multiples of 1 / 100, so that resampling needs few filters."""

_ZERO_CROSSINGS, _KAISER_BETA = 16, 8.6
"""Of the sinc on either side, and its window: stop band at -80 dB."""

_MARGIN = 2 * _ZERO_CROSSINGS
"""Samples on either side of a stretch that the filter reaches."""


class Speed(SoundAugmentation):
    """Plays a sound faster or slower, which changes its pitch and formants as well (Ko et al. 2015).

    As much of the clip is taken as fills the example, around the same midpoint.

    Args:
        factor: Range of the factor, in steps of 0.01: above 1 is faster.
        applies_to: What is changed: signal, noise or mixture.
        probability: Fraction of the examples that are changed.

    Raises:
        DataSettingsError: A value is out of its range.
    """

    def __init__(
        self, *, factor: tuple[float, float] = (0.9, 1.1), applies_to: Place = "signal", probability: float = 1.0
    ) -> None:
        super().__init__(applies_to=applies_to, probability=probability)
        self.factor = check_range("Speed: factor", factor, lowest=0.25, highest=4.0)

    def draw(self, rng: np.random.Generator, sample_rate_hz: int) -> Parameters:
        """Draw the factor."""
        low, high = (round(_STEPS * bound) for bound in self.factor)
        return {"factor": int(rng.integers(low, high, endpoint=True)) / _STEPS}

    def margins(self, sample_rate_hz: int) -> tuple[int, int]:
        """Samples that the resampling filter reaches."""
        return _MARGIN, _MARGIN

    def source(self, window: Window, sample_rate_hz: int, *, factor: float) -> Window:  # type: ignore[override]
        """As many times the samples of the window."""
        return Window(ceil(window.num_samples * factor) + 1, round(window.middle * factor))

    def apply(self, waveform: np.ndarray, sample_rate_hz: int, *, factor: float) -> np.ndarray:  # type: ignore[override]
        """Resample a sound."""
        return resampled(waveform, round(_STEPS * factor), _STEPS)[_MARGIN:]


def resampled(waveform: np.ndarray, from_rate: int, to_rate: int) -> np.ndarray:
    """Resample (T,) float32 with a Kaiser-windowed sinc, to ceil(T * to_rate / from_rate) samples.

    It is faster than `datamodules.audio.resample`, with a shorter filter, and computed by one thread.
    """
    import scipy.signal

    common = gcd(from_rate, to_rate)
    up, down = to_rate // common, from_rate // common
    if up == down:
        return waveform
    result: np.ndarray = scipy.signal.resample_poly(waveform, up, down, window=_taps(max(up, down)))
    return result


@lru_cache(maxsize=256)
def _taps(num_phases: int) -> np.ndarray:
    import scipy.signal

    half = _ZERO_CROSSINGS * num_phases
    taps = scipy.signal.firwin(2 * half + 1, 1 / num_phases, window=("kaiser", _KAISER_BETA))
    return taps.astype(np.float32)
