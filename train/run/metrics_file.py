"""Writing `metrics.csv`, the record of a run: one table however often the run is stopped and resumed."""

import csv
import io
from collections.abc import Iterable, Mapping
from pathlib import Path

from evaluate.callback.logged import STEP_KEY
from networks.text.short_numbers import shortest
from train.run.run_directory import durable_file

STEP = "step"
"""Column of the optimiser step, from 0: the first step has a 0, and so has what is logged before it."""


class MetricsFile:
    """A table to which rows are added, with a column for each value that was ever logged.

    Each row is written at once: a run that is killed would lose rows in memory, even those before its last checkpoint.

    Args:
        path: The file; made with the first row.
    """

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)
        self._columns: list[str] | None = None

    def resume(self, num_steps: int) -> None:
        """Drop the rows that training will write again, and half a row that a killed run has left.

        Args:
            num_steps: Optimiser steps of the checkpoint that training starts from; 0 drops all.
        """
        if self._path.is_file():
            self._rewrite(row for row in self._rows() if _is_before(row, num_steps))

    def append(self, values: Mapping[str, float], step: int) -> None:
        """Add a row.

        Args:
            values: Values by name.
            step: Its step.
        """
        row = {STEP: str(step)} | {name: str(shortest(value)) for name, value in values.items() if name != STEP}
        if self._columns is None:
            self._columns = self._header()
        if not set(row) <= set(self._columns):
            self._rewrite([*self._rows(), row])
            return
        with self._path.open("a", newline="", encoding="utf-8") as file:
            csv.DictWriter(file, self._columns, restval="", lineterminator="\n").writerow(row)

    def _header(self) -> list[str]:
        if not self._path.is_file():
            return []
        with self._path.open(newline="", encoding="utf-8") as file:
            return next(csv.reader(file), [])

    def _rows(self) -> list[dict[str, str]]:
        """The rows so far, without empty cells. The last one is left out if it is not whole."""
        if not self._path.is_file():
            return []
        text = self._path.read_text(encoding="utf-8")
        whole = text[: text.rfind("\n") + 1].splitlines()
        return [{name: value for name, value in row.items() if value} for row in csv.DictReader(whole)]

    def _rewrite(self, rows: Iterable[Mapping[str, str]]) -> None:
        """Replace the file as a whole, with the columns that its rows need."""
        kept = list(rows)
        self._columns = [STEP, *sorted({name for row in kept for name in row} - {STEP})]
        self._path.parent.mkdir(parents=True, exist_ok=True)
        text = io.StringIO()
        writer = csv.DictWriter(text, self._columns, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(kept)
        with durable_file(self._path) as file:
            file.write(text.getvalue().encode())


def _is_before(row: Mapping[str, str], num_steps: int) -> bool:
    """Whether a row is of what a checkpoint contains.

    Brain scores are logged with the number of steps that the scored network was trained for, all other values with the
    index of the step, which is one less.
    """
    if num_steps == 0:
        return False
    if STEP_KEY in row:
        return float(row[STEP_KEY]) <= num_steps
    return int(row[STEP]) < num_steps
