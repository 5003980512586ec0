"""Several noises at once."""

import numpy as np

from datamodules.audio import demean, rms
from datamodules.batches.augmentation.augmentation import Augmentation, Parameters, check_range
from datamodules.batches.settings_error import DataSettingsError


class MoreNoises(Augmentation):
    """Adds further noise clips to the noise, before it is changed by other augmentations and mixed with the signal.

    A pass over the noise clips is shorter for it. A many-labels task about the noise has the labels of all of them.

    Args:
        most: Most further noises; their number is uniform from 1.
        level_db: Range of their level relative to the first noise, in dB.
        probability: Fraction of the examples with further noises.

    Raises:
        DataSettingsError: A value is out of its range.
    """

    def __init__(
        self, *, most: int = 2, level_db: tuple[float, float] = (-10.0, 0.0), probability: float = 1.0
    ) -> None:
        super().__init__(probability=probability)
        if most < 1:
            raise DataSettingsError(f"MoreNoises: most must be at least 1, got {most}")
        self.most = most
        self.level_db = check_range("MoreNoises: level_db", level_db)

    def draw(self, rng: np.random.Generator, sample_rate_hz: int) -> Parameters:
        """Draw the number of noises and the level of each."""
        number = int(rng.integers(1, self.most, endpoint=True))
        return {"levels_db": rng.uniform(*self.level_db, size=self.most)[:number]}


def layered_noises(first: np.ndarray, others: list[np.ndarray], levels_db: np.ndarray) -> np.ndarray:
    """Add noises to a first one, at levels relative to it; silent ones add nothing.

    Args:
        first: (T,) float.
        others: K noises, (T,) float each.
        levels_db: (K,) levels in dB.

    Returns:
        (T,) float32, demeaned; the first noise as it is without others.
    """
    if not others:
        return first
    total = demean(first)
    reference = rms(total)
    for other, level_db in zip(others, levels_db, strict=True):
        centred = demean(other)
        level = rms(centred)
        if level > 0:
            total += centred * ((reference or level) / level * 10 ** (level_db / 20))
    return total.astype(np.float32)
