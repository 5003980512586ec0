"""Console tables that never cut off numbers, whatever the width."""

from rich.console import Console
from rich.table import Table

from networks.commands.dispatch import text_console

_UNBOUNDED = 100_000
"""Wider than any table."""


def print_table(table: Table, console: Console) -> None:
    """Print a table without cutting off numbers.

    In a file, a pipe or the log of a job, the table is as wide as it needs to be. In a terminal, columns that may wrap
    are folded, at most to their `min_width`. If that is not enough, the lines are longer than those of the terminal.

    Args:
        table: Table whose columns of numbers are `no_wrap` and whose other columns have a `min_width`.
        console: Console to print to.
    """
    unbounded = _plain(console, _UNBOUNDED)
    width = unbounded.measure(table).maximum
    if console.is_terminal:
        width = max(min(width, console.width), _narrowest(table, unbounded))
    _plain(console, max(width, 1)).print(table)


def _plain(console: Console, width: int) -> Console:
    """A console of another width to the same file."""
    return text_console(
        file=console.file,
        width=width,
        force_terminal=console.is_terminal,
        color_system=console.color_system,
        quiet=console.quiet,
    )


def _narrowest(table: Table, console: Console) -> int:
    """Width of a table on a console without bounds when the columns that may wrap are as narrow as possible."""
    folding = [column for column in table.columns if not column.no_wrap]
    before = [column.max_width for column in folding]
    try:
        for column in folding:
            column.max_width = column.min_width
        return console.measure(table).maximum
    finally:
        for column, max_width in zip(folding, before, strict=True):
            column.max_width = max_width
