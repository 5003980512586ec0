"""Reading tables of users: CSV and TSV files, whose cells stay text.

A cell is what is written in it: `007`, `null` and `NA` are labels as good as any. Where a number is asked for,
`parse_number` takes the usual marks of missing values. A row that is longer or shorter than the header is an error, as
its cells would be under the wrong names.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from datamodules.text_files import decode_text, nfc
from networks.text.wording import counted

if TYPE_CHECKING:
    import pandas as pd

MISSING_VALUES = frozenset({"", "na", "nan", "n/a", "null", "none", "nil", "<na>", "#n/a", "#na", "-nan", "1.#qnan"})
"""Marks of a missing number in lower case, as R, MATLAB, pandas and spreadsheets write them."""

MISSING_LABELS = frozenset(("NA", "N/A", "n/a", "NaN", "<NA>", "#N/A", "#NA", "NULL"))
"""Marks that are hardly ever labels, unlike `null` or `none`, which are words."""

SEPARATORS = {".csv": ",", ".tsv": "\t"}
"""Separator of the columns by the suffix of the file."""

_MOST_NAMES = 10
"""How many columns an error names."""


class TextTableError(ValueError):
    """A table that cannot be used; the message names the file, the row (counted from 1 below the header) or column."""


def read_text_table(
    source: str | Path | bytes,
    *,
    where: str | None = None,
    required: Sequence[str] = (),
    separator: str | None = None,
    is_quoted: bool = True,
) -> pd.DataFrame:
    """Read a CSV or TSV file.

    Args:
        source: The file, or its content; UTF-8 or UTF-16, see `datamodules.text_files.read_text`.
        where: The file, for messages; None is `source`.
        required: Columns that the table must have.
        separator: Separator of the columns; None is a tab for files named `.tsv`, otherwise a comma.
        is_quoted: Whether quotes enclose cells. Without, they are characters like any other, as in Common Voice.

    Returns:
        The table, all cells text. Names of columns are in NFC, and trailing columns without name and content are left
        out.

    Raises:
        OSError: The file is missing or cannot be opened.
        TextFileError: The file has an unsupported encoding.
        TextTableError: The table is empty, has a column twice or lacks one, or a row is longer or shorter than the
            header or has open quotes.
    """
    import pandas as pd

    where = where or ("the table" if isinstance(source, bytes) else str(source))
    content = source if isinstance(source, bytes) else Path(source).read_bytes()
    separator = separator or SEPARATORS.get(Path(where).suffix.lower(), ",")
    lines = _lines(decode_text(content, where), where, separator, is_quoted=is_quoted)
    header = next(lines, None)
    if header is None:
        raise TextTableError(f"{where}: empty, expected a line with the names of the columns")
    names = list(map(nfc, header))
    rows = list(_checked(lines, where, names))
    columns: list[tuple[str, ...]] = list(zip(*rows, strict=True)) if rows else [()] * len(names)
    table = dict(_named(where, names, columns))
    _check_columns(where, list(table), required)
    return pd.DataFrame(table, dtype=str)


def parse_number(text: str) -> float | None:
    """Parse a cell that should be a number.

    Args:
        text: The cell.

    Returns:
        The number; None if the cell is empty or marks a missing value, see `MISSING_VALUES`.

    Raises:
        ValueError: The cell is neither.
    """
    return None if is_missing(text) else float(text)


def is_missing(text: str) -> bool:
    """Whether a cell marks a missing number, such as `NA`; a label may be called so."""
    return text.strip().lower() in MISSING_VALUES


def _lines(text: str, where: str, separator: str, *, is_quoted: bool) -> Iterator[list[str]]:
    """The lines of a table as cells; empty lines are skipped."""
    file = io.StringIO(text, newline="")
    number = 0
    try:
        for cells in csv.reader(
            file, delimiter=separator, quoting=csv.QUOTE_MINIMAL if is_quoted else csv.QUOTE_NONE, strict=True
        ):
            if cells:
                yield cells
                number += 1
    except csv.Error as error:
        place = f"row {number}" if number else "the header"
        raise TextTableError(f"{where}, {place}: wrong quotes ({error}); inside quotes, write a quote twice") from error


def _checked(lines: Iterator[list[str]], where: str, names: list[str]) -> Iterator[list[str]]:
    for number, cells in enumerate(lines, start=1):
        if len(cells) != len(names):
            more = "more" if len(cells) > len(names) else "fewer"
            raise TextTableError(
                f"{where}, row {number}: has {counted(len(cells), 'cell')}, {more} than the "
                f"{counted(len(names), 'column')} of the header "
                f"({_listed(names)}): {_listed(cells)}; enclose a cell that has the separator in it in double quotes"
            )
        yield cells


def _named(where: str, names: list[str], columns: list[tuple[str, ...]]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The columns by name. One without a name is the first, an index that pandas wrote, or has nothing in it."""
    double = sorted(name for name, times in Counter(names).items() if times > 1 and name)
    if double:
        raise TextTableError(f"{where}: the column {double[0]!r} occurs twice; its columns are {_listed(names)}")
    for place, (name, cells) in enumerate(zip(names, columns, strict=True)):
        if name:
            yield name, cells
        elif place == 0 and len(names) > 1:
            yield "Unnamed: 0.1" if "Unnamed: 0" in names else "Unnamed: 0", cells  # as pandas calls it
        elif row := next((row for row, cell in enumerate(cells, start=1) if cell), None):
            raise TextTableError(
                f"{where}, row {row}: column {place + 1} has no name, but the value {cells[row - 1]!r}"
            )


def _check_columns(where: str, names: list[str], required: Sequence[str]) -> None:
    missing = [name for name in required if name not in names]
    if missing:
        raise TextTableError(
            f"{where}: no column {', '.join(map(repr, missing))}; it has {_listed(names)}{separator_hint(names)}"
        )


def separator_hint(names: Sequence[str]) -> str:
    """What to add to a message about a missing column if the whole header was read as the name of one column."""
    other = next((mark for mark in ";\t|," if len(names) == 1 and mark in names[0]), None)
    return "" if other is None else f"; its columns seem to be separated by {other!r}: save it with commas"


def _listed(names: Sequence[str]) -> str:
    shown = str(list(names[:_MOST_NAMES]))
    return f"{shown} and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else shown
