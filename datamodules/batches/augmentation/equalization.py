"""Equalisation: the smooth colouration of a random recorder."""

import numpy as np

from datamodules.batches.augmentation.augmentation import Parameters, Place
from datamodules.batches.augmentation.filtering import Filtering, odd_taps, symmetric_kernel
from datamodules.batches.settings_error import DataSettingsError
from datamodules.demo.rooms import LOWEST_HZ, draw_gains_db, gain_between

_TAPS_S = 0.05
"""Length of the filter, which resolves 20 Hz."""


class Equalization(Filtering):
    """Colours a sound as a random recorder would, by `datamodules.demo.rooms.gain_between`.

    Args:
        gain_db: Standard deviation of the gain, in dB, at points an octave apart.
        applies_to: What is changed: signal, noise or mixture.
        probability: Fraction of the examples that are changed.

    Raises:
        DataSettingsError: A value is out of its range.
    """

    def __init__(self, *, gain_db: float = 4.0, applies_to: Place = "signal", probability: float = 1.0) -> None:
        super().__init__(applies_to=applies_to, probability=probability)
        if not (np.isfinite(gain_db) and gain_db >= 0):
            raise DataSettingsError(f"Equalization: gain_db must be at least 0, got {gain_db}")
        self.gain_db = gain_db

    def draw(self, rng: np.random.Generator, sample_rate_hz: int) -> Parameters:
        """Draw the gains at 60 Hz and each octave above it."""
        return {"gains_db": draw_gains_db(rng, sample_rate_hz / 2, deviation_db=self.gain_db)}

    def describe(self, *, gains_db: np.ndarray) -> str:  # type: ignore[override]  # its own parameters
        """Name the frequencies of the highest and the lowest gain."""
        high, low = (LOWEST_HZ * 2.0 ** int(place) for place in (gains_db.argmax(), gains_db.argmin()))
        return f"Equalization {gains_db.max():+.0f} dB at {high:.0f} Hz, {gains_db.min():+.0f} dB at {low:.0f} Hz"

    def num_taps(self, sample_rate_hz: int) -> int:
        """Length of every impulse response."""
        return odd_taps(_TAPS_S, sample_rate_hz)

    def kernel(self, sample_rate_hz: int, *, gains_db: np.ndarray) -> np.ndarray:  # type: ignore[override]
        """Impulse response for these gains."""
        return symmetric_kernel(
            lambda frequencies_hz: gain_between(gains_db, frequencies_hz),
            self.num_taps(sample_rate_hz),
            sample_rate_hz,
        )
