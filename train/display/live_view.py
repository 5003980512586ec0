"""Current losses, accuracies and brain scores, in a few lines of a terminal."""

from collections.abc import Iterable, Mapping
from math import isnan

from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

from train.display.logged_values import brain_scores
from train.display.run_summary import held_out_rows

MISSING_VALUE = "–"
BRAIN = "brain"
TRAINING = "train"
RANKING = "average_precision"
_NAME_WIDTH, _LOSS_WIDTH, _PADDING = 8, 6, 2


class LiveView:
    """Logged values as a table: a row for training and for each validation condition, a column for each task.

    Losses are cross-entropies in nats (their mean over labels, for tasks with many labels); the sum is weighted as in
    training, and left out if it is the loss of the only task. Training losses are means over the epoch so far, its
    accuracies those of the last whole epoch. Cells have the loss of the task and its accuracy in percent (mean average
    precision for tasks with many labels), or only the accuracy if the terminal is too narrow. The brain scores at the
    best stages are below, with their step if the network has been trained since, and in the last row what the numbers
    are.

    Args:
        metrics: Logged values by name, see `train.learning.module`.
        earlier_scores: Benchmarks whose scores are those of an earlier step, with that step.
    """

    def __init__(self, metrics: Mapping[str, float], earlier_scores: Mapping[str, int] | None = None) -> None:
        self.earlier_scores = dict(earlier_scores or {})
        self.losses = _losses(metrics)
        self.accuracies = _accuracies(metrics)
        self.ranked = {name.split("/")[2] for name in metrics if name.endswith(RANKING) and name.count("/") == 3}
        self.brain = brain_scores(metrics)
        self.tasks = list(dict.fromkeys(task for _, task in (*self.losses, *self.accuracies) if task))
        self.rows = list(dict.fromkeys(row for row, _ in (*self.losses, *self.accuracies)))
        self.has_sum = len(self.tasks) != 1 or any(
            self.losses.get((row, self.tasks[0]), float("nan")) != self.losses[row, ""]
            for row in self.rows
            if (row, "") in self.losses
        )

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Fit the table into the width of the terminal."""
        if self.rows:
            yield self._table(options.max_width)
        if self.brain:
            scores = "   ".join(self._score(name) for name in self.brain)
            yield Text(f"{BRAIN:<{self._name_width()}}  {scores}", style="cyan", no_wrap=True, overflow="ellipsis")
        if self.rows:
            yield Text(self._legend(), style="dim", no_wrap=True, overflow="ellipsis")

    def line(self) -> str:
        """Format the same values as one line, for a log."""
        parts = []
        for row in self.rows:
            has_sum = self.has_sum and (row, "") in self.losses
            loss = [f"{_loss_name(row)} {_number(self.losses[row, ''])}"] if has_sum else []
            tasks = [self._in_words(row, task) for task in self.tasks]
            parts.append(f"{row}: {', '.join(filter(None, (*loss, *tasks)))}")
        if self.brain:
            parts.append(f"{BRAIN}: {', '.join(self._score(name) for name in self.brain)}")
        return "; ".join(parts)

    def _score(self, benchmark: str) -> str:
        step = self.earlier_scores.get(benchmark)
        return f"{benchmark} {self.brain[benchmark]:.3f}" + ("" if step is None else f" at step {step}")

    def _in_words(self, row: str, task: str) -> str:
        """The values of a task, each with its name; "" without any."""
        loss, accuracy = self.losses.get((row, task)), self.accuracies.get((row, task))
        parts = [f"{_loss_name(row)} {_number(loss)}"] if loss is not None else []
        if accuracy is not None and not isnan(accuracy):
            parts.append(f"{'mean AP' if task in self.ranked else 'top-1'} {100 * accuracy:.0f} %")
        return " ".join([task, *parts]) if parts else ""

    def _legend(self) -> str:
        """What the numbers of the table are."""
        ranked = ", ".join(task for task in self.tasks if task in self.ranked)
        average = f" ({ranked}: mean AP)" if ranked else ""
        brain = f"; {BRAIN}: best stage" if self.brain else ""
        of_training = f" ({TRAINING}: epoch mean)"
        losses = f"loss: weighted sum{of_training}; tasks: loss" if self.has_sum else f"loss{of_training}"
        return f"{losses}, top-1{average}{brain}"

    def _table(self, width: int) -> Table:
        cells = {row: [self._cell(row, task, wide=True) for task in self.tasks] for row in self.rows}
        needed = [
            max(len(task), *(len(cells[row][place]) for row in self.rows)) for place, task in enumerate(self.tasks)
        ]
        free = width - self._name_width() - self.has_sum * (_LOSS_WIDTH + _PADDING) - _PADDING
        wide = sum(needed) + _PADDING * len(needed) <= free
        table = Table.grid(padding=(0, _PADDING, 0, 0))
        table.add_column(no_wrap=True, min_width=self._name_width())
        if self.has_sum:
            table.add_column(justify="right", no_wrap=True, min_width=_LOSS_WIDTH)
        for _ in self.tasks:
            table.add_column(justify="right", no_wrap=True, overflow="ellipsis")
        table.add_row("", *(["loss"] if self.has_sum else []), *self.tasks, style="dim")
        for row in self.rows:
            shown = [self._cell(row, task, wide=wide) for task in self.tasks]
            total = [_number(self.losses.get((row, "")))] if self.has_sum else []
            table.add_row(row, *total, *shown, style="" if row == TRAINING else "bold")
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


def _loss_name(row: str) -> str:
    """That of training is the mean over the epoch so far, next to an accuracy of a whole epoch."""
    return "mean loss" if row == TRAINING else "loss"


def _number(value: float | None) -> str:
    """A loss in about four characters."""
    if value is None or isnan(value):
        return MISSING_VALUE
    return f"{value:.3f}" if abs(value) < 10 else f"{value:.4g}"
