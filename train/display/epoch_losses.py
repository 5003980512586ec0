"""Training losses averaged over the epoch so far: those of single batches jump."""

from typing import Any

import pytorch_lightning as pl
from torch import Tensor


class EpochLosses(pl.Callback):
    """Averages the training losses over the batches of each epoch; a run that resumes within one starts anew.

    The means of an epoch stay until the first batch of the next one.
    """

    def __init__(self) -> None:
        self._epoch = -1
        self._sums: dict[str, Tensor] = {}
        self._num_batches = 0

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Add the losses of a batch, without waiting for the GPU."""
        if trainer.current_epoch != self._epoch:
            self._epoch, self._sums, self._num_batches = trainer.current_epoch, {}, 0
        losses = {name: value.detach() for name, value in trainer.callback_metrics.items() if is_training_loss(name)}
        self._sums = {name: self._sums[name] + loss if name in self._sums else loss for name, loss in losses.items()}
        self._num_batches += 1

    def means(self) -> dict[str, float]:
        """The means by the names of the losses; empty before the first batch."""
        return {name: float(total) / self._num_batches for name, total in self._sums.items()}


def is_training_loss(name: str) -> bool:
    """Whether a logged value is a training loss: `train/loss` is the weighted sum, `train/TASK/loss` that of a task."""
    parts = name.split("/")
    return parts[0] == "train" and parts[-1] == "loss" and len(parts) in (2, 3)
