"""Losses of the tasks, from logits in float32."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from datamodules.tasks import UNLABELLED, Task


class Losses(NamedTuple):
    """The loss to minimise and its parts.

    Attributes:
        total: Sum over tasks of `loss_weight` times the mean loss of the task.
        by_task: Mean loss of each task over the examples with labels for it, without its weight.
        num_labelled: Number of examples with labels for each task.
    """

    total: Tensor
    by_task: dict[str, Tensor]
    num_labelled: dict[str, Tensor]


def labelled(targets: Tensor) -> Tensor:
    """Which examples have labels: (B,) bool from (B,) class indices or (B, classes) of 0, 1 and NaN."""
    return targets != UNLABELLED if targets.ndim == 1 else ~targets.isnan().any(dim=1)


def task_loss(logits: Tensor, targets: Tensor, task: Task) -> Tensor:
    """Mean loss of one task over the examples of a batch that have labels for it (Tuckute, Feather et al. 2023).

    Args:
        logits: (B, classes), any floating type; computed in float32.
        targets: (B,) class indices for a task with one label, (B, classes) of 0 and 1 for one with many. Examples
            without labels for the task have `UNLABELLED`, or a row of NaN.
        task: The task; its kind decides on the loss.

    Returns:
        Cross-entropy, or binary cross-entropy averaged over classes, averaged over the examples with labels; 0 (with
        a gradient of 0) if there are none.
    """
    logits = logits.float()
    known = labelled(targets)
    if task.kind == "one_label":
        losses = cross_entropy(logits, targets, ignore_index=UNLABELLED, reduction="none")
    else:
        clean = torch.where(known[:, None], targets, 0.0).float()
        losses = binary_cross_entropy_with_logits(logits, clean, reduction="none").mean(dim=1)
    return torch.where(known, losses, 0.0).sum() / known.sum().clamp(min=1)


def weighted_losses(logits: Mapping[str, Tensor], targets: Mapping[str, Tensor], tasks: Sequence[Task]) -> Losses:
    """Compute the weighted sum of the losses of the tasks.

    Args:
        logits: (B, classes) by task.
        targets: Targets by task, as in `task_loss`.
        tasks: Tasks with their loss weights.

    Returns:
        The total and its parts.

    Raises:
        KeyError: The batch has no targets for a task.
    """
    by_task = {}
    for task in tasks:
        if task.name not in targets:
            raise KeyError(f"the batch has no targets for task {task.name!r}, only for {sorted(targets)}")
        by_task[task.name] = task_loss(logits[task.name], targets[task.name], task)
    weighted = [task.loss_weight * by_task[task.name] for task in tasks]
    num_labelled = {task.name: labelled(targets[task.name]).sum() for task in tasks}
    return Losses(sum(weighted[1:], start=weighted[0]), by_task, num_labelled)
