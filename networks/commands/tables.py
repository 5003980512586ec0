"""Tables that commands print: never with numbers cut off, whatever the width."""

from rich.console import Console
from rich.table import Table

_UNBOUNDED = 100_000
"""Wider than any table."""


def print_table(table: Table, console: Console) -> None:
    """Print a table with every number whole.

    Into a file, a pipe or a job's log it goes as wide as it is. In a terminal its columns that may wrap are folded,
    at most to their `min_width`; where that is not enough, its lines are longer than the terminal's, which wraps them.

    Args:
        table: Its columns of numbers are `no_wrap`, the others have a `min_width`.
        console: Where to print.
    """
    unbounded = console.options.update_width(_UNBOUNDED)
    width = console.measure(table, options=unbounded).maximum
    if console.is_terminal:
        width = max(min(width, console.width), _narrowest(table, console))
    wide = Console(
        file=console.file,
        width=max(width, 1),
        force_terminal=console.is_terminal,
        color_system=console.color_system,  # type: ignore[arg-type]
        quiet=console.quiet,
    )
    wide.print(table)


def _narrowest(table: Table, console: Console) -> int:
    """Width of a table whose columns that may wrap are as narrow as they may be."""
    folding = [column for column in table.columns if not column.no_wrap]
    before = [column.max_width for column in folding]
    try:
        for column in folding:
            column.max_width = column.min_width
        return console.measure(table, options=console.options.update_width(_UNBOUNDED)).maximum
    finally:
        for column, max_width in zip(folding, before, strict=True):
            column.max_width = max_width
