"""Callbacks of every run: the saved configuration, the untrained checkpoint, the final summary."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytorch_lightning as pl
from jsonargparse import Namespace
from pytorch_lightning.cli import LightningArgumentParser
from rich.table import Table

from evaluate.callback.logged import PREFIX
from evaluate.scoring.table import BEST
from evaluate.watch.checkpoint_folder import CONFIG_FILE
from networks.commands.dispatch import text_console
from train.display.logged_values import brain_scores, values_of
from train.run.metric_history import read_history
from train.run.run_directory import (
    EARLIER_CONFIG_FILE,
    SUMMARY_FILE,
    UNTRAINED_CHECKPOINT,
    checkpoints_in,
    durable_file,
)

if TYPE_CHECKING:
    import pandas as pd


HEADLINE_METRICS = ("top1", "ranking_average_precision", "average_precision")
"""The headline of each kind of task, which has a chance level."""
SUMMARY_COLUMNS = ["condition", "task", "metric", "value", "chance"]
"""Columns of `summary.csv`."""


class SaveRunConfig(pl.Callback):
    """Writes the whole configuration to `config.yaml` in the run directory when training starts or resumes.

    Not earlier: a configuration that is rejected must not replace that of the run. If a run resumes with another
    configuration, the earlier one is kept next to it, named after the step up to which it was used.

    Args:
        parser: Parser of the configuration.
        config: The configuration.
    """

    def __init__(self, parser: LightningArgumentParser, config: Namespace) -> None:
        self.parser, self.config = parser, config

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save on rank 0, whole or not at all."""
        if not trainer.is_global_zero:
            return
        folder = Path(trainer.default_root_dir)
        folder.mkdir(parents=True, exist_ok=True)
        path, text = folder / CONFIG_FILE, self.parser.dump(self.config, skip_none=False).encode()
        earlier = folder / EARLIER_CONFIG_FILE.format(step=trainer.global_step)
        # If a run resumes from the same step several times, the first configuration is that of the steps before.
        if trainer.global_step > 0 and path.exists() and path.read_bytes() != text and not earlier.exists():
            _write(earlier, path.read_bytes())
        _write(path, text)


class SaveUntrained(pl.Callback):
    """Saves the network before its first update, so that curves of later evaluations start there."""

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save, unless training resumes."""
        if trainer.global_step == 0:
            trainer.save_checkpoint(checkpoints_in(trainer.default_root_dir) / UNTRAINED_CHECKPOINT)


class RunSummary(pl.Callback):
    """Writes `summary.csv` at the end of training, and shows accuracies with chance levels, and the brain scores."""

    def __init__(self) -> None:
        self._has_trained = False

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Note that there will be something to summarise."""
        self._has_trained = True

    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Summarise the last validation and evaluation, also those from before the run was resumed."""
        import pandas as pd

        if not trainer.is_global_zero:
            return
        folder = Path(trainer.default_root_dir)
        if not self._has_trained:
            text_console().print(f"{folder}: nothing is left to train", soft_wrap=True)
            return
        metrics = values_of(trainer)
        for name, values in read_history(folder).items():
            metrics.setdefault(name, float(values.iloc[-1]))
        held_out, brain = held_out_rows(metrics), brain_rows(metrics)
        rows = pd.concat([rows for rows in (held_out, brain) if len(rows)] or [held_out])
        if len(rows):
            _write(folder / SUMMARY_FILE, rows.to_csv(index=False).encode())
            show_summary(held_out, "Held-out examples")
            show_summary(brain, "Brain scores at the best stage")
        text_console().print(f"run directory: {folder}", soft_wrap=True)


def held_out_rows(metrics: dict[str, float]) -> pd.DataFrame:
    """Make rows (condition, task, metric, value, chance) of `val/{condition}/{task}/{metric}` entries.

    Args:
        metrics: Logged values by name.

    Returns:
        A row for each condition and task: top-1 accuracy and the share of the most common class, or average precision
        and the share of positives.
    """
    import pandas as pd

    rows = []
    for name, value in metrics.items():
        parts = name.split("/")
        if parts[0] != "val" or len(parts) != 4 or parts[3] not in HEADLINE_METRICS:
            continue
        condition, task, metric = parts[1:]
        chance = metrics.get(f"val/{condition}/{task}/chance", float("nan"))
        rows.append({"condition": condition, "task": task, "metric": metric, "value": value, "chance": chance})
    return pd.DataFrame(rows, columns=SUMMARY_COLUMNS)


def brain_rows(metrics: dict[str, float]) -> pd.DataFrame:
    """Make rows (condition, task, metric, value, chance) of `brain/{benchmark}/best` entries.

    Args:
        metrics: Logged values by name.

    Returns:
        A row for each benchmark, as a task of the condition "brain" without chance.
    """
    import pandas as pd

    rows = [
        {"condition": PREFIX, "task": benchmark, "metric": BEST, "value": value, "chance": float("nan")}
        for benchmark, value in brain_scores(metrics).items()
    ]
    return pd.DataFrame(rows, columns=SUMMARY_COLUMNS)


def show_summary(rows: pd.DataFrame, title: str) -> None:
    """Print rows of `held_out_rows` or `brain_rows` as a table, without empty columns."""
    if rows.empty:
        return
    shown = rows.dropna(axis="columns", how="all")
    table = Table(title=title)
    for column in shown:
        table.add_column(str(column), justify="right" if column in ("value", "chance") else "left")
    for row in shown.itertuples(index=False):
        table.add_row(*(f"{value:.3f}" if isinstance(value, float) else value for value in row))
    text_console().print(table)


def _write(path: Path, content: bytes) -> None:
    with durable_file(path) as file:
        file.write(content)
