"""Callbacks of every run: the saved configuration, the untrained checkpoint, the closing summary."""

import os
from pathlib import Path

import pandas as pd
import pytorch_lightning as pl
from jsonargparse import Namespace
from pytorch_lightning.cli import LightningArgumentParser
from pytorch_lightning.utilities import rank_zero_only
from rich.console import Console
from rich.table import Table

from evaluate.table import write_atomically
from train.run_directory import (
    CONFIG_FILE,
    EARLIER_CONFIG_FILE,
    SUMMARY_FILE,
    UNTRAINED_CHECKPOINT,
    checkpoints_in,
)

HEADLINE_METRICS = ("top1", "ranking_average_precision", "average_precision")
"""One for each kind of task; both have a chance level beside them."""


class SaveRunConfig(pl.Callback):
    """Writes the whole configuration to ``config.yaml`` in the run directory when training starts or goes on.

    Only then: a configuration that is refused leaves that of the run as it is. Where a run goes on with another one,
    the earlier is kept beside it, under the step until which it was trained with.

    Args:
        parser: what the configuration was parsed with.
        config: the configuration.
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
        # Of several that went on from one step, the first is what had trained until there.
        if trainer.global_step > 0 and path.exists() and path.read_bytes() != text and not earlier.exists():
            write_atomically(earlier, path.read_bytes())
        write_atomically(path, text)


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
