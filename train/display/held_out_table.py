"""What `validate` and `test` print: every metric of the held-out examples next to its chance level."""

from collections.abc import Mapping
from math import isnan

import pytorch_lightning as pl
from rich.table import Table

from networks.commands.console_tables import Name, print_table
from networks.commands.dispatch import text_console
from train.display.logged_values import VALIDATION_PREFIX
from train.display.run_summary import HEADLINE_METRICS

CHANCE, LOSS = "chance", "loss"
_ALL_TASKS = "weighted sum"
_MISSING = "–"
_NAMES = ("condition", "task")


class ShowHeldOut(pl.Callback):
    """Prints the metrics of `validate` and `test`, in place of Lightning's table of one column per condition."""

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Print the table, unless this is the validation of a training."""
        if trainer.is_global_zero and trainer.state.fn != "fit":
            values = {name: float(value) for name, value in trainer.callback_metrics.items()}
            print_table(held_out_table(values, title="Held-out examples"), text_console())

    on_test_end = on_validation_end


def held_out_table(metrics: Mapping[str, float], *, title: str) -> Table:
    """Make a table with a row for each condition and task, and one for the weighted sum of the losses of several tasks.

    Args:
        metrics: Values by name, `val/{condition}/loss` and `val/{condition}/{task}/{metric}`.
        title: Title of the table.

    Returns:
        The table. The chance level is that of the headline metric of the task, in the columns to its left.
    """
    cells: dict[tuple[str, str], dict[str, float]] = {}
    for name, value in metrics.items():
        condition, *tasks, metric = name.removeprefix(VALIDATION_PREFIX).split("/")
        if name.startswith(VALIDATION_PREFIX):
            cells.setdefault((condition, tasks[0] if tasks else _ALL_TASKS), {})[metric] = value
    if len({task for _, task in cells} - {_ALL_TASKS}) == 1:
        cells = {names: row for names, row in cells.items() if names[1] != _ALL_TASKS}
    there = list(dict.fromkeys(metric for row in cells.values() for metric in row))
    first = [name for name in (LOSS, *HEADLINE_METRICS, CHANCE) if name in there]
    columns = [*first, *(name for name in there if name not in first)]
    table = Table(title=title, title_justify="left")
    for name in _NAMES:
        table.add_column(name, min_width=8)
    for name in columns:
        table.add_column(name, justify="right", no_wrap=True)
    for names, row in cells.items():
        values = (row.get(column, float("nan")) for column in columns)
        table.add_row(*map(Name, names), *(_MISSING if isnan(value) else f"{value:.3f}" for value in values))
    return table
