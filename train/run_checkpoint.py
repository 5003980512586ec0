"""Checkpoints that a run can go on from exactly."""

from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import ModelCheckpoint


class RunCheckpoint(ModelCheckpoint):
    """Lightning's ModelCheckpoint, which never saves between the last batch of an epoch and the epoch's end.

    A run that went on from there would take the epoch for finished, without its metrics, validation and brain scores.
    What is due at that batch is saved when the epoch has ended.
    """

    _due = False

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Save after every n-th step, but for the last of an epoch."""
        if trainer.is_last_batch:
            every = self._every_n_train_steps
            self._due = every >= 1 and trainer.global_step % every == 0
        else:
            super().on_train_batch_end(trainer, pl_module, outputs, batch, batch_idx)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save every n-th epoch, and what was due at its last batch."""
        super().on_train_epoch_end(trainer, pl_module)
        if self._due and not self._should_skip_saving_checkpoint(trainer):
            candidates = self._monitor_candidates(trainer)
            self._save_topk_checkpoint(trainer, candidates)
            self._save_last_checkpoint(trainer, candidates)
        self._due = False

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save the trained network, where its last epoch was none of the n-th."""
        super().on_train_end(trainer, pl_module)
        if self.save_last and self._last_global_step_saved != trainer.global_step:
            self._save_last_checkpoint(trainer, self._monitor_candidates(trainer))
