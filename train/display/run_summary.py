"""What the end of a run shows and writes to `summary.csv`: results, the best values and where their weights are."""

from __future__ import annotations

from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytorch_lightning as pl
from rich.table import Table

from datamodules.files import write_text
from evaluate.benchmarks import ALL
from evaluate.callback.callback import BrainScoreCallback
from evaluate.callback.logged import PREFIX
from evaluate.scoring.table import BEST
from networks.commands.console_tables import Name, print_table
from networks.commands.dispatch import text_console
from networks.user_code import shown_path
from networks.weights.run_layout import SUMMARY_FILE
from train.display.epoch_losses import EpochLosses, is_training_loss
from train.display.logged_values import brain_scores, values_of
from train.display.score_course import ScoreCourse, course_of
from train.run.checkpoints.checkpoint_selection import checkpoint_of_step, newest_checkpoint
from train.run.checkpoints.kept_checkpoints import checkpoint_sizes
from train.run.ending import best_checkpoint_of, why_ended
from train.run.metric_history import History, read_history

if TYPE_CHECKING:
    import pandas as pd


HEADLINE_METRICS = ("top1", "ranking_average_precision", "average_precision")
"""The headline of each kind of task, which has a chance level."""
COURSE_COLUMNS = ["before_training", "best", "best_step", "best_checkpoint"]
"""Columns of `summary.csv` that are those of brain scores, over the whole run."""
SUMMARY_COLUMNS = ["condition", "task", "loss", "metric", "value", "chance", *COURSE_COLUMNS]

_LEAST_WIDTH = 8
"""Narrowest columns of names in a terminal."""


class RunSummary(pl.Callback):
    """Writes `summary.csv` at the end of training, and shows it: why training ended, results, the best values.

    Args:
        losses: Callback of the same trainer that averages the training losses.
    """

    def __init__(self, losses: EpochLosses) -> None:
        self._losses = losses
        self._has_trained = False

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Note that there will be something to summarise."""
        self._has_trained = True

    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Summarise the last validation and evaluation, also those from before the run was resumed."""
        import pandas as pd

        if not trainer.is_global_zero:
            return
        folder, console = Path(trainer.default_root_dir), text_console(soft_wrap=True, highlight=False)
        if not self._has_trained:
            console.print(f"{folder}: nothing is left to train")
            return
        metrics, history = values_of(trainer), read_history(folder)
        for name, values in history.items():
            metrics.setdefault(name, float(values.iloc[-1]))
        held_out, brain = held_out_rows(metrics), brain_rows(metrics, history, folder)
        rows = pd.concat([rows for rows in (held_out, brain) if len(rows)] or [held_out])
        if len(rows):
            write_text(folder / SUMMARY_FILE, rows.to_csv(index=False))
        console.print(f"training ended after step {trainer.global_step}: {why_ended(trainer)}")
        console.print(_training_losses(metrics | self._losses.means()))
        show_summary(held_out, "Held-out examples")
        shown = brain[["task", "before_training", "value", "best", "best_step", "best_checkpoint"]]
        show_summary(shown.rename(columns={"task": "benchmark", "value": "last"}), "Brain scores at the best stage")
        lines = [*_not_risen_lines(history), *best_stage_lines(trainer), *_checkpoint_lines(trainer, folder)]
        for line in lines:
            console.print(line)
        console.print(f"run directory: {folder}")


def best_stage_lines(trainer: pl.Trainer) -> list[str]:
    """Name the best stages of the last evaluation, a line for each benchmark and metric: all units, then regions."""
    every: dict[str, str] = {}
    regions: dict[str, list[str]] = {}
    callbacks: list[pl.Callback] = trainer.callbacks  # type: ignore[attr-defined]
    for scoring in callbacks:
        for place, stage in scoring.best_stages.items() if isinstance(scoring, BrainScoreCallback) else ():
            if "/" in place.kind:  # parts, such as categories, are on the page
                continue
            what = f"{place.benchmark}, {place.kind}" if place.kind else place.benchmark
            if place.region == ALL:
                every[what] = stage
            else:
                regions.setdefault(what, []).append(f"{place.region} {stage}")
    return [
        f"best stage on {what}: {stage}" + (f" ({', '.join(regions[what])})" if what in regions else "")
        for what, stage in every.items()
    ]


def held_out_rows(metrics: dict[str, float]) -> pd.DataFrame:
    """Make rows of `summary.csv` from `val/{condition}/{task}/{metric}` entries.

    Args:
        metrics: Logged values by name.

    Returns:
        A row for each condition and task: the loss, and top-1 accuracy and that of guessing, or
        average precision and the share of positives.
    """
    rows = []
    for name, value in metrics.items():
        parts = name.split("/")
        if parts[0] != "val" or len(parts) != 4 or parts[3] not in HEADLINE_METRICS:
            continue
        condition, task, metric = parts[1:]
        loss, chance = (metrics.get(f"val/{condition}/{task}/{each}", float("nan")) for each in ("loss", "chance"))
        rows.append(
            {"condition": condition, "task": task, "loss": loss, "metric": metric, "value": value, "chance": chance}
        )
    return _table(rows)


def brain_rows(metrics: dict[str, float], history: History, run_dir: Path) -> pd.DataFrame:
    """Make rows of `summary.csv` from `brain/{benchmark}/best` entries.

    Args:
        metrics: Logged values by name: the last scores.
        history: All logged values by step, of which the best score of the trained network is taken.
        run_dir: Run directory, whose checkpoints are looked through for that of the best score.

    Returns:
        A row for each benchmark, as a task of the condition "brain" without loss and chance. The best score is that of
        a trained network; that before the first step is next to it.
    """
    courses = _courses(history)
    rows = []
    for benchmark, value in brain_scores(metrics).items():
        row: dict[str, Any] = {"condition": PREFIX, "task": benchmark, "metric": BEST, "value": value}
        if (course := courses.get(benchmark)) is not None:
            row["before_training"] = course.before
            if course.best_step is not None:
                found = checkpoint_of_step(run_dir, course.best_step)
                row |= {
                    "best": course.best,
                    "best_step": course.best_step,
                    "best_checkpoint": found.name if found else "",
                }
        rows.append(row)
    return _table(rows)


def _courses(history: History) -> dict[str, ScoreCourse]:
    """How the scores at the best stage went, by benchmark."""
    last = {name: float(values.iloc[-1]) for name, values in history.items()}
    return {name: course_of(history[f"{PREFIX}/{name}/{BEST}"]) for name in brain_scores(last)}


def _not_risen_lines(history: History) -> list[str]:
    return [course.describe(name) for name, course in _courses(history).items() if course.has_not_risen]


def show_summary(rows: pd.DataFrame, title: str) -> None:
    """Print rows of `held_out_rows` or `brain_rows` as a table, without empty columns."""
    if rows.empty:
        return
    shown = rows.replace({"best_checkpoint": {"": "not kept"}}).dropna(axis="columns", how="all")
    table = Table(title=title)
    for column in shown:
        is_text = shown[column].map(lambda value: isinstance(value, str)).any()
        name = str(column).replace("_", " ")
        if is_text:
            table.add_column(name, min_width=max(_LEAST_WIDTH, len(name)))
        else:
            table.add_column(name, justify="right", no_wrap=True)
    for row in shown.to_dict("records"):
        table.add_row(*(_cell(str(column), value) for column, value in row.items()))
    print_table(table, text_console())


def _table(rows: list[dict[str, Any]]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(rows, columns=SUMMARY_COLUMNS)


def _cell(column: str, value: Any) -> str | Name:
    if isinstance(value, str):
        return Name(value)
    if isnan(value):
        return "\u2013"
    return f"{value:.0f}" if column == "best_step" else f"{value:.3f}"


def _training_losses(metrics: dict[str, float]) -> str:
    """The training losses of the last epoch, in a line: the sum, and those of the tasks if there are several."""
    losses = {tuple(name.split("/")[1:-1]): value for name, value in metrics.items() if is_training_loss(name)}
    tasks = [f"{key[0]} {value:.3f}" for key, value in losses.items() if key]
    total = f"{losses[()]:.3f}" if () in losses else "not logged"
    return f"training loss, mean of the last epoch: {total}" + (f" ({', '.join(tasks)})" if len(tasks) > 1 else "")


def _checkpoint_lines(trainer: pl.Trainer, folder: Path) -> list[str]:
    """The best checkpoint and its value, the newest one, and what all of them take."""
    lines = []
    if (best := best_checkpoint_of(trainer)) is not None:
        lines.append(f"best {best.monitor}: {best.value:.3f} at step {best.step}, in {shown_path(best.path)}")
    if (newest := newest_checkpoint(folder)) is not None:
        lines.append(f"newest checkpoint: {shown_path(newest)}")
    return [*lines, *filter(None, [checkpoint_sizes(folder)])]
