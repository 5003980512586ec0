"""Current losses, accuracies and brain scores, in a few lines of a terminal."""

from collections.abc import Iterable, Mapping
from math import isnan

from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

from train.display.logged_values import brain_scores
from train.run.run_callbacks import held_out_rows

MISSING_VALUE = "–"
BRAIN = "brain"
TRAINING = "train"
_NAME_WIDTH, _LOSS_WIDTH, _PADDING = 8, 6, 2


class LiveView:
    """Logged values as a table: a row for training and for each validation condition, a column for each task.

    Cells have the loss of the task and its accuracy in percent (mean average precision for tasks with many labels), or
    only the accuracy if the terminal is too narrow. The brain scores at the best stages are below.

    Args:
        metrics: Logged values by name, see `train.learning.module`.
    """

    def __init__(self, metrics: Mapping[str, float]) -> None:
        self.losses = _losses(metrics)
        self.accuracies = _accuracies(metrics)
        self.brain = brain_scores(metrics)
        self.tasks = list(dict.fromkeys(task for _, task in (*self.losses, *self.accuracies) if task))
        self.rows = list(dict.fromkeys(row for row, _ in (*self.losses, *self.accuracies)))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Fit the table into the width of the terminal."""
        if self.rows:
            yield self._table(options.max_width)
        if self.brain:
            scores = "   ".join(f"{name} {value:.3f}" for name, value in self.brain.items())
            yield Text(f"{BRAIN:<{self._name_width()}}  {scores}", style="cyan", no_wrap=True, overflow="ellipsis")

    def line(self) -> str:
        """Format the same values as one line, for a log."""
        parts = []
        for row in self.rows:
            loss = [_number(self.losses[row, ""])] if (row, "") in self.losses else []
            tasks = [
                " ".join([task, *self._cell(row, task, wide=True).replace(MISSING_VALUE, "").split()])
                for task in self.tasks
                if (row, task) in self.losses or (row, task) in self.accuracies
            ]
            parts.append(f"{row}: {', '.join((*loss, *tasks))}")
        parts += [f"{BRAIN}: {', '.join(f'{name} {value:.3f}' for name, value in self.brain.items())}"] * bool(
            self.brain
        )
        return "; ".join(parts)

    def _table(self, width: int) -> Table:
        cells = {row: [self._cell(row, task, wide=True) for task in self.tasks] for row in self.rows}
        needed = [
            max(len(task), *(len(cells[row][place]) for row in self.rows)) for place, task in enumerate(self.tasks)
        ]
        free = width - self._name_width() - _LOSS_WIDTH - 2 * _PADDING
        wide = sum(needed) + _PADDING * len(needed) <= free
        table = Table.grid(padding=(0, _PADDING, 0, 0))
        table.add_column(no_wrap=True, min_width=self._name_width())
        table.add_column(justify="right", no_wrap=True, min_width=_LOSS_WIDTH)
        for _ in self.tasks:
            table.add_column(justify="right", no_wrap=True, overflow="ellipsis")
        table.add_row("", "loss", *self.tasks, style="dim")
        for row in self.rows:
            shown = [self._cell(row, task, wide=wide) for task in self.tasks]
            table.add_row(row, _number(self.losses.get((row, ""))), *shown, style="" if row == TRAINING else "bold")
        return table

    def _cell(self, row: str, task: str, *, wide: bool) -> str:
        loss, accuracy = self.losses.get((row, task)), self.accuracies.get((row, task))
        shown = MISSING_VALUE if accuracy is None or isnan(accuracy) else f"{100 * accuracy:.0f} %"
        if not wide or loss is None:
            return shown
        return f"{_number(loss)} {shown:>5}"

    def _name_width(self) -> int:
        return max(map(len, (*self.rows, BRAIN, " " * _NAME_WIDTH)))


def _losses(metrics: Mapping[str, float]) -> dict[tuple[str, str], float]:
    """Losses by (row, task); the task is "" for the weighted sum."""
    found = {}
    for name, value in metrics.items():
        parts = name.split("/")
        if parts[-1] != "loss":
            continue
        where = parts[:-1]
        if where[0] == TRAINING and len(where) <= 2:
            found[TRAINING, "".join(where[1:])] = value
        elif where[0] == "val" and len(where) in (2, 3):
            found[where[1], "".join(where[2:])] = value
    return found


def _accuracies(metrics: Mapping[str, float]) -> dict[tuple[str, str], float]:
    """Top-1 accuracy or mean average precision by (row, task)."""
    found = {
        (TRAINING, parts[1]): value
        for parts, value in ((name.split("/"), value) for name, value in metrics.items())
        if len(parts) == 3 and parts[0] == TRAINING and parts[2] == "top1"
    }
    held_out: Iterable[dict] = held_out_rows(dict(metrics)).to_dict("records")
    return found | {(row["condition"], row["task"]): float(row["value"]) for row in held_out}


def _number(value: float | None) -> str:
    """A loss in about four characters."""
    if value is None or isnan(value):
        return MISSING_VALUE
    return f"{value:.3f}" if abs(value) < 10 else f"{value:.4g}"
