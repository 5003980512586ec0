"""Gain: the level of a mixture."""

from typing import ClassVar

import numpy as np
from torch import Tensor

from datamodules.batches.augmentation.augmentation import Parameters, Place, SoundAugmentation, check_range


class Gain(SoundAugmentation):
    """Changes the level of a mixture, which is an RMS of 0.1 otherwise.

    The levels of signals and noises follow from the signal-to-noise ratio (`data.snr_db`).

    Args:
        gain_db: Range of the gain in dB.
        probability: Fraction of the examples that are changed.

    Raises:
        DataSettingsError: A value is out of its range.
    """

    places: ClassVar[tuple[Place, ...]] = ("mixture",)
    sets_level: ClassVar[bool] = True
    runs_on_device: ClassVar[bool] = True

    def __init__(self, *, gain_db: tuple[float, float] = (-10.0, 10.0), probability: float = 1.0) -> None:
        super().__init__(applies_to="mixture", probability=probability)
        self.gain_db = check_range("Gain: gain_db", gain_db)

    def draw(self, rng: np.random.Generator, sample_rate_hz: int) -> Parameters:
        """Draw the gain."""
        return {"gain_db": rng.uniform(*self.gain_db)}

    def apply(self, waveform: np.ndarray, sample_rate_hz: int, *, gain_db: float) -> np.ndarray:  # type: ignore[override]
        """Scale a sound."""
        return waveform * np.float32(10 ** (gain_db / 20))

    def values_for_device(self, sample_rate_hz: int, parameters: Parameters | None) -> np.ndarray:
        """The factor, (1,)."""
        return np.array([10 ** ((parameters or {"gain_db": 0.0})["gain_db"] / 20)], dtype=np.float32)

    def apply_to_batch(self, waveforms: Tensor, values: Tensor) -> Tensor:
        """Scale (B, T) sounds by (B, 1) factors."""
        return waveforms * values
