"""Progress of training: a live view in a terminal, lines of a log otherwise."""

import time
from collections.abc import Callable
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import RichProgressBar
from rich.console import Group, RenderableType
from rich.progress import ProgressColumn, Task, TaskID
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from datamodules.progress import FIRST_LINE_AFTER_S, LINE_EVERY_S, Step, duration, write_line
from evaluate.callback.callback import BrainScoreCallback
from networks.commands.console_tables import Name
from networks.commands.dispatch import text_console
from train.display.epoch_losses import EpochLosses
from train.display.live_view import LiveView
from train.display.logged_values import scored_steps, values_of
from train.display.pace import Pace
from train.run.stop_signals import StoppedBySignal

BAR_WIDTH = 20
REFRESHES_PER_S = 4
VALUES_EVERY_S = 0.5
"""Reading a value waits for the GPU, so it is not done after every batch."""


class TrainingProgress(RichProgressBar):
    """Progress bars with losses, accuracies, brain scores, samples per second and time left in rows below.

    If the output is not a terminal, nothing is drawn. Instead, one line is written for each validation, and every half
    minute, also within validations and evaluations. The line of a validation at the end of an epoch includes the brain
    scores of the epoch, and is written after them. Each score is in one line only.

    Args:
        pace: Callback of the same trainer that measures the pace.
        losses: Callback of the same trainer that averages the training losses, and comes first.
        note: Takes the lines where they are not written, as the output is a terminal.
        console_kwargs: Arguments of `rich.console.Console`.
        clock: Monotonic clock in seconds.
    """

    def __init__(
        self,
        pace: Pace,
        losses: EpochLosses | None = None,
        *,
        note: Callable[[str], None] | None = None,
        console_kwargs: dict[str, Any] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        as_text = {"markup": False, "emoji": False}  # names of tasks and conditions are those of users
        super().__init__(refresh_rate=REFRESHES_PER_S, leave=False, console_kwargs=(console_kwargs or {}) | as_text)
        self.pace = pace
        self.losses = EpochLosses() if losses is None else losses
        self._note = note
        self._plain = text_console(**(console_kwargs or {}))
        self._has_terminal = self._plain.is_terminal or self._plain.is_jupyter
        self._shown: RenderableType = ""
        self._last_values_s = self._last_line_s = float("-inf")
        self._validated: str | None = None
        self._written: dict[str, int] = {}
        self._epoch = ""
        self._clock = clock
        self._step = Step(clock())
        self._step_bar: TaskID | None = None

    @property
    def is_enabled(self) -> bool:
        """Whether bars are drawn."""
        return super().is_enabled and self._has_terminal

    def configure_columns(self, trainer: pl.Trainer) -> list:
        """Return one column that contains everything."""
        return [_View(self, trainer)]

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Show evaluations, too, and write the first line of a log after a few seconds."""
        super().setup(trainer, pl_module, stage)
        self._last_line_s = self._clock() - LINE_EVERY_S + FIRST_LINE_AFTER_S
        callbacks: list[pl.Callback] = trainer.callbacks  # type: ignore[attr-defined]
        for scoring in callbacks:
            if isinstance(scoring, BrainScoreCallback):
                scoring.progress = lambda *step: self._show_step(trainer, *step)

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Show the values of the last epoch."""
        self._epoch = _epoch_name(trainer)
        super().on_train_epoch_start(trainer, pl_module)
        self._last_values_s = float("-inf")
        self.get_metrics(trainer, pl_module)
        self._write_validated(trainer)

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Write the line of a validation within an epoch."""
        self._epoch = _epoch_name(trainer)  # a run that resumes within an epoch does not start it
        self._hide_step()
        self._write_validated(trainer)

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Move the bar; write a line if it is time."""
        super().on_train_batch_end(trainer, pl_module, outputs, batch, batch_idx)
        if self._is_line_due():
            self._write_line(trainer, self._place(trainer, batch=batch_idx + 1))

    def on_validation_batch_end(  # noqa: PLR0917 - as Lightning calls it
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Move the bar; write a line if it is time."""
        super().on_validation_batch_end(trainer, pl_module, outputs, batch, batch_idx, dataloader_idx)
        total = trainer.num_val_batches[dataloader_idx]
        self._follow_batches(trainer, f"validation, {_condition(pl_module, dataloader_idx)}", batch_idx, total)

    def on_test_batch_end(  # noqa: PLR0917 - as Lightning calls it
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Move the bar; write a line if it is time."""
        super().on_test_batch_end(trainer, pl_module, outputs, batch, batch_idx, dataloader_idx)
        total = trainer.num_test_batches[dataloader_idx]
        self._follow_batches(trainer, f"test, {_condition(pl_module, dataloader_idx)}", batch_idx, total)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Do not read values: those of the epoch are not there yet, and reading them could wait for other processes."""
        self.refresh()

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Show the values of the validation; its line waits for the brain scores of the epoch."""
        self._last_values_s = float("-inf")
        super().on_validation_end(trainer, pl_module)
        if trainer.state.fn != "fit":
            self.teardown(trainer, pl_module, "validate")  # ends the bars before the table of results
        if trainer.state.fn == "fit" and not trainer.sanity_checking:
            self._validated = self._place(trainer)

    def on_test_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """End the bars before the table of results."""
        super().on_test_end(trainer, pl_module)
        self.teardown(trainer, pl_module, "test")

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Show the last values."""
        self._hide_step()
        self._last_values_s = float("-inf")
        super().on_train_end(trainer, pl_module)

    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write the line of the last validation, with the scores of the trained network; what follows is below it."""
        self._write_validated(trainer)
        self.teardown(trainer, pl_module, "fit")  # ends the bars, which would be drawn again below the results

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """Write the line of the last validation if a signal stopped the run."""
        super().on_exception(trainer, pl_module, exception)
        if isinstance(exception, StoppedBySignal):
            self._write_validated(trainer)

    def get_metrics(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> dict[str, Any]:
        """Read the values now and then, for the rows below the bar; Lightning has none to show next to it."""
        now = self._clock()
        if self.is_enabled and now - self._last_values_s >= VALUES_EVERY_S:
            self._last_values_s = now
            earlier = _earlier_scores(trainer)
            # Drawn by another thread, so it never changes.
            self._shown = LiveView(values_of(trainer) | self.losses.means(), earlier)
        return {}

    def view_of(self, task: Task, trainer: pl.Trainer) -> RenderableType:
        """Draw one bar, and the values below that of training.

        Args:
            task: Task of the bar.
            trainer: The trainer.

        Returns:
            What to draw; the thread that draws calls this.
        """
        bar = Table.grid(padding=(0, 1, 0, 0))
        bar.add_column()  # the only one that becomes narrower: bar and numbers stay
        for _ in range(3):
            bar.add_column(no_wrap=True, overflow="ellipsis")
        total = task.total if task.total is not None and task.total < float("inf") else None
        counted = f"{task.completed:.0f}/{'?' if total is None else f'{total:.0f}'}"
        is_training = trainer.state.fn == "fit" and task.id == self.train_progress_bar_id
        about = self._about(trainer, " ex.") if is_training else ""
        moving = ProgressBar(total=total, completed=task.completed, width=BAR_WIDTH, pulse=total is None)
        # Lightning counts epochs from 0 in its description.
        name = f"{self._epoch:{len(self.validation_description)}}" if is_training else task.description
        bar.add_row(Name(name), moving, counted, Text(about, style="green"))
        return Group(bar, self._shown) if is_training and self._shown else bar

    def _about(self, trainer: pl.Trainer, unit: str) -> str:
        rate = self.pace.samples_per_s
        left = self.pace.seconds_left(trainer)
        parts = [f"step {trainer.global_step}"]
        parts += [f"{rate:.0f}{unit}/s" if rate >= 10 else f"{rate:.1f}{unit}/s"] if rate is not None else []
        parts += [f"{duration(left)} left"] if left is not None else []
        return ", ".join(parts)

    def _place(self, trainer: pl.Trainer, *, batch: int | None = None) -> str:
        """Describe where training is."""
        parts = [_epoch_name(trainer)]
        if batch is not None:
            total = trainer.num_training_batches
            parts.append(f"batch {batch}" + (f" of {total}" if total < float("inf") else ""))
        return ", ".join([*parts, self._about(trainer, " examples")])

    def _follow_batches(self, trainer: pl.Trainer, what: str, batch_idx: int, total: float) -> None:
        """Write a line about a pass over held-out examples if it is time; Lightning draws its bar."""
        num_total = int(total) if total < float("inf") else None
        self._step = self._step.then(self._clock(), what, batch_idx + 1, num_total, "batches")
        if self._is_line_due():
            self._write_step(trainer)

    def _show_step(self, trainer: pl.Trainer, what: str, num_done: int, num_total: int) -> None:
        """Draw a bar for what happens between two batches, or write a line if it is time."""
        self._step = self._step.then(self._clock(), what, num_done, num_total, "")
        if self._is_line_due():
            self._write_step(trainer)
        if not self.is_enabled or self.progress is None:
            return
        if self._step_bar is None:
            self._step_bar = self.progress.add_task(what, total=num_total)
        self.progress.update(self._step_bar, description=what, total=num_total, completed=num_done, visible=True)
        self.refresh()

    def _hide_step(self) -> None:
        if self._step_bar is not None and self.progress is not None:
            self.progress.update(self._step_bar, visible=False)

    def _is_line_due(self) -> bool:
        return self._clock() - self._last_line_s >= LINE_EVERY_S

    def _write_step(self, trainer: pl.Trainer) -> None:
        """Describe how far a step is, without logged values: reading them may wait for other processes."""
        place = f"{_epoch_name(trainer)}, step {trainer.global_step}; " if trainer.state.fn == "fit" else ""
        self._write(trainer, f"{place}{self._step.line(self._clock())}")

    def _write_validated(self, trainer: pl.Trainer) -> None:
        if self._validated is not None:
            self._write_line(trainer, self._validated)

    def _write_line(self, trainer: pl.Trainer, place: str) -> None:
        self._validated = None
        if not trainer.is_global_zero:
            return
        view = LiveView(values_of(trainer) | self.losses.means(), _earlier_scores(trainer))
        scored = scored_steps(trainer)
        for benchmark in set(view.brain) & {name for name, step in scored.items() if self._written.get(name) == step}:
            del view.brain[benchmark]
        self._written |= scored
        self._write(trainer, "; ".join(filter(None, [place, view.line()])))

    def _write(self, trainer: pl.Trainer, line: str) -> None:
        self._last_line_s = self._clock()
        if not trainer.is_global_zero:
            return
        if not self._has_terminal:
            write_line(line, self._plain)
        elif self._note is not None:
            self._note(line)


def _epoch_name(trainer: pl.Trainer) -> str:
    """Name an epoch; epochs are counted from 1."""
    last = f"/{trainer.max_epochs}" if trainer.max_epochs is not None and trainer.max_epochs > 0 else ""
    return f"Epoch {trainer.current_epoch + 1}{last}"


def _earlier_scores(trainer: pl.Trainer) -> dict[str, int]:
    """Steps of brain scores that are not those of the network as it is now, by benchmark."""
    return {name: step for name, step in scored_steps(trainer).items() if step != trainer.global_step}


def _condition(pl_module: pl.LightningModule, number: int) -> str:
    return str(pl_module.val_conditions[number])  # type: ignore[index]


class _View(ProgressColumn):
    """A column that draws a whole line, and what is below it."""

    def __init__(self, bar: TrainingProgress, trainer: pl.Trainer) -> None:
        super().__init__()
        self._bar, self._trainer = bar, trainer

    def render(self, task: Task) -> RenderableType:
        """Draw."""
        return self._bar.view_of(task, self._trainer)
