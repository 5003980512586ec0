"""Stopping on a signal with everything saved: SIGTERM (preemption, `kill`) and SIGUSR1 (SLURM's warning)."""

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
"""Exit status of a run that was stopped and can go on (EX_TEMPFAIL of sysexits.h); job scripts requeue on it."""
BATCHES_BETWEEN_EXCHANGES = 10
"""Several ranks agree on stopping after so many batches at the most: each exchange makes a GPU wait."""

_log = logging.getLogger(__name__)


class StoppedBySignal(SystemExit):
    """The run was stopped by a signal; its state is saved."""


class StopSignals(Checkpoint):
    """Saves the state of a run that is told to stop; :class:`LeaveWhenSaved` ends it.

    In ``last.ckpt`` where the run keeps that, otherwise in a ``step-...``: it would stay behind as the run goes on.

    The signal itself only leaves a note. After the next optimiser step (with several ranks, within ten batches or one
    step), or at the end of an epoch, all ranks save together. It is a checkpoint callback so that Lightning calls it
    after all that measure, and belongs to the end of the list, after all that save.
    """

    def __init__(self) -> None:
        self.has_saved = False
        self._received: int | None = None
        self._previous: dict[int, Any] = {}
        self._steps_before = 0

    @property
    def reason(self) -> str:
        """Who told this rank to stop."""
        return "a signal" if self._received is None else signal.Signals(self._received).name

    def listen(self, trainer: pl.Trainer) -> None:
        """Listen; Lightning's own handlers, which exchange between ranks inside the handler, step aside.

        Args:
            trainer: About to train; may have been told to stop while it set up the data.
        """
        self._steps_before = trainer.global_step
        if trainer.received_sigterm:
            self._received = signal.SIGTERM
        if threading.current_thread() is threading.main_thread():
            self._previous = {number: signal.signal(number, self._note) for number in SIGNALS}

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Save here, where an optimiser step is complete and the epoch is not."""
        stepped = trainer.global_step != self._steps_before
        self._steps_before = trainer.global_step
        steps_between = max(1, BATCHES_BETWEEN_EXCHANGES // trainer.accumulate_grad_batches)
        is_due = trainer.world_size == 1 or trainer.global_step % steps_between == 0
        if stepped and is_due and not trainer.is_last_batch:
            self._save_if_told(trainer)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save here."""
        self._save_if_told(trainer)

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Put back who listened before."""
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous = {}

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._received = number

    def _save_if_told(self, trainer: pl.Trainer) -> None:
        """Save where any rank was told to stop; all ranks ask together."""
        if trainer.strategy.reduce_boolean_decision(self._received is not None, all=False):
            keeps_last = any(getattr(each, "save_last", False) for each in trainer.checkpoint_callbacks)
            name = LAST_CHECKPOINT if keeps_last else f"{STEP_NAME.format(step=trainer.global_step)}.ckpt"
            trainer.save_checkpoint(checkpoints_in(trainer.default_root_dir) / name)
            self.has_saved = True


class LeaveWhenSaved(pl.Callback):
    """Ends a run whose state is saved with exit status 75, when what belongs to the saved step is logged.

    Lightning logs a step and an epoch after all callbacks, and validates in between. So it leaves before the next
    batch or epoch, first of all callbacks: nothing of that one is begun. For the same reason it is the one that begins
    to listen: what others do at the start, as scoring the untrained network, takes minutes.

    Args:
        stop: what saves; a callback of the same trainer.
    """

    def __init__(self, stop: StopSignals) -> None:
        self.stop = stop

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Listen from now on."""
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
            _log.warning("stopped by %s after step %d; go on with `--resume true`", reason, step)
        raise StoppedBySignal(EXIT_STOPPED)
