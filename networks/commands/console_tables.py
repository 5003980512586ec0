"""Console tables that never cut off numbers, whatever the width."""

from collections.abc import Callable, Iterator, Sequence

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from networks.commands.dispatch import text_console
from networks.text.wording import shortened

MAX_COLUMNS = 8
"""Most columns of a kind in one table: further ones have tables of their own."""
_UNBOUNDED = 100_000
"""Wider than any table."""


class Name:
    """A name in a cell: if its column is narrower, it is shortened in the middle, in one line.

    Its column has a `min_width` and is not `no_wrap`.

    Args:
        text: The name.
        note: What follows it and is never shortened, such as a step.
    """

    def __init__(self, text: str, note: str = "") -> None:
        self.text, self.note = text, note

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        """Any width is enough."""
        return Measurement(1, cell_len(self.text + self.note))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw as much as fits."""
        length = max(1, options.max_width - cell_len(self.note))
        yield Text(shortened(self.text, length) + self.note, no_wrap=True, overflow="ellipsis")


def print_table(table: Table, console: Console) -> None:
    """Print a table without cutting off numbers.

    In a file, a pipe or the log of a job, the table is as wide as it needs to be. In a terminal, columns that may wrap
    become narrower, the widest first, at most to their `min_width`. If that is not enough, the lines are longer than
    those of the terminal.

    Args:
        table: Table whose columns of numbers are `no_wrap` and whose other columns have a `min_width`.
        console: Console to print to.
    """
    if console.is_terminal:
        _narrow(table, console.width)
    unbounded = _plain(console, _UNBOUNDED)
    _plain(console, max(unbounded.measure(table).maximum, 1)).print(table)


def fitting(make: Callable[[Sequence[str], int], Table], columns: Sequence[str], console: Console) -> Iterator[Table]:
    """Spread columns over as many tables as a terminal needs to show all of them without lines that are too long.

    Args:
        make: Makes the table of some columns; also gets the index of the first one.
        columns: Names of all columns.
        console: Console to print to.

    Yields:
        Tables in order; in a file, a pipe or the log of a job, each has `MAX_COLUMNS`.
    """
    start = 0
    while start < len(columns):
        for number in range(min(MAX_COLUMNS, len(columns) - start), 0, -1):
            table = make(columns[start : start + number], start)
            if not console.is_terminal or narrowest(table) <= console.width:
                break
        yield table
        start += number


def narrowest(table: Table) -> int:
    """Width of a table when the columns that may wrap are as narrow as possible."""
    widths, least = _column_widths(table)
    return _width(table) - sum(widths) + sum(least)


def _narrow(table: Table, width: int) -> None:
    """Make columns that may wrap narrower until the table has a width, the widest columns first."""
    widths, least = _column_widths(table)
    for _ in range(_width(table) - width):
        able = [number for number, each in enumerate(widths) if each > least[number]]
        if not able:
            return
        widest = max(able, key=lambda number: widths[number])
        widths[widest] -= 1
        table.columns[widest].width = widths[widest]


def _width(table: Table) -> int:
    return text_console(width=_UNBOUNDED).measure(table).maximum


def _column_widths(table: Table) -> tuple[list[int], list[int]]:
    """Widths of the contents of the columns, and the least ones."""
    console = text_console(width=_UNBOUNDED)
    widths, least = [], []
    for column in table.columns:
        cells = [cell for cell in (column.header, *column.cells) if cell]
        found = [Measurement.get(console, console.options, cell).maximum for cell in cells]
        widths.append(max([column.min_width or 0, *found]))
        least.append(widths[-1] if column.no_wrap else min(widths[-1], column.min_width or 1))
    return widths, least


def _plain(console: Console, width: int) -> Console:
    """A console of another width to the same file."""
    return text_console(
        file=console.file,
        width=width,
        force_terminal=console.is_terminal,
        color_system=console.color_system,
        quiet=console.quiet,
    )
