"""Reading tables from CSV and TSV files, texts as they are written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from datamodules.tables import TextTableError, is_missing, read_text_table, separator_hint
from datamodules.text_files import TextFileError, nfc
from evaluate.benchmarks.problems import BenchmarkError, shorten

if TYPE_CHECKING:
    import pandas as pd

FILE_NAMES = ("name", "stimulus")
"""Columns of names of sound files, which stay as they are written."""


def parse_csv(content: bytes, where: str, required: tuple[str, ...], texts: tuple[str, ...]) -> pd.DataFrame:
    """Read a CSV file, or a TSV file if its name ends with `.tsv`.

    Args:
        content: The file, UTF-8 or UTF-16, with a line of column names.
        where: Its path, for messages.
        required: Columns that it must have.
        texts: Columns that stay text, in Unicode's form NFC except for names of stimuli, which are names of files. Of
            the others, those whose cells are numbers or mark missing numbers become numbers.

    Returns:
        The table, in which empty texts stay empty.

    Raises:
        BenchmarkError: It cannot be read, has no rows, lacks a column, or a row is longer or shorter than the header;
            names it.
    """
    try:
        table = read_text_table(content, where=where)
    except (TextTableError, TextFileError) as error:
        reason = str(error).removeprefix(where).lstrip(",: ")
        raise BenchmarkError(f"{where} cannot be read as a table: {reason}") from error
    missing = [column for column in required if column not in table.columns]
    if missing:
        raise BenchmarkError(
            f"{where} lacks the column {shorten(missing)}; it has {shorten(list(table.columns), 10)}"
            f"{separator_hint(list(table.columns))}"
        )
    if table.empty:
        raise BenchmarkError(f"{where} has no rows")
    for column in table.columns:
        if column not in texts:
            table[column] = _as_numbers(table[column])
        elif column not in FILE_NAMES:
            table[column] = table[column].map(nfc)
    return table


def first_non_number(values: pd.Series) -> tuple[int, str] | None:
    """Find the first cell that is neither a number nor missing: its row, counted from 1, and what it holds."""
    cells = enumerate(map(str, values), start=1)
    wrong = ((row, cell) for row, cell in cells if not (is_missing(cell) or _is_number(cell)))
    return next(wrong, None)


def _as_numbers(values: pd.Series) -> pd.Series:
    """Numbers where all that is not missing is one."""
    import pandas as pd

    filled = values[~values.map(is_missing).astype(bool)]
    numbers = pd.to_numeric(filled, errors="coerce")
    if not len(filled) or numbers.isna().any():
        return values
    if numbers.dtype.kind == "f":
        numbers = filled.map(float)  # exact in the last digit, which pandas before 3 is not
    return pd.Series(numbers.reindex(values.index))


def _is_number(value: object) -> bool:
    text = str(value)
    try:
        float(text)
    except ValueError:
        return False
    return text.isascii() and "_" not in text  # Python alone takes 1_000 and digits of other scripts
