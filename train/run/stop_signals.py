"""Stopping on a signal with everything saved: Ctrl-C (SIGINT), SIGTERM (preemption, `kill`), SIGUSR1 (from SLURM)."""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Any, NoReturn

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Checkpoint

from networks.weights.run_layout import LAST_CHECKPOINT
from train.run.resume_command import how_to_resume
from train.run.run_directory import STEP_NAME, checkpoints_in

SIGNALS = (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT)
EXIT_STOPPED = 75
"""Exit status of a run that was stopped and can resume (EX_TEMPFAIL of sysexits.h); job scripts requeue on it."""
BATCHES_BETWEEN_EXCHANGES = 10
"""Several ranks agree on stopping after at most this many batches: each exchange makes a GPU wait."""
SECONDS_BETWEEN_EXCHANGES = 5.0
"""With slow steps, they agree about this often: torchrun kills its processes 30 s after Ctrl-C or SIGTERM."""
SAME_PRESS_S = 1.0
"""Launchers repeat signals: what follows a Ctrl-C within this time is the same Ctrl-C."""

_SHOW_CURSOR = "\x1b[?25h"  # which progress bars hide


class StoppedBySignal(SystemExit):
    """The run was stopped by a signal; its state is saved.

    Args:
        reason: What stopped it, after which step, and where its state is saved, for the user.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(EXIT_STOPPED)
        self.reason = reason


class StopSignals(Checkpoint):
    """Saves the state of a run that receives a signal to stop; `LeaveWhenSaved` ends it.

    The state goes to `last.ckpt` if the run keeps that file. Otherwise it goes to a `step-...`, as a `last.ckpt` would
    be out of date once the run resumes.

    The signal handler only takes a note. After the next optimiser step (with several ranks, within ten batches or one
    step), or at the end of an epoch, all ranks save together. A second Ctrl-C, or SIGTERM after Ctrl-C, ends the
    process at once, without saving: the user does not want to wait. This is a checkpoint callback so that Lightning
    calls it after all callbacks that measure, and it must come last, after all that save.

    Args:
        note: Takes what the signal handler tells the user, for the log of the run.
    """

    def __init__(self, *, note: Callable[[str], None] | None = None) -> None:
        self._note_text = note
        self.saved: str | None = None
        """File that the state is saved in, once it is."""
        self._saved_step = -1
        self._received: int | None = None
        self._interrupted_s: float | None = None
        self._previous: dict[int, Any] = {}
        self._steps_before = 0
        self._reports = True
        self._exchange = _ExchangeInterval()

    @property
    def reason(self) -> str:
        """What made this rank stop."""
        if self._received is None:
            return "a signal to another process"
        return "Ctrl-C" if self._received == signal.SIGINT else signal.Signals(self._received).name

    def listen(self, trainer: pl.Trainer) -> None:
        """Install the signal handlers, in place of Lightning's, which communicate between ranks inside the handler.

        Args:
            trainer: About to train; it may have received a signal while it set up the data.
        """
        self._steps_before = trainer.global_step
        self._reports = trainer.is_global_zero
        self._exchange.start(trainer.global_step)
        if trainer.received_sigterm:
            self._received = signal.SIGTERM
        if threading.current_thread() is threading.main_thread():
            # Shells ignore Ctrl-C for commands in the background, and so do these commands.
            heard = [each for each in SIGNALS if each != signal.SIGINT or signal.getsignal(each) != signal.SIG_IGN]
            self._previous = {number: signal.signal(number, self._note) for number in heard}

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Save here if an optimiser step is complete and the epoch is not."""
        stepped = trainer.global_step != self._steps_before
        self._steps_before = trainer.global_step
        steps_between = self._exchange.num_steps(trainer.accumulate_grad_batches)
        is_due = trainer.world_size == 1 or trainer.global_step % steps_between == 0
        if stepped and is_due and not trainer.is_last_batch:
            self._save_if_signalled(trainer)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save here between epochs."""
        self._save_if_signalled(trainer)

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Restore the previous handlers."""
        for number, handler in self._previous.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)  # None: not installed by Python
        self._previous = {}

    def _note(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if self._interrupted_s is not None and number != signal.SIGUSR1 and now - self._interrupted_s > SAME_PRESS_S:
            self._leave_now(number)
        if self._received is None:
            self._received = number
        if number == signal.SIGINT and self._interrupted_s is None:
            self._interrupted_s = now
            self._tell(
                "Ctrl-C: the run saves and stops after this step, or after the validation or scoring under way. "
                "Ctrl-C again leaves at once, and what is not saved by then is lost."
            )

    def _leave_now(self, number: int) -> NoReturn:
        """End this process as the signal would have without a handler; the processes that load data follow."""
        saved = f"step {self._saved_step} is saved in {self.saved}"
        lost = "what follows the last checkpoint is lost"
        self._tell(f"left at once; {lost if self.saved is None else saved}. Resume with:\n  {how_to_resume()}")
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
        os._exit(128 + number)  # not reached, unless the signal is blocked

    def _tell(self, message: str) -> None:
        """Write to stderr from a signal handler, which may have interrupted another write to it."""
        if self._reports:
            start = _SHOW_CURSOR if sys.stderr is not None and sys.stderr.isatty() else ""
            os.write(2, f"{start}\n{message}\n".encode())
            if self._note_text is not None:
                self._note_text(message)

    def _save_if_signalled(self, trainer: pl.Trainer) -> None:
        """Save if any rank received a signal; all ranks ask together."""
        if self._exchange.any_rank(self._received is not None, trainer):
            keeps_last = any(getattr(each, "save_last", False) for each in trainer.checkpoint_callbacks)
            name = LAST_CHECKPOINT if keeps_last else f"{STEP_NAME.format(step=trainer.global_step)}.ckpt"
            path = checkpoints_in(trainer.default_root_dir) / name
            trainer.save_checkpoint(path)
            self._saved_step, self.saved = trainer.global_step, str(path)


class _ExchangeInterval:
    """How many steps pass before ranks ask each other whether one was told to stop; the same on all ranks."""

    def __init__(self) -> None:
        self._step, self._time_s = 0, 0.0
        self._seconds_per_step = 0.0

    def start(self, step: int) -> None:
        """Begin to measure the duration of steps."""
        self._step, self._time_s = step, time.monotonic()

    def num_steps(self, batches_per_step: int) -> int:
        """Steps between two exchanges."""
        affordable = SECONDS_BETWEEN_EXCHANGES / max(self._seconds_per_step, 1e-9)
        return max(1, int(min(BATCHES_BETWEEN_EXCHANGES // batches_per_step, affordable)))

    def any_rank(self, is_told: bool, trainer: pl.Trainer) -> bool:
        """Whether any rank was told to stop. Also sets the duration of a step to that of the slowest rank."""
        if trainer.world_size == 1:
            return is_told
        now_s, num_steps = time.monotonic(), max(1, trainer.global_step - self._step)
        here = torch.tensor([float(is_told), (now_s - self._time_s) / num_steps], device=trainer.strategy.root_device)
        told, self._seconds_per_step = trainer.strategy.reduce(here, reduce_op="max").tolist()
        self._step, self._time_s = trainer.global_step, now_s
        return bool(told)


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
        if self.stop.saved is None:
            return
        reason = self.stop.reason
        raise StoppedBySignal(f"stopped by {reason} after step {trainer.global_step}, saved in {self.stop.saved}")
