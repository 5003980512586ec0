"""Stopping on a signal with everything saved: SIGTERM (preemption, `kill`) and SIGUSR1 (warning of SLURM)."""

import logging
import signal
import threading
from types import FrameType
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Checkpoint

from train.run.run_directory import LAST_CHECKPOINT, STEP_NAME, checkpoints_in

SIGNALS = (signal.SIGTERM, signal.SIGUSR1)
EXIT_STOPPED = 75
"""Exit status of a run that was stopped and can resume (EX_TEMPFAIL of sysexits.h); job scripts requeue on it."""
BATCHES_BETWEEN_EXCHANGES = 10
"""Several ranks agree on stopping after at most this many batches: each exchange makes a GPU wait."""

_log = logging.getLogger(__name__)


class StoppedBySignal(SystemExit):
    """The run was stopped by a signal; its state is saved."""


class StopSignals(Checkpoint):
    """Saves the state of a run that receives a signal to stop; `LeaveWhenSaved` ends it.

    The state goes to `last.ckpt` if the run keeps that file. Otherwise it goes to a `step-...`, as a `last.ckpt` would
    be out of date once the run resumes.

    The signal handler only takes a note. After the next optimiser step (with several ranks, within ten batches or one
    step), or at the end of an epoch, all ranks save together. This is a checkpoint callback so that Lightning calls it
    after all callbacks that measure, and it must come last, after all that save.
    """

    def __init__(self) -> None:
        self.has_saved = False
        self._received: int | None = None
        self._previous: dict[int, Any] = {}
        self._steps_before = 0

    @property
    def reason(self) -> str:
        """What made this rank stop."""
        return "a signal" if self._received is None else signal.Signals(self._received).name

    def listen(self, trainer: pl.Trainer) -> None:
        """Install the signal handlers, in place of Lightning's, which communicate between ranks inside the handler.

        Args:
            trainer: About to train; it may have received a signal while it set up the data.
        """
        self._steps_before = trainer.global_step
        if trainer.received_sigterm:
            self._received = signal.SIGTERM
        if threading.current_thread() is threading.main_thread():
            self._previous = {number: signal.signal(number, self._note) for number in SIGNALS}

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Save here if an optimiser step is complete and the epoch is not."""
        stepped = trainer.global_step != self._steps_before
        self._steps_before = trainer.global_step
        steps_between = max(1, BATCHES_BETWEEN_EXCHANGES // trainer.accumulate_grad_batches)
        is_due = trainer.world_size == 1 or trainer.global_step % steps_between == 0
        if stepped and is_due and not trainer.is_last_batch:
            self._save_if_signalled(trainer)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save here between epochs."""
        self._save_if_signalled(trainer)

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Restore the previous handlers."""
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous = {}

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._received = number

    def _save_if_signalled(self, trainer: pl.Trainer) -> None:
        """Save if any rank received a signal; all ranks ask together."""
        if trainer.strategy.reduce_boolean_decision(self._received is not None, all=False):
            keeps_last = any(getattr(each, "save_last", False) for each in trainer.checkpoint_callbacks)
            name = LAST_CHECKPOINT if keeps_last else f"{STEP_NAME.format(step=trainer.global_step)}.ckpt"
            trainer.save_checkpoint(checkpoints_in(trainer.default_root_dir) / name)
            self.has_saved = True


class LeaveWhenSaved(pl.Callback):
    """Ends a run whose state is saved with exit status 75, once everything about the saved step is logged.

    Lightning logs a step and an epoch after all callbacks, and validates in between. So this callback leaves before the
    next batch or epoch, and must come first, so that nothing of that one has begun. It also installs the signal
    handlers, because what other callbacks do at the start, such as scoring the untrained network, takes minutes.

    Args:
        stop: Callback of the same trainer that saves.
    """

    def __init__(self, stop: StopSignals) -> None:
        self.stop = stop

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Listen for signals from now on."""
        self.stop.listen(trainer)

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Leave within an epoch."""
        self._leave_if_saved(trainer)

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Leave between epochs."""
        self._leave_if_saved(trainer)

    def _leave_if_saved(self, trainer: pl.Trainer) -> None:
        if not self.stop.has_saved:
            return
        if trainer.is_global_zero:
            reason, step = self.stop.reason, trainer.global_step
            _log.warning("stopped by %s after step %d; resume with `--resume true`", reason, step)
        raise StoppedBySignal(EXIT_STOPPED)
