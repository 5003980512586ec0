"""Mixup: examples and their labels blended in pairs."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from datamodules.batches.augmentation.augmentation import Augmentation, Parameters
from datamodules.batches.settings_error import DataSettingsError


class Mixup(Augmentation):
    """Blends each example with its neighbour, waveforms and labels alike (Zhang et al. 2018; Gong, Chung & Glass 2021).

    Positions 2k and 2k + 1 of an epoch are a pair. They are always in the same batch, for any number of ranks, so that
    batches must be even. With x, y of an example and x', y' of the other, the example becomes the waveform
    `w x + (1 - w) x'`, at the mean level of both, with the targets `w y + (1 - w) y'`; w ~ Beta(alpha, alpha). All
    tasks must have many labels; an example whose partner is unlabelled is so, too.

    Args:
        alpha: Of the distribution: large is half of each, small is mostly one.
        probability: Fraction of the pairs that are blended.

    Raises:
        DataSettingsError: A value is out of its range.
    """

    def __init__(self, *, alpha: float = 10.0, probability: float = 0.5) -> None:
        super().__init__(probability=probability)
        if not alpha > 0:
            raise DataSettingsError(f"Mixup: alpha must be above 0, got {alpha}")
        self.alpha = alpha

    def draw(self, rng: np.random.Generator, sample_rate_hz: int) -> Parameters:
        """Draw the weight of an example's own waveform."""
        return {"weight": float(rng.beta(self.alpha, self.alpha))}


def blended(batch: dict[str, Any], weights: Tensor) -> dict[str, Any]:
    """Blend the examples of a batch in pairs.

    Args:
        batch: With `waveform` (B, T) and `targets` (B, C) by task, where B is even.
        weights: (B,) weight of each example; 1 leaves it as it is.

    Returns:
        The batch with other waveforms and targets.
    """
    partner = torch.arange(len(weights), device=weights.device) ^ 1
    weight = weights[:, None]  # (B, 1)
    waveform = batch["waveform"]
    level = _rms(waveform)
    mixture = weight * waveform + (1 - weight) * waveform[partner]
    mixed_level = _rms(mixture)
    wanted = weight * level + (1 - weight) * level[partner]
    mixture = mixture * (wanted / mixed_level.where(mixed_level > 0, 1.0))
    is_blended = weight < 1
    targets = {
        name: torch.where(is_blended, weight * values + (1 - weight) * values[partner], values)
        for name, values in batch["targets"].items()
    }
    return {**batch, "waveform": torch.where(is_blended, mixture, waveform), "targets": targets}


def _rms(waveform: Tensor) -> Tensor:
    return waveform.square().mean(dim=1, keepdim=True).sqrt()
