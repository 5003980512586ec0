"""Metrics over the validation examples of one condition, such as a signal-to-noise ratio."""

from collections.abc import Iterator, Mapping, Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torchmetrics import MetricCollection

from datamodules.tasks import Task
from train.learning.losses import Losses
from train.learning.task_metrics import WeightedMean, task_metrics

TOTAL = "<total>"
"""Key of the weighted sum among the losses; names of tasks are words."""


class ConditionMetrics(nn.Module):
    """Losses and metrics of all tasks in one condition.

    Args:
        tasks: Resolved tasks.
    """

    def __init__(self, tasks: Sequence[Task]) -> None:
        super().__init__()
        self.tasks = tuple(tasks)
        self.losses = nn.ModuleDict({name: WeightedMean() for name in (TOTAL, *(task.name for task in tasks))})
        self.metrics = nn.ModuleDict({task.name: task_metrics(task) for task in tasks})

    def _loss(self, name: str) -> WeightedMean:
        return cast(WeightedMean, self.losses[name])

    def _metrics(self, task: Task) -> MetricCollection:
        return cast(MetricCollection, self.metrics[task.name])

    def prepare(self, device: torch.device) -> None:
        """Give every rank something to gather, even if it gets no batch."""
        for task in self.tasks:
            if task.kind == "many_labels":
                nothing = torch.empty(0, task.num_classes, device=device)
                self._metrics(task).update(nothing, nothing)

    def update(self, logits: Mapping[str, Tensor], losses: Losses, targets: Mapping[str, Tensor]) -> None:
        """Add a batch of (B, classes) logits and targets by task."""
        size = len(next(iter(logits.values())))
        self._loss(TOTAL).update(losses.total, size)
        for task in self.tasks:
            self._loss(task.name).update(losses.by_task[task.name], losses.num_labelled[task.name])
            self._metrics(task).update(logits[task.name], targets[task.name])

    def compute(self) -> Iterator[tuple[str, Tensor]]:
        """Yield names (`loss`, `{task}/loss`, `{task}/{metric}`) with values over all examples and ranks."""
        yield "loss", self._loss(TOTAL).compute()
        for task in self.tasks:
            yield f"{task.name}/loss", self._loss(task.name).compute()
            for name, value in self._metrics(task).compute().items():
                yield f"{task.name}/{name}", value

    def reset(self) -> None:
        """Forget all examples."""
        for metric in (*self.losses.values(), *self.metrics.values()):
            cast(WeightedMean | MetricCollection, metric).reset()
