"""What the command `packaged` prints: the packages of the corpus, and those that are missing."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from datamodules.corpora.packaged.parts import NotFound, install_line
from datamodules.corpora.packaged.summary import COLUMNS, SUMMARY_FILE
from datamodules.corpora.sounds import Row
from datamodules.tables import read_text_table
from networks.text.wording import counted

_NUMBERS = ("clips", "minutes")
_MAX_LICENCE = 40


def read_summary(folder: Path) -> list[Row]:
    """Rows of the table of packages in the folder of a corpus; none if there is no table."""
    path = folder / SUMMARY_FILE
    if not path.is_file():
        return []
    return [{str(name): value for name, value in row.items()} for row in read_text_table(path).to_dict("records")]


def print_summary(rows: Sequence[Row], folder: Path, console: Console) -> None:
    """Print the table of packages."""
    table = Table(title=f"packages, see {folder / SUMMARY_FILE}")
    for column in COLUMNS:
        table.add_column(column, justify="right" if column in _NUMBERS else "left")
    for row in rows:
        cells = {name: str(row[name]) for name in COLUMNS}
        if len(cells["licence"]) > _MAX_LICENCE:
            cells["licence"] = f"{cells['licence'][:_MAX_LICENCE].rpartition(',')[0]}, ..."
        table.add_row(*cells.values())
    console.print(table, markup=False)


def print_missing(missing: Sequence[NotFound], console: Console) -> None:
    """Print which packages are left out, and how to install them."""
    if not missing:
        return
    console.print(f"{counted(len(missing), 'package', 'is')} left out:", markup=False, highlight=False)
    for package, what, reason in missing:
        console.print(f"  {package}: {what}, {reason}", markup=False, highlight=False, soft_wrap=True)
    line = install_line(package for package, _, _ in missing)
    console.print(f"to install them: {line}", markup=False, highlight=False, soft_wrap=True)
