"""When checkpoints are saved: those that a run can resume from exactly, and the best one by a logged value."""

from math import isnan
from typing import Any, Literal

import pytorch_lightning as pl

from evaluate.callback.callback import is_last_epoch
from train.display.logged_values import VALIDATION_PREFIX
from train.run.brain_monitor import check_monitor, is_brain_score, score_at
from train.run.lightning_internals import OpenModelCheckpoint

LOSS = "loss"
"""End of the names of values of which the lowest is best."""


class RunCheckpoint(OpenModelCheckpoint):
    """Lightning's `ModelCheckpoint`, except that it never saves between the last batch of an epoch and the epoch's end.

    A run that resumed from there would treat the epoch as finished, without its metrics, validation and brain scores.
    What is due at that batch is saved when the epoch has ended. So is the trained network (`save_last`), which
    Lightning saves after training: a run counted in steps would treat its last pass as finished, and skip the rest of
    it, or the next pass.

    With a brain score as `monitor` ("brain/NH2015comp/best"), it chooses weights that had this score: it saves if
    `BrainScoreCallback` has scored the network at this very step. If neither `every_n_epochs` nor
    `every_n_train_steps` is given, that is after every evaluation, wherever in an epoch. Failed evaluations and that
    of the untrained network do not count.

    With a validation value as `monitor` ("val/mixed/loss"), it looks after epochs with a validation, and after steps
    if there was a validation since it last looked: at other times the value is that of earlier weights, or missing.

    Args:
        monitor: Logged value to choose by. For `best_checkpoint`, null: the loss of the first condition; for
            `checkpoint`, null: none, all are kept.
        mode: Whether the lowest ("min") or the highest ("max") value is best. By default the lowest of losses, and the
            highest of all other values.
        every_n_train_steps: Save after every `every_n_train_steps` optimiser steps.
        every_n_epochs: Save after every `every_n_epochs` epochs, also in addition to steps or a time interval. The
            default is 1, or 0 if those are given.
        kwargs: See Lightning's `ModelCheckpoint`.
    """

    def __init__(
        self,
        *,
        monitor: str | None = None,
        mode: Literal["min", "max"] | None = None,
        every_n_train_steps: int | None = None,
        every_n_epochs: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            monitor=monitor,
            mode=mode or best_mode(monitor),
            every_n_train_steps=every_n_train_steps,
            every_n_epochs=every_n_epochs,
            **kwargs,
        )
        has_interval = bool(every_n_train_steps) or kwargs.get("train_time_interval") is not None
        self._saves_after_each_score = every_n_epochs is None and not has_interval
        self._is_due = False
        self._is_validated = False

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Check that the brain score to choose by exists."""
        if is_brain_score(self.monitor):
            check_monitor(str(self.monitor), trainer, asked_by="a checkpoint's `monitor`")

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Forget the validation of the last epoch, unless only steps look at it."""
        if self.every_n_epochs:
            self._is_validated = False

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Save after every n-th step, except the last of an epoch, or of training."""
        if trainer.is_last_batch or 0 <= trainer.max_steps <= trainer.global_step:
            every = self.every_n_train_steps
            self._is_due = every >= 1 and trainer.global_step % every == 0
        elif is_brain_score(self.monitor) and self._saves_after_each_score:
            if self._is_scored(trainer) and self.can_save(trainer):
                self.save_if_best(trainer)
        else:
            super().on_train_batch_end(trainer, pl_module, outputs, batch, batch_idx)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save every n-th epoch, what was due at its last batch, and the trained network."""
        super().on_train_epoch_end(trainer, pl_module)
        if (self._is_due or is_last_epoch(trainer)) and self.can_save(trainer):
            if self._is_due:
                self.save_if_best(trainer)
            self.save_last_too(trainer)
        self._is_due = False

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Note that there are new values to choose by."""
        self._is_validated = not trainer.sanity_checking
        super().on_validation_end(trainer, pl_module)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Do nothing: a run cannot resume from what is saved here."""

    def is_new_value(self, trainer: pl.Trainer) -> bool:
        """Whether the monitored value is a score of these very weights, or of a validation not looked at before."""
        if is_brain_score(self.monitor):
            return self._is_scored(trainer)
        if self.monitor is not None and self.monitor.startswith(VALIDATION_PREFIX):
            is_new, self._is_validated = self._is_validated, False
            return is_new
        return True

    def _is_scored(self, trainer: pl.Trainer) -> bool:
        """Whether the network was scored as it is now: in between, the callback reports the score of other weights."""
        step, score = score_at(str(self.monitor), trainer)
        return step == trainer.global_step and not isnan(score)


def best_mode(monitor: str | None) -> Literal["min", "max"]:
    """Return "min" for losses and "max" for other values; None stands for the validation loss, the default."""
    return "min" if monitor is None or monitor.endswith(LOSS) else "max"
