"""Checkpoints that a run can go on from exactly, and the best one by a logged value."""

from math import isnan
from pathlib import Path
from typing import Any, Literal

import pytorch_lightning as pl
from pytorch_lightning.callbacks import ModelCheckpoint
from torch import Tensor

from evaluate.callback.callback import is_last_epoch
from train.run.brain_monitor import check_monitor, is_brain_score, score_at

VALIDATION = "val/"
"""Beginning of the names of a validation's values."""

LOSS = "loss"
"""End of the names of values of which the lowest is best."""


class RunCheckpoint(ModelCheckpoint):
    """Lightning's ModelCheckpoint, which never saves between the last batch of an epoch and the epoch's end.

    A run that went on from there would take the epoch for finished, without its metrics, validation and brain scores.
    What is due at that batch is saved when the epoch has ended; the trained network too (`save_last`), not after
    training as Lightning does: a run counted in steps would take its last pass for a finished one, and skip what is
    left of it, or the next.

    By a brain score (`monitor` as "brain/NH2015comp/best") weights are chosen that had this score: it saves where
    `BrainScoreCallback` has scored the network at this very step. Where neither `every_n_epochs` nor
    `every_n_train_steps` is given, that is after every evaluation, wherever in an epoch. Evaluations that failed and
    that of the untrained network do not count.

    By a value of a validation (`monitor` as "val/mixed/loss") it looks after epochs with a validation, and after steps
    where there was one since it last looked: elsewhere the value is that of earlier weights, or there is none yet.

    Args:
        mode: whether the lowest ("min") or the highest ("max") value is best; None: the lowest of losses, the highest
            of all else.
        every_n_train_steps: save after every so many optimiser steps.
        every_n_epochs: save after every so many epochs, beside what is saved after steps or times; None: 1, or 0 where
            those are given.
        kwargs: see Lightning's ModelCheckpoint.
    """

    def __init__(
        self,
        *,
        mode: Literal["min", "max"] | None = None,
        every_n_train_steps: int | None = None,
        every_n_epochs: int | None = None,
        **kwargs: Any,
    ) -> None:
        has_others = bool(every_n_train_steps) or kwargs.get("train_time_interval") is not None
        super().__init__(
            mode=mode or best_mode(kwargs.get("monitor")),
            every_n_train_steps=every_n_train_steps,
            every_n_epochs=None if has_others else every_n_epochs,
            **kwargs,
        )
        if has_others:  # Lightning takes one of them, and can do with several
            self._every_n_epochs = every_n_epochs or 0
        self._after_each_score = every_n_epochs is None and not has_others
        self._due = False
        self._is_validated = False

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """See that there is the brain score to choose by."""
        if self._goes_by_brain_score:
            check_monitor(str(self.monitor), trainer, asked_by="a checkpoint's `monitor`")

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Forget the last epoch's validation, which has been looked at; steps may be yet to look at it."""
        if self._every_n_epochs >= 1:
            self._is_validated = False

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Save after every n-th step, but for the last of an epoch, or of training within one."""
        if trainer.is_last_batch or 0 <= trainer.max_steps <= trainer.global_step:
            every = self._every_n_train_steps
            self._due = every >= 1 and trainer.global_step % every == 0
        elif self._goes_by_brain_score and self._after_each_score:
            if self._is_scored(trainer) and not self._should_skip_saving_checkpoint(trainer):
                self._save_topk_checkpoint(trainer, self._monitor_candidates(trainer))
        else:
            super().on_train_batch_end(trainer, pl_module, outputs, batch, batch_idx)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save every n-th epoch, what was due at its last batch, and the trained network."""
        super().on_train_epoch_end(trainer, pl_module)
        if (self._due or is_last_epoch(trainer)) and not self._should_skip_saving_checkpoint(trainer):
            candidates = self._monitor_candidates(trainer)
            if self._due:
                self._save_topk_checkpoint(trainer, candidates)
            self._save_last_checkpoint(trainer, candidates)
        self._due = False

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Note that there are new values to go by."""
        self._is_validated = not trainer.sanity_checking
        super().on_validation_end(trainer, pl_module)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Nothing: what is saved here cannot be gone on from."""

    @property
    def _goes_by_brain_score(self) -> bool:
        return is_brain_score(self.monitor)

    def _is_scored(self, trainer: pl.Trainer) -> bool:
        """Whether the network has the brain score as it is now; in between the callback gives that of other weights."""
        step, score = score_at(str(self.monitor), trainer)
        return step == trainer.global_step and not isnan(score)

    def _save_topk_checkpoint(self, trainer: pl.Trainer, monitor_candidates: dict[str, Tensor]) -> None:
        """Save where it is among the best, by a score of these very weights or a new validation."""
        if self._goes_by_brain_score:
            is_new = self._is_scored(trainer)
        elif self.monitor is not None and self.monitor.startswith(VALIDATION):
            is_new, self._is_validated = self._is_validated, False
        else:
            is_new = True
        if is_new:
            super()._save_topk_checkpoint(trainer, monitor_candidates)

    def _should_remove_checkpoint(self, trainer: pl.Trainer, previous: str, current: str) -> bool:
        """Replace also the one that training went on from, which Lightning keeps: it is no longer among the best."""
        return previous != current and Path(str(self.dirpath)).absolute() in Path(previous).absolute().parents


def best_mode(monitor: str | None) -> Literal["min", "max"]:
    """Whether low or high values are the good ones.

    Args:
        monitor: name of a logged value, as "val/mixed/loss", "val/mixed/word/top1" or "brain/NH2015comp/best"; None:
            the validation loss, which the command line puts in its place.

    Returns:
        "min" for losses, "max" for all else: accuracies, ranking metrics and brain scores.
    """
    return "min" if monitor is None or monitor.endswith(LOSS) else "max"
