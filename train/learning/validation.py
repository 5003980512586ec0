"""Metrics over the validation examples of one condition, such as a signal-to-noise ratio."""

from collections.abc import Iterator, Mapping, Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torchmetrics import MetricCollection

from datamodules.tasks import Task
from train.learning.losses import Losses
from train.learning.task_metrics import ClassRanking, ManyLabelRanking, WeightedMean, task_metrics

TOTAL = "<total>"
"""Key of the weighted sum among the losses; names of tasks are words."""


class ConditionMetrics(nn.Module):
    """Losses and metrics of all tasks, and values of all objectives, in one condition.

    Args:
        tasks: Resolved tasks.
    """

    def __init__(self, tasks: Sequence[Task]) -> None:
        super().__init__()
        self.tasks = tuple(tasks)
        self.losses = nn.ModuleDict({name: WeightedMean() for name in (TOTAL, *(task.name for task in tasks))})
        self.metrics = nn.ModuleDict({task.name: task_metrics(task) for task in tasks})
        self.objectives = nn.ModuleDict()

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

    def update(self, logits: Mapping[str, Tensor], losses: Losses, targets: Mapping[str, Tensor], *, size: int) -> None:
        """Add a batch of `size` examples: (B, classes) logits and targets by task, and their losses."""
        self._loss(TOTAL).update(losses.total, size)
        for objective, values in losses.by_objective.items():
            for name, value in values.items():
                self._value(objective, name, value.device).update(value, size)
        for task in self.tasks:
            self._loss(task.name).update(losses.by_task[task.name], losses.num_labelled[task.name])
            self._metrics(task).update(logits[task.name], targets[task.name])

    def _value(self, objective: str, name: str, device: torch.device) -> WeightedMean:
        """Mean of a value of an objective, made when it first comes."""
        if objective not in self.objectives:
            self.objectives[objective] = nn.ModuleDict()
        values = cast(nn.ModuleDict, self.objectives[objective])
        if name not in values:
            values[name] = WeightedMean().to(device)
        return cast(WeightedMean, values[name])

    def compute(self) -> Iterator[tuple[str, Tensor]]:
        """Yield names (`loss`, `{task}/loss`, `{task}/{metric}`) with values over all examples and ranks.

        Values of objectives are named likewise.
        """
        yield "loss", self._loss(TOTAL).compute()
        for task in self.tasks:
            yield f"{task.name}/loss", self._loss(task.name).compute()
            for name, value in self._metrics(task).compute().items():
                yield f"{task.name}/{name}", value
        for objective, values in self.objectives.items():
            for name, value in cast(nn.ModuleDict, values).items():
                yield f"{objective}/{name}", cast(WeightedMean, value).compute()

    def class_rankings(self) -> dict[str, ClassRanking]:
        """Values of each class of the tasks with many labels, after `compute`."""
        rankings = {
            task.name: cast(ManyLabelRanking, self._metrics(task)["ranking"]).by_class
            for task in self.tasks
            if task.kind == "many_labels"
        }
        return {name: ranking for name, ranking in rankings.items() if ranking is not None}

    def reset(self) -> None:
        """Forget all examples."""
        of_objectives = [value for values in self.objectives.values() for value in cast(nn.ModuleDict, values).values()]
        for metric in (*self.losses.values(), *self.metrics.values(), *of_objectives):
            cast(WeightedMean | MetricCollection, metric).reset()
