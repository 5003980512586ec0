"""Sampling by class: all classes equally often, or anything between that and their natural frequencies."""

import math

import numpy as np

from datamodules.batches.sampling.sampling import Sampling
from datamodules.batches.settings_error import DataSettingsError
from datamodules.shards.clip_sources import ClipSource
from datamodules.tasks import UNLABELLED


class BalancedSampling(Sampling):
    r"""Draws rare classes more often than they occur.

    With `n_c` clips of class c and temperature T, a clip has the weight

        w = sum over its labels c of n_c^(1/T - 1),

    so that a class of a one-label set is drawn in proportion to `n_c^(1/T)`: as it occurs at T = 1, as often as all
    others at T = inf (as is usual for AudioSet, Gong, Chung & Glass 2021), and in between at T = 2 to 5 (as is usual
    for corpora of many languages). A clip with several labels counts for each of them. Clips without labels keep their
    share of all draws.

    Args:
        label: Label column of the shards.
        temperature: T, at least 1.

    Raises:
        DataSettingsError: The temperature is below 1.
    """

    def __init__(self, label: str, *, temperature: float = math.inf) -> None:
        if not temperature >= 1:
            raise DataSettingsError(f"temperature must be at least 1 (.inf balances all classes), got {temperature}")
        self.label = label
        self.temperature = temperature

    def weights(self, clips: ClipSource) -> np.ndarray:
        """Weigh the clips.

        Args:
            clips: The training clips.

        Returns:
            (num_clips,) float, above 0.

        Raises:
            DataSettingsError: There is no such label column, the clips are streamed, or none is labelled.
        """
        if self.label not in clips.label_sets:
            raise DataSettingsError(
                f"BalancedSampling: {clips.folder} has no label column {self.label!r}; it has "
                f"{sorted(clips.label_sets) or 'none'}"
            )
        try:
            numbers, clip_of = clips.label_numbers(self.label)  # type: ignore[attr-defined]  # not of streamed clips
        except AttributeError:
            raise DataSettingsError(
                f"BalancedSampling: {clips.folder} is streamed, so that labels are unknown until clips are read: copy "
                "the shards, or leave sampling out"
            ) from None
        known = numbers != UNLABELLED
        if not known.any():
            raise DataSettingsError(f"BalancedSampling: no clip of {clips.folder} is labelled in {self.label!r}")
        counts = np.bincount(numbers[known], minlength=len(clips.label_sets[self.label].labels))
        rates = np.maximum(counts, 1.0) ** (1 / self.temperature - 1)
        weights = np.bincount(clip_of[known], rates[numbers[known]], minlength=len(clips))
        weights[weights == 0] = weights[weights > 0].mean()
        return weights
