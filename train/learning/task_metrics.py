"""Metrics of the tasks, each with its chance level: accuracies for one label, ranking metrics for many.

Updates do not wait for a GPU: unlike in torchmetrics, no value is read, and no shape depends on values.
"""

import warnings
from typing import NamedTuple

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
        `chance`, the accuracy of guessing (`Guessing`). For many: those of `ManyLabelRanking`.
    """
    if task.kind == "many_labels":
        return MetricCollection({"ranking": ManyLabelRanking(task.num_classes)}, compute_groups=False)
    metrics: dict[str, Metric | MetricCollection] = {
        "top1": accuracy(task),
        "chance": Guessing(task.num_classes),
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


class Guessing(Metric):
    """Accuracy of guessing: the share of the most common class among the targets, which is always answered.

    If all targets are of one class, such as the null class of a task about the noise in a condition without noise, the
    share of 1 would mean that guessing is perfect. There it is the chance of a random answer, one in C.

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
        """Compute the accuracy; NaN before the first example."""
        share = self.counts.max() / self.counts.sum()
        return torch.where(share == 1, 1 / len(self.counts), share)


class ManyLabelRanking(Metric):
    r"""Mean average precision, AUROC and d' over the classes that have positives and negatives.

    On AudioSet, these are mAP, mAUC and d'. `dprime` is `d' = sqrt(2) * Phi^{-1}(AUROC)` of each class, then averaged;
    `dprime_of_auroc` is that of the mean AUROC, as publications since PSLA and AST (Gong et al. 2021) report it.
    Classes without positives or without negatives have no defined value and are left out; `ranked_classes` counts the
    others, and `by_class` has NaN for them. `chance` is the mean share of positives, the average precision of a random
    order. All predictions are kept in memory, so this is for validation.

    Args:
        num_classes: Number of classes, C.

    Attributes:
        by_class: Values of each class when they were last computed.
    """

    full_state_update = False
    probabilities: list[Tensor]
    targets: list[Tensor]

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.by_class: ClassRanking | None = None
        self.add_state("probabilities", default=[], dist_reduce_fx="cat")
        self.add_state("targets", default=[], dist_reduce_fx="cat")

    def update(self, preds: Tensor, target: Tensor) -> None:
        """Add (B, C) logits and (B, C) targets; examples without labels are left out at the end."""
        # Sigmoids here, because torchmetrics guesses for each batch whether values are logits.
        self.probabilities.append(preds.detach().float().sigmoid())
        self.targets.append(target.where(labelled(target)[:, None], UNLABELLED).long())

    def compute(self) -> dict[str, Tensor]:
        """Values of the names above; NaN, except for the count, if no class is ranked."""
        probabilities, targets = _joined(self.probabilities), _joined(self.targets)
        if len(targets):
            known = targets[:, 0] != UNLABELLED
            probabilities, targets = probabilities[known], targets[known]
        self.by_class = found = class_ranking(probabilities, targets, self.num_classes)
        ranked = ~found.auroc.isnan()
        result = {"ranked_classes": ranked.sum().float()}
        if not ranked.any():
            undefined = torch.tensor(torch.nan, device=ranked.device)
            names = ("average_precision", "auroc", "dprime", "dprime_of_auroc", "chance")
            return dict.fromkeys(names, undefined) | result
        auroc = found.auroc[ranked].mean()
        return {
            "average_precision": found.average_precision[ranked].mean(),
            "auroc": auroc,
            "dprime": found.dprime[ranked].mean().float(),
            "dprime_of_auroc": _dprime(auroc, len(targets)).float(),
            "chance": found.positives[ranked].float().mean() / len(targets),
            **result,
        }


class ClassRanking(NamedTuple):
    """How well each class is ranked: (C,) each; NaN for a class without positives or without negatives."""

    average_precision: Tensor
    auroc: Tensor
    dprime: Tensor
    positives: Tensor


def class_ranking(probabilities: Tensor, targets: Tensor, num_classes: int) -> ClassRanking:
    """Rank the examples by the probability of each class.

    Args:
        probabilities: (E, C) in 0-1.
        targets: (E, C) of 0 and 1; there may be no example.
        num_classes: Number of classes, C.

    Returns:
        Values of each class.
    """
    positives = targets.sum(dim=0) if len(targets) else torch.zeros(num_classes, device=targets.device)
    is_ranked = (positives > 0) & (positives < len(targets))
    if not is_ranked.any():
        undefined = torch.full((num_classes,), torch.nan, device=positives.device)
        return ClassRanking(undefined, undefined, undefined, positives)
    with warnings.catch_warnings():  # torchmetrics warns about the classes that have no value
        warnings.simplefilter("ignore", UserWarning)
        precision = multilabel_average_precision(probabilities, targets, num_classes, average="none")
        auroc = multilabel_auroc(probabilities, targets, num_classes, average="none")
    return ClassRanking(
        precision.where(is_ranked, torch.nan),
        auroc.where(is_ranked, torch.nan),
        _dprime(auroc, len(targets)).where(is_ranked, torch.nan),
        positives,
    )


def _dprime(auroc: Tensor, num_examples: int) -> Tensor:
    """D' in float64; an error of half an example keeps that of a perfect ranking finite."""
    margin = 0.5 / num_examples
    return 2**0.5 * torch.special.ndtri(auroc.double().clamp(margin, 1 - margin))


def _joined(state: list[Tensor] | Tensor) -> Tensor:
    """A list state as one tensor; after gathering over ranks, torchmetrics already has a tensor."""
    if isinstance(state, Tensor):
        return state
    return torch.cat(state) if state else torch.empty(0)
