"""Stopping on a signal with everything saved: SIGTERM (preemption, `kill`) and SIGUSR1 (SLURM's warning)."""

import logging
import signal
import threading
from types import FrameType
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Checkpoint

from train.run_directory import LAST_CHECKPOINT, checkpoints_in

SIGNALS = (signal.SIGTERM, signal.SIGUSR1)
EXIT_STOPPED = 75
"""Exit status of a run that was stopped and can go on (EX_TEMPFAIL of sysexits.h); job scripts requeue on it."""
BATCHES_BETWEEN_EXCHANGES = 10
"""Several ranks agree on stopping every so many batches: each exchange makes a GPU wait."""

_log = logging.getLogger(__name__)


class StoppedBySignal(SystemExit):
    """The run was stopped by a signal; its state is saved."""


class StopSignals(Checkpoint):
    """Ends a run that is told to stop after the batch at hand, with its state in ``last.ckpt``.

    The signal itself only leaves a note. After the next optimiser step (with several ranks, within ten batches) all
    ranks save together and leave with exit status 75. At the end of an epoch they save, and leave after the first step
    of the next one. It is a checkpoint callback so that Lightning calls it after all that measure or save.
    """

    def __init__(self) -> None:
        self._received: int | None = None
        self._previous: dict[int, Any] = {}
        self._steps_before = 0

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Listen; Lightning's own handlers, which exchange between ranks inside the handler, step aside."""
        self._steps_before = trainer.global_step
        if threading.current_thread() is threading.main_thread():
            self._previous = {number: signal.signal(number, self._note) for number in SIGNALS}

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Stop here, where an optimiser step is complete and the epoch is not."""
        stepped = trainer.global_step != self._steps_before
        self._steps_before = trainer.global_step
        is_due = trainer.world_size == 1 or (batch_idx + 1) % BATCHES_BETWEEN_EXCHANGES == 0
        if stepped and is_due and not trainer.is_last_batch and self._told_any(trainer):
            self._stop(trainer)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save here; stopping would lose the epoch's metrics, which are logged after all callbacks."""
        if self._told_any(trainer):
            trainer.save_checkpoint(checkpoints_in(trainer.default_root_dir) / LAST_CHECKPOINT)

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Put back who listened before."""
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous = {}

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._received = number

    def _told_any(self, trainer: pl.Trainer) -> bool:
        """Whether any rank was told to stop; all ranks ask together."""
        return bool(trainer.strategy.reduce_boolean_decision(self._received is not None, all=False))

    def _stop(self, trainer: pl.Trainer) -> None:
        path = checkpoints_in(trainer.default_root_dir) / LAST_CHECKPOINT
        trainer.save_checkpoint(path)
        name = "a signal" if self._received is None else signal.Signals(self._received).name
        if trainer.is_global_zero:
            _log.warning("stopped by %s after step %d; go on with `--resume true`", name, trainer.global_step)
        raise StoppedBySignal(EXIT_STOPPED)
