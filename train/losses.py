"""Losses of the tasks, from logits in float32."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from datamodules.tasks import Task


class Losses(NamedTuple):
    """The loss to minimise and its parts.

    Attributes:
        total: sum over tasks of ``loss_weight`` times the task's mean loss.
        by_task: the mean loss of each task, without its weight.
    """

    total: Tensor
    by_task: dict[str, Tensor]


def task_loss(logits: Tensor, targets: Tensor, task: Task) -> Tensor:
    """Mean loss of one task over a batch (Tuckute, Feather et al. 2023).

    Args:
        logits: (B, classes), any floating type; computed in float32.
        targets: (B,) class indices for a task with one label, (B, classes) of 0 and 1 for one with many.
        task: kind of the task.

    Returns:
        Cross-entropy, or binary cross-entropy averaged over classes, averaged over the batch.
    """
    if task.kind == "one_label":
        return cross_entropy(logits.float(), targets)
    return binary_cross_entropy_with_logits(logits.float(), targets.float())


def weighted_losses(logits: Mapping[str, Tensor], targets: Mapping[str, Tensor], tasks: Sequence[Task]) -> Losses:
    """Weighted sum of the tasks' losses.

    Args:
        logits: (B, classes) by task.
        targets: by task, as in :func:`task_loss`.
        tasks: the tasks, with their loss weights.

    Returns:
        The total and its parts.

    Raises:
        KeyError: if the batch has no targets for a task.
    """
    by_task = {}
    for task in tasks:
        if task.name not in targets:
            raise KeyError(f"the batch has no targets for task {task.name!r}, only for {sorted(targets)}")
        by_task[task.name] = task_loss(logits[task.name], targets[task.name], task)
    weighted = [task.loss_weight * by_task[task.name] for task in tasks]
    return Losses(sum(weighted[1:], start=weighted[0]), by_task)
