"""Losses of tasks, from logits in float32, and of objectives."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from datamodules.tasks import UNLABELLED, Task
from train.learning.objectives.objective import LOSS, Heard, Objective


class Losses(NamedTuple):
    """The loss to minimise and its parts.

    Attributes:
        total: Sum over tasks and objectives of `loss_weight` times the mean loss.
        by_task: Mean loss of each task over the examples with labels for it, without its weight.
        num_labelled: Number of examples with labels for each task.
        by_objective: Values of each objective, "loss" among them, without its weight.
        weighted_objectives: The part of `total` that is of objectives; None without any.
    """

    total: Tensor
    by_task: dict[str, Tensor]
    num_labelled: dict[str, Tensor]
    by_objective: dict[str, dict[str, Tensor]]
    weighted_objectives: Tensor | None

    @property
    def by_name(self) -> dict[str, Tensor]:
        """Mean losses of tasks and objectives."""
        return self.by_task | {name: values[LOSS] for name, values in self.by_objective.items()}


def labelled(targets: Tensor) -> Tensor:
    """Which examples have labels: (B,) bool from (B,) class indices or (B, classes) of 0, 1 and NaN."""
    return targets != UNLABELLED if targets.ndim == 1 else ~targets.isnan().any(dim=1)


def task_loss(logits: Tensor, targets: Tensor, task: Task, *, label_smoothing: float = 0.0) -> Tensor:
    """Mean loss of one task over the examples of a batch that have labels for it (Tuckute, Feather et al. 2023).

    Args:
        logits: (B, classes), any floating type; computed in float32.
        targets: (B,) class indices for a task with one label, (B, classes) of 0 and 1 for one with many. Examples
            without labels for the task have `UNLABELLED`, or a row of NaN.
        task: The task; its kind decides on the loss.
        label_smoothing: Share of the target that is spread evenly over all classes (Szegedy et al. 2016), 0 to 1. With
            many labels, 0 and 1 become half of it and 1 less half of it.

    Returns:
        Cross-entropy, or binary cross-entropy averaged over classes, averaged over the examples with labels; 0 (with
        a gradient of 0) if there are none.
    """
    logits = logits.float()
    known = labelled(targets)
    if task.kind == "one_label":
        losses = cross_entropy(
            logits, targets, ignore_index=UNLABELLED, reduction="none", label_smoothing=label_smoothing
        )
    else:
        clean = torch.where(known[:, None], targets, 0.0).float()
        if label_smoothing:
            clean = clean * (1 - label_smoothing) + label_smoothing / 2
        losses = binary_cross_entropy_with_logits(logits, clean, reduction="none").mean(dim=1)
    return torch.where(known, losses, 0.0).sum() / known.sum().clamp(min=1)


def weighted_losses(
    logits: Mapping[str, Tensor],
    targets: Mapping[str, Tensor],
    tasks: Sequence[Task],
    *,
    label_smoothing: float = 0.0,
    objectives: Iterable[Objective] = (),
    heard: Heard | None = None,
) -> Losses:
    """Compute the weighted sum of the losses of tasks and objectives.

    Args:
        logits: (B, classes) by task.
        targets: Targets by task, as in `task_loss`.
        tasks: Tasks with their loss weights.
        label_smoothing: See `task_loss`.
        objectives: Objectives with their loss weights.
        heard: What the network makes of the batch, for the objectives.

    Returns:
        The total and its parts.

    Raises:
        KeyError: The batch has no targets for a task.
    """
    by_task = {}
    for task in tasks:
        if task.name not in targets:
            raise KeyError(f"the batch has no targets for task {task.name!r}, only for {sorted(targets)}")
        by_task[task.name] = task_loss(logits[task.name], targets[task.name], task, label_smoothing=label_smoothing)
    weighted = [task.loss_weight * by_task[task.name] for task in tasks]
    num_labelled = {task.name: labelled(targets[task.name]).sum() for task in tasks}
    if heard is None:
        return Losses(sum(weighted[1:], start=weighted[0]), by_task, num_labelled, {}, None)
    by_objective = {objective.name: objective(heard) for objective in objectives}
    unlabelled = [objective.loss_weight * by_objective[objective.name][LOSS] for objective in objectives]
    every = [*weighted, *unlabelled]
    return Losses(
        sum(every[1:], start=every[0]),
        by_task,
        num_labelled,
        by_objective,
        sum(unlabelled[1:], start=unlabelled[0]) if unlabelled else None,
    )
