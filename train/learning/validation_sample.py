"""What a validation shows beyond its metrics: confused classes, and a few mixtures to look at."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from datamodules.tasks import UNLABELLED, Task

NUM_MIXTURES = 4
NUM_COMMONEST = 12
OTHER = "other"


@dataclass(frozen=True)
class Confusion:
    """Answers to the most common classes of a task.

    Attributes:
        labels: (C,) the most common classes, in descending order.
        shares: (C, C + 1) share of the examples of a class (row) that got each of these answers, or any other one.
        counts: (C,) number of examples of each class.
        num_examples: Number of examples of all classes.
    """

    labels: tuple[str, ...]
    shares: np.ndarray
    counts: np.ndarray
    num_examples: int

    @property
    def has_other(self) -> bool:
        """Whether there were other answers."""
        return bool(self.shares[:, -1].any())


@dataclass(frozen=True)
class Mixtures:
    """A few examples with the answers of the network.

    Attributes:
        waveforms: (M, T), on the device of the network.
        snr_db: (M,) signal-to-noise ratios, infinite if one side is absent.
        targets: By task, (M,) classes or (M, C) of 0 and 1.
        logits: By task, (M, C).
    """

    waveforms: Tensor
    snr_db: np.ndarray
    targets: dict[str, np.ndarray]
    logits: dict[str, np.ndarray]

    def answers(self, task: Task, number: int) -> tuple[str, str, float, bool]:
        """Describe what a mixture was, and what the network answered.

        Args:
            task: A task.
            number: Index of the mixture.

        Returns:
            Label (several joined by commas), most likely answer, its probability, and whether it is right.
        """
        logits, target = self.logits[task.name][number].astype(np.float64), self.targets[task.name][number]
        given = int(logits.argmax())
        if task.kind == "many_labels":
            right = [int(place) for place in np.flatnonzero(target == 1)]
            probability = 1 / (1 + np.exp(-logits[given]))
        else:
            right = [int(target)] if target != UNLABELLED else []
            exponentials = np.exp(logits - logits.max())
            probability = exponentials[given] / exponentials.sum()
        label = ", ".join(task.labels[place] for place in right) or "no label"
        return label, task.labels[given], float(probability), given in right


@dataclass
class ValidationSample:
    """Answers to one validation condition, and its first mixtures, gathered over batches on one process.

    Attributes:
        tasks: The tasks.
    """

    tasks: Sequence[Task]
    mixtures: Mixtures | None = None
    _pairs: dict[str, list[Tensor]] = field(default_factory=dict)

    def add(self, batch: Mapping[str, Any], logits: Mapping[str, Tensor]) -> None:
        """Add a batch, without waiting for a GPU.

        Args:
            batch: Batch of the data module.
            logits: (B, C) by task.
        """
        for task in self.tasks:
            if task.kind == "one_label":
                pair = torch.stack([batch["targets"][task.name], logits[task.name].argmax(dim=1)])
                self._pairs.setdefault(task.name, []).append(pair)
        if self.mixtures is None:
            chosen = slice(0, NUM_MIXTURES)
            self.mixtures = Mixtures(
                waveforms=batch["waveform"][chosen].detach().clone(),
                snr_db=_numbers(batch["snr_db"][chosen]),
                targets={task.name: _numbers(batch["targets"][task.name][chosen]) for task in self.tasks},
                logits={task.name: _numbers(logits[task.name][chosen].float()) for task in self.tasks},
            )

    def confusions(self) -> dict[str, Confusion]:
        """Count the answers.

        Returns:
            Confusions of each task with one label; tasks without a labelled example are left out.
        """
        found = {}
        for task in self.tasks:
            if task.name in self._pairs:
                targets, answers = _numbers(torch.cat(self._pairs[task.name], dim=1))
                labelled = targets != UNLABELLED
                if labelled.any():
                    found[task.name] = confusion(targets[labelled], answers[labelled], task.labels)
        return found


def confusion(
    targets: np.ndarray, answers: np.ndarray, labels: Sequence[str], *, most: int = NUM_COMMONEST
) -> Confusion:
    """Tabulate which classes the network confuses.

    Args:
        targets: (E,) classes.
        answers: (E,) answered classes; at least one.
        labels: Names of all classes.
        most: Largest number of classes to show.

    Returns:
        The most common classes among the targets.
    """
    common = [place for place, _ in sorted(Counter(targets.tolist()).items(), key=lambda one: (-one[1], one[0]))][:most]
    shares = np.zeros((len(common), len(common) + 1))
    for row, place in enumerate(common):
        given = answers[targets == place]
        shares[row, :-1] = [np.mean(given == other) for other in common]
        shares[row, -1] = 1 - shares[row, :-1].sum() if not np.isin(given, common).all() else 0.0
    counts = np.array([(targets == place).sum() for place in common])
    return Confusion(tuple(labels[place] for place in common), shares, counts, len(targets))


def _numbers(values: Tensor) -> np.ndarray:
    return values.detach().cpu().numpy()
