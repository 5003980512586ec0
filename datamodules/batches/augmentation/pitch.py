"""Pitch: higher or lower at the same tempo."""

import numpy as np

from datamodules.batches.augmentation.augmentation import Parameters, Place, SoundAugmentation, check_range
from datamodules.batches.augmentation.speed import resampled
from datamodules.batches.augmentation.time_stretch import stretched

_FRAME_S = 0.05
_STEPS = 100


class Pitch(SoundAugmentation):
    """Shifts pitch and formants, and keeps durations: a phase vocoder stretches the sound, then it is resampled.

    It takes more time than all other augmentations together.

    Args:
        semitones: Range of the shift in semitones; the factor of the frequencies is rounded to 0.01.
        applies_to: What is changed: signal, noise or mixture.
        probability: Fraction of the examples that are changed.

    Raises:
        DataSettingsError: A value is out of its range.
    """

    def __init__(
        self, *, semitones: tuple[float, float] = (-2.0, 2.0), applies_to: Place = "signal", probability: float = 1.0
    ) -> None:
        super().__init__(applies_to=applies_to, probability=probability)
        self.semitones = check_range("Pitch: semitones", semitones, lowest=-12.0, highest=12.0)

    def draw(self, rng: np.random.Generator, sample_rate_hz: int) -> Parameters:
        """Draw the shift."""
        return {"semitones": rng.uniform(*self.semitones)}

    def margins(self, sample_rate_hz: int) -> tuple[int, int]:
        """Samples of a frame on either side."""
        return _frame(sample_rate_hz), _frame(sample_rate_hz)

    def apply(self, waveform: np.ndarray, sample_rate_hz: int, *, semitones: float) -> np.ndarray:  # type: ignore[override]
        """Stretch and resample a sound."""
        frame, factor = _frame(sample_rate_hz), round(_STEPS * 2 ** (semitones / 12))
        if factor == _STEPS:
            return waveform[frame:]
        return resampled(stretched(waveform, factor / _STEPS, frame=frame), factor, _STEPS)[frame:]


def _frame(sample_rate_hz: int) -> int:
    """Length of a frame: the power of two nearest to 50 ms."""
    return int(2 ** round(np.log2(max(_FRAME_S * sample_rate_hz, 16))))
