"""The live view of a terminal while training; lines of a log where there is no terminal."""

import time
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import RichProgressBar
from rich.console import Console, Group, RenderableType
from rich.progress import ProgressColumn, Task
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from train.live_view import LiveView
from train.logged_values import values_of
from train.pace import Pace, duration
from train.stop_signals import StoppedBySignal

BAR_WIDTH = 20
REFRESHES_PER_S = 4
VALUES_EVERY_S = 0.5
"""Reading a value from a GPU waits for it: not at every batch."""
LINE_EVERY_S = 60.0
"""Without a terminal, a line is written for each validation, and so often in between."""


class TrainingProgress(RichProgressBar):
    """Progress bars with losses, accuracies, brain scores, samples per second and time left in rows below.

    Where the output is no terminal, nothing is drawn: one line is written for each validation and each minute. That of
    a validation at the end of an epoch has the epoch's brain scores, and comes after them.

    Args:
        pace: Measures how fast training goes; a callback of the same trainer.
        console_kwargs: Arguments of `rich.console.Console`.
    """

    def __init__(self, pace: Pace, *, console_kwargs: dict[str, Any] | None = None) -> None:
        super().__init__(refresh_rate=REFRESHES_PER_S, leave=False, console_kwargs=console_kwargs)
        self.pace = pace
        self._plain = Console(**self._console_kwargs)
        self._has_terminal = self._plain.is_terminal or self._plain.is_jupyter
        self._shown: RenderableType = ""
        self._last_values_s = self._last_line_s = float("-inf")
        self._validated: str | None = None

    @property
    def is_enabled(self) -> bool:
        """Whether bars are drawn."""
        return super().is_enabled and self._has_terminal

    def configure_columns(self, trainer: pl.Trainer) -> list:
        """Give the one column that holds all."""
        return [_View(self, trainer)]

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Begin; the first line of a log comes after a while."""
        super().on_train_start(trainer, pl_module)
        self._last_line_s = time.monotonic()

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Show the values of the last epoch."""
        super().on_train_epoch_start(trainer, pl_module)
        self._last_values_s = float("-inf")
        self._update_metrics(trainer, pl_module)
        self._write_validated(trainer)

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Write the line of a validation within an epoch."""
        self._write_validated(trainer)

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Move the bar; write a line where it is time."""
        super().on_train_batch_end(trainer, pl_module, outputs, batch, batch_idx)
        if time.monotonic() - self._last_line_s >= LINE_EVERY_S:
            self._write_line(trainer, self._place(trainer))

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Leave values alone: those of the epoch are not there yet, and asking for them could wait for others."""
        self.refresh()

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Show what validation found; the line about it waits for the epoch's brain scores."""
        self._last_values_s = float("-inf")
        super().on_validation_end(trainer, pl_module)
        if trainer.state.fn == "fit" and not trainer.sanity_checking:
            self._validated = self._place(trainer)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Show the last values."""
        self._last_values_s = float("-inf")
        super().on_train_end(trainer, pl_module)

    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write the line of the last validation, with the scores of the trained network."""
        self._write_validated(trainer)

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """Write the line of the last validation, where the run was told to stop."""
        super().on_exception(trainer, pl_module, exception)
        if isinstance(exception, StoppedBySignal):
            self._write_validated(trainer)

    def view_of(self, task: Task, trainer: pl.Trainer) -> RenderableType:
        """Draw one bar, and below that of training the values.

        Args:
            task: What the bar is about.
            trainer: The trainer.

        Returns:
            What is drawn; called from the thread that draws.
        """
        bar = Table.grid(padding=(0, 1, 0, 0))
        for _ in range(4):
            bar.add_column(no_wrap=True, overflow="ellipsis")
        total = task.total if task.total is not None and task.total < float("inf") else None
        counted = f"{task.completed:.0f}/{'?' if total is None else f'{total:.0f}'}"
        is_training = trainer.state.fn == "fit" and task.id == self.train_progress_bar_id
        about = self._about(trainer) if is_training else ""
        moving = ProgressBar(total=total, completed=task.completed, width=BAR_WIDTH, pulse=total is None)
        bar.add_row(task.description, moving, counted, Text(about, style="green"))
        return Group(bar, self._shown) if is_training and self._shown else bar

    def _get_train_description(self, current_epoch: int) -> str:
        """Count epochs from 1, as everything else here that says how many are done."""
        most = self.trainer.max_epochs
        counted = f"Epoch {current_epoch + 1}" + (f"/{most}" if most is not None and most > 0 else "")
        return f"{counted:{len(self.validation_description)}}"

    def _about(self, trainer: pl.Trainer) -> str:
        rate = self.pace.samples_per_s
        left = self.pace.seconds_left(trainer)
        parts = [f"step {trainer.global_step}"]
        parts += [f"{rate:.0f}/s" if rate >= 10 else f"{rate:.1f}/s"] if rate is not None else []
        parts += [f"{duration(left)} left"] if left is not None else []
        return ", ".join(parts)

    # Lightning 2.6.0 passes more: the position of its bar.
    def _update_metrics(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any, **__: Any) -> None:
        """Read the values, now and then; what is drawn from them is not changed afterwards."""
        now = time.monotonic()
        if not self.is_enabled or now - self._last_values_s < VALUES_EVERY_S:
            return
        self._last_values_s = now
        self._shown = LiveView(values_of(trainer))

    def _place(self, trainer: pl.Trainer) -> str:
        """Where training is, in words."""
        return f"{self._get_train_description(trainer.current_epoch).strip()}, {self._about(trainer)}"

    def _write_validated(self, trainer: pl.Trainer) -> None:
        if self._validated is not None:
            self._write_line(trainer, self._validated)

    def _write_line(self, trainer: pl.Trainer, place: str) -> None:
        self._last_line_s, self._validated = time.monotonic(), None
        if self._has_terminal or not trainer.is_global_zero:
            return
        line = f"{place}; {LiveView(values_of(trainer)).line()}"
        self._plain.print(line, soft_wrap=True, markup=False, highlight=False)


class _View(ProgressColumn):
    """All of a line, and what is below it."""

    def __init__(self, bar: TrainingProgress, trainer: pl.Trainer) -> None:
        super().__init__()
        self._bar, self._trainer = bar, trainer

    def render(self, task: Task) -> RenderableType:
        """Draw."""
        return self._bar.view_of(task, self._trainer)
