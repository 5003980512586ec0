"""What is left to do to a batch on the device: mixing, filters and levels, mixup, changes of cochleagrams."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from datamodules.audio import PUBLISHED_RMS
from datamodules.batches.augmentation.augmentation import Place
from datamodules.batches.augmentation.mixup import blended
from datamodules.batches.augmentation.plan import AugmentationPlan
from datamodules.batches.batch_mixing import mixed, set_rms_of_batch

VALUES = "augmentation"
"""What the loader drew, in a batch: tensors (B, ...) by `NUMBER.NAME`."""

CHANGE_COCHLEAGRAMS = "change_cochleagrams"
"""A function of cochleagrams (B, F, N) in a finished batch, to apply before the backbone."""


def finished(batch: dict[str, Any], plan: AugmentationPlan) -> dict[str, Any]:
    """Do to a batch what the loader has left to the device.

    Args:
        batch: Batch of the loader, on the device.
        plan: The augmentations.

    Returns:
        The batch with `waveform` (B, T), and `change_cochleagrams` if cochleagrams are to be changed.
    """
    values = batch.get(VALUES)
    if values is None:
        return mixed(batch)
    batch = {name: value for name, value in batch.items() if name != VALUES}
    with torch.no_grad():
        for side in ("signal", "noise"):
            if side in batch:
                batch[side] = _changed(batch[side], plan, side, values)
        batch = mixed(batch)
        batch["waveform"] = _changed_mixture(batch["waveform"], plan, values)
        if plan.mixup is not None:
            batch = blended(batch, values[f"{plan.mixup}.weight"])
    if plan.cochleagrams:
        batch[CHANGE_COCHLEAGRAMS] = cochleagram_change(plan, values)
    return batch


def cochleagram_change(plan: AugmentationPlan, values: dict[str, Tensor]) -> Callable[[Tensor], Tensor]:
    """Make the function that changes the cochleagrams of a batch."""

    def change(cochleagrams: Tensor) -> Tensor:
        for number in plan.cochleagrams:
            start = f"{number}."
            parameters = {name.removeprefix(start): value for name, value in values.items() if name.startswith(start)}
            is_changed = parameters.pop("is_changed")[:, None, None]
            changed = plan[number].apply(cochleagrams, **parameters)
            cochleagrams = torch.where(is_changed, changed, cochleagrams)
        return cochleagrams

    return change


def _left(plan: AugmentationPlan, place: Place) -> list[int]:
    return plan.sounds[place][plan.num_in_loader[place] :]


def _changed(waveforms: Tensor, plan: AugmentationPlan, place: Place, values: dict[str, Tensor]) -> Tensor:
    for number in _left(plan, place):
        waveforms = plan[number].apply_to_batch(waveforms, values[f"{number}.values"])
    return waveforms


def _changed_mixture(waveforms: Tensor, plan: AugmentationPlan, values: dict[str, Tensor]) -> Tensor:
    """As `DrawnAugmentations.changed_mixture`."""
    level: Tensor | float = PUBLISHED_RMS
    for number in _left(plan, "mixture"):
        waveforms = plan[number].apply_to_batch(waveforms, values[f"{number}.values"])
        if plan[number].sets_level:
            level = waveforms.square().mean(dim=1, keepdim=True).sqrt()
        else:
            waveforms = set_rms_of_batch(waveforms, level)
    return waveforms
