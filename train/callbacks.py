"""Callbacks of every run: the saved configuration, the untrained checkpoint, the closing summary."""

import os
from pathlib import Path
from typing import Any

import pandas as pd
import pytorch_lightning as pl
from pytorch_lightning.cli import SaveConfigCallback
from pytorch_lightning.utilities import rank_zero_only
from rich.console import Console
from rich.table import Table

from train.run_directory import CONFIG_FILE, SUMMARY_FILE, UNTRAINED_CHECKPOINT, checkpoints_in

HEADLINE_METRICS = ("top1", "ranking_average_precision", "average_precision")
"""One for each kind of task; both have a chance level beside them."""


class SaveRunConfig(SaveConfigCallback):
    """Writes the whole configuration to ``config.yaml`` in the run directory when training starts."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs | {"save_to_log_dir": False})

    def save_config(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Save on rank 0, whole or not at all."""
        if stage != "fit":
            return
        folder = Path(trainer.default_root_dir)
        folder.mkdir(parents=True, exist_ok=True)
        partial = folder / f".{CONFIG_FILE}.partial"
        self.parser.save(self.config, str(partial), skip_none=False, overwrite=True, multifile=False)
        os.replace(partial, folder / CONFIG_FILE)


class SaveUntrained(pl.Callback):
    """Saves the network before its first update, so that later evaluations can start the curve where it began."""

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save, unless training goes on from somewhere."""
        if trainer.global_step == 0:
            trainer.save_checkpoint(checkpoints_in(trainer.default_root_dir) / UNTRAINED_CHECKPOINT)


class Summary(pl.Callback):
    """At the end of training, writes ``summary.csv`` and shows every task's accuracy beside its chance level."""

    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Summarise the last validation."""
        rows = summary_rows({name: float(value) for name, value in trainer.callback_metrics.items()})
        if trainer.is_global_zero and len(rows):
            path = Path(trainer.default_root_dir) / SUMMARY_FILE
            partial = path.with_name(f".{path.name}.partial")
            rows.to_csv(partial, index=False)
            os.replace(partial, path)
            show_summary(rows)
            Console().print(f"run directory: {trainer.default_root_dir}")


def summary_rows(metrics: dict[str, float]) -> pd.DataFrame:
    """Rows (condition, task, metric, value, chance) of ``val/{condition}/{task}/{metric}`` entries.

    Args:
        metrics: logged values by name.

    Returns:
        One row for each condition and task: top-1 accuracy beside the share of the commonest class, or average
        precision beside the share of positives.
    """
    rows = []
    for name, value in metrics.items():
        parts = name.split("/")
        if parts[0] != "val" or len(parts) != 4 or parts[3] not in HEADLINE_METRICS:
            continue
        condition, task, metric = parts[1:]
        chance = metrics.get(f"val/{condition}/{task}/chance", float("nan"))
        rows.append({"condition": condition, "task": task, "metric": metric, "value": value, "chance": chance})
    return pd.DataFrame(rows, columns=["condition", "task", "metric", "value", "chance"])


@rank_zero_only
def show_summary(rows: pd.DataFrame) -> None:
    """Print the rows of :func:`summary_rows` as a table."""
    table = Table(title="Held-out examples")
    for column in rows.columns:
        table.add_column(column, justify="right" if column in ("value", "chance") else "left")
    for row in rows.to_dict("records"):
        table.add_row(row["condition"], row["task"], row["metric"], f"{row['value']:.3f}", f"{row['chance']:.3f}")
    Console().print(table)
