"""Masks over stretches of time and bands of frequency in cochleagrams (SpecAugment, Park et al. 2019)."""

from typing import Literal

import numpy as np
import torch
from torch import Tensor

from datamodules.batches.augmentation.augmentation import CochleagramAugmentation, Parameters
from datamodules.batches.settings_error import DataSettingsError

Fill = Literal["mean", "silence"]


class _Mask(CochleagramAugmentation):
    """Masks along one axis.

    Args:
        number: Masks of each cochleagram; they may overlap.
        most: Width of the widest, as a fraction of the axis; widths are uniform from 0.
        fill: What is put there: the mean of the cochleagram, or silence (0).
        probability: Fraction of the examples that are changed.

    Raises:
        DataSettingsError: A value is out of its range.
    """

    axis: int

    def __init__(self, *, number: int = 2, most: float = 0.1, fill: Fill = "mean", probability: float = 1.0) -> None:
        super().__init__(probability=probability)
        if number < 1 or not 0 < most <= 1:
            raise DataSettingsError(
                f"{self.name}: number must be at least 1 and most between 0 and 1, got {number} and {most}"
            )
        self.number, self.most, self.fill = number, most, fill

    def draw(self, rng: np.random.Generator, sample_rate_hz: int) -> Parameters:
        """Draw where the masks begin and end, as fractions of the axis: (number,) each."""
        widths = rng.uniform(0, self.most, self.number)
        starts = rng.uniform(0, 1 - widths)
        return {"starts": starts, "ends": starts + widths}

    def apply(self, cochleagrams: Tensor, *, starts: Tensor, ends: Tensor) -> Tensor:  # type: ignore[override]
        """Mask (B, F, N) cochleagrams, given (B, number) starts and ends."""
        size = cochleagrams.shape[self.axis]
        places = (torch.arange(size, device=cochleagrams.device) + 0.5) / size
        inside = (places >= starts[..., None]) & (places < ends[..., None])  # (B, number, size)
        masked = inside.any(dim=1).unsqueeze(3 - self.axis)  # (B, 1, N) or (B, F, 1)
        fill = cochleagrams.mean(dim=(1, 2), keepdim=True) if self.fill == "mean" else cochleagrams.new_zeros(())
        return torch.where(masked, fill, cochleagrams)


class TimeMask(_Mask):
    """Hides stretches of time of cochleagrams.

    Args:
        number: Masks of each cochleagram; they may overlap.
        most: Duration of the longest, as a fraction of the example; durations are uniform from 0.
        fill: What is put there: the mean of the cochleagram, or silence (0).
        probability: Fraction of the examples that are changed.

    Raises:
        DataSettingsError: A value is out of its range.
    """

    axis = 2


class FrequencyMask(_Mask):
    """Hides bands of frequency of cochleagrams.

    Args:
        number: Masks of each cochleagram; they may overlap.
        most: Width of the widest, as a fraction of all bands; widths are uniform from 0.
        fill: What is put there: the mean of the cochleagram, or silence (0).
        probability: Fraction of the examples that are changed.

    Raises:
        DataSettingsError: A value is out of its range.
    """

    axis = 1
