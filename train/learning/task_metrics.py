"""Metrics of the tasks, each with its chance level: accuracies for one label, ranking metrics for many.

Updates do not wait for a GPU: unlike in torchmetrics, no value is read, and no shape depends on values.
"""

import warnings

import torch
from torch import Tensor
from torchmetrics import Metric, MetricCollection
from torchmetrics.functional.classification import multilabel_auroc, multilabel_average_precision

from datamodules.tasks import UNLABELLED, Task
from train.learning.losses import labelled

TOP_K = 5


def task_metrics(task: Task) -> MetricCollection:
    """Make the metrics of one task.

    Args:
        task: Resolved task.

    Returns:
        For one label: `top1` and, with more than five classes, `top5` accuracy over all examples, and
        `chance`, the share of the most common class. For many: those of `ManyLabelRanking`.
    """
    if task.kind == "many_labels":
        return MetricCollection({"ranking": ManyLabelRanking(task.num_classes)}, compute_groups=False)
    metrics: dict[str, Metric | MetricCollection] = {
        "top1": accuracy(task),
        "chance": CommonestShare(task.num_classes),
    }
    if task.num_classes > TOP_K:
        metrics[f"top{TOP_K}"] = accuracy(task, top_k=TOP_K)
    # Compute groups would read the states, and merge metrics for good whose states are equal after the first batch.
    return MetricCollection(metrics, compute_groups=False)


def accuracy(task: Task, *, top_k: int = 1) -> "Accuracy":
    """Make the accuracy of a task: the share of labelled examples whose class is among the `top_k` most likely."""
    return Accuracy(top_k)


class Accuracy(Metric):
    """Top-k accuracy: the fraction of labelled examples whose class is among the `top_k` largest logits.

    Args:
        top_k: Number of logits that count.
    """

    full_state_update = False
    correct: Tensor
    total: Tensor

    def __init__(self, top_k: int = 1) -> None:
        super().__init__()
        self.top_k = top_k
        for name in ("correct", "total"):
            self.add_state(name, default=torch.zeros((), dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, preds: Tensor, target: Tensor) -> None:
        """Add (B, C) logits and (B,) targets; examples whose target is `UNLABELLED` do not count."""
        guesses = preds.argmax(dim=1, keepdim=True) if self.top_k == 1 else preds.topk(self.top_k, dim=1).indices
        # Classes start at 0: no guess equals UNLABELLED.
        self.correct += (guesses == target[:, None]).any(dim=1).sum()
        self.total += labelled(target).sum()

    def compute(self) -> Tensor:
        """Compute the share; 0 before the first labelled example."""
        return self.correct / self.total.clamp(min=1)


class WeightedMean(Metric):
    """Weighted mean of scalars; NaN before the first one, or if one of them is NaN."""

    full_state_update = False
    weighted_sum: Tensor
    weight: Tensor

    def __init__(self) -> None:
        super().__init__()
        for name in ("weighted_sum", "weight"):
            self.add_state(name, default=torch.zeros(()), dist_reduce_fx="sum")

    def update(self, value: Tensor, weight: Tensor | int) -> None:
        """Add a scalar and its weight."""
        self.weighted_sum += value.detach() * weight
        self.weight += weight

    def compute(self) -> Tensor:
        """Compute the mean."""
        return self.weighted_sum / self.weight


class CommonestShare(Metric):
    """Share of the most common class among the targets: the accuracy of always answering that.

    Args:
        num_classes: Number of classes, C.
    """

    full_state_update = False
    counts: Tensor

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.add_state("counts", default=torch.zeros(num_classes, dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, preds: Tensor, target: Tensor) -> None:
        """Add (B,) targets; predictions do not matter."""
        self.counts.index_add_(0, target.clamp(min=0), labelled(target).long())

    def compute(self) -> Tensor:
        """Compute the share; NaN before the first example."""
        return self.counts.max() / self.counts.sum()


class ManyLabelRanking(Metric):
    r"""Mean average precision, AUROC and d' over the classes that have positives and negatives.

    `d' = sqrt(2) * Phi^{-1}(AUROC)` for each class, then averaged. Classes without positives or without negatives
    have no defined value and are left out; `ranked_classes` counts the others. `chance` is the mean share of positives,
    the average precision of a random order. All predictions are kept in memory, so this is for validation.

    Args:
        num_classes: Number of classes, C.
    """

    full_state_update = False
    probabilities: list[Tensor]
    targets: list[Tensor]

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.add_state("probabilities", default=[], dist_reduce_fx="cat")
        self.add_state("targets", default=[], dist_reduce_fx="cat")

    def update(self, preds: Tensor, target: Tensor) -> None:
        """Add (B, C) logits and (B, C) targets; examples without labels are left out at the end."""
        # Sigmoids here, because torchmetrics guesses for each batch whether values are logits.
        self.probabilities.append(preds.detach().float().sigmoid())
        self.targets.append(target.where(labelled(target)[:, None], UNLABELLED).long())

    def compute(self) -> dict[str, Tensor]:
        """Values `average_precision`, `auroc`, `dprime`, `chance` (NaN if no class is ranked) and `ranked_classes`."""
        probabilities, targets = _joined(self.probabilities), _joined(self.targets)
        if len(targets):
            known = targets[:, 0] != UNLABELLED
            probabilities, targets = probabilities[known], targets[known]
        positives = targets.sum(dim=0) if len(targets) else torch.zeros(self.num_classes)
        ranked = (positives > 0) & (positives < len(targets))
        result = {"ranked_classes": ranked.sum().float()}
        if not ranked.any():
            undefined = torch.tensor(torch.nan, device=positives.device)
            return dict.fromkeys(("average_precision", "auroc", "dprime", "chance"), undefined) | result
        with warnings.catch_warnings():  # torchmetrics warns about the classes that are left out below
            warnings.simplefilter("ignore", UserWarning)
            precision = multilabel_average_precision(probabilities, targets, self.num_classes, average="none")
            auroc = multilabel_auroc(probabilities, targets, self.num_classes, average="none")
        # d' of a class that is ranked perfectly is infinite; an error of half an example keeps the mean finite.
        margin = 0.5 / len(targets)
        dprime = 2**0.5 * torch.special.ndtri(auroc.double().clamp(margin, 1 - margin))
        return {
            "average_precision": precision[ranked].mean(),
            "auroc": auroc[ranked].mean(),
            "dprime": dprime[ranked].mean().float(),
            "chance": positives[ranked].float().mean() / len(targets),
            **result,
        }


def _joined(state: list[Tensor] | Tensor) -> Tensor:
    """A list state as one tensor; after gathering over ranks, torchmetrics already has a tensor."""
    if isinstance(state, Tensor):
        return state
    return torch.cat(state) if state else torch.empty(0)
