"""What is gathered over the validation examples of one condition (a signal-to-noise ratio, say)."""

from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor, nn
from torchmetrics import MeanMetric, MetricCollection

from datamodules.tasks import Task
from train.losses import Losses
from train.metrics import task_metrics


class ConditionMetrics(nn.Module):
    """Losses and metrics of all tasks in one condition.

    Args:
        tasks: resolved tasks.
    """

    def __init__(self, tasks: Sequence[Task]) -> None:
        super().__init__()
        self.tasks = tuple(tasks)
        self.total_loss = MeanMetric()
        self.losses: dict[str, MeanMetric] = {task.name: MeanMetric() for task in tasks}
        self.metrics: dict[str, MetricCollection] = {task.name: task_metrics(task) for task in tasks}
        # Plain dictionaries keep the types; the module dictionaries beside them move the states between devices.
        self.moved_losses = nn.ModuleDict(self.losses)
        self.moved_metrics = nn.ModuleDict(self.metrics)

    def prepare(self, device: torch.device) -> None:
        """Give every rank something to gather, also one that gets no batch."""
        for task in self.tasks:
            if task.kind == "many_labels":
                nothing = torch.empty(0, task.num_classes, device=device)
                self.metrics[task.name].update(nothing, nothing)

    def update(self, logits: Mapping[str, Tensor], losses: Losses, targets: Mapping[str, Tensor]) -> None:
        """Take in a batch: (B, classes) logits and targets by task."""
        size = len(next(iter(logits.values())))
        self.total_loss.update(losses.total, size)
        for task in self.tasks:
            self.losses[task.name].update(losses.by_task[task.name], size)
            self.metrics[task.name].update(logits[task.name], targets[task.name])

    def compute(self) -> Iterator[tuple[str, Tensor]]:
        """Yield names (``loss``, ``{task}/loss``, ``{task}/{metric}``) and values over all examples and ranks."""
        yield "loss", self.total_loss.compute()
        for task in self.tasks:
            yield f"{task.name}/loss", self.losses[task.name].compute()
            for name, value in self.metrics[task.name].compute().items():
                yield f"{task.name}/{name}", value

    def reset(self) -> None:
        """Forget everything gathered."""
        self.total_loss.reset()
        for task in self.tasks:
            self.losses[task.name].reset()
            self.metrics[task.name].reset()
