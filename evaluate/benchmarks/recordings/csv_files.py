"""Read tables from CSV files without changing texts."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from evaluate.benchmarks.problems import BenchmarkError, shorten

if TYPE_CHECKING:
    import pandas as pd


def parse_csv(content: bytes, where: str, required: tuple[str, ...], texts: tuple[str, ...]) -> pd.DataFrame:
    """Read a CSV file.

    Args:
        content: The file in UTF-8, with a line of column names.
        where: Its path, for messages.
        required: Columns that it must have.
        texts: Columns to keep as text; other columns of numbers are converted.

    Returns:
        The table, in which empty texts stay empty.

    Raises:
        BenchmarkError: It cannot be read, has no rows, or lacks a column; the message names the file and the column.
    """
    import pandas as pd

    try:
        table = pd.read_csv(io.BytesIO(content), dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except (ValueError, pd.errors.ParserError) as error:  # ValueError includes text that is not UTF-8
        raise BenchmarkError(f"{where} cannot be read as a table: {str(error).strip()}") from error
    missing = [column for column in required if column not in table.columns]
    if missing:
        raise BenchmarkError(f"{where} lacks the column {shorten(missing)}; it has {shorten(list(table.columns), 10)}")
    if table.empty:
        raise BenchmarkError(f"{where} has no rows")
    for column in [column for column in table.columns if column not in texts]:
        table[column] = _as_numbers(table[column])
    return table


def _as_numbers(values: pd.Series) -> pd.Series:
    """Convert a column to numbers if all non-empty values are numbers."""
    import pandas as pd

    filled = values[values != ""]
    numbers = pd.to_numeric(filled, errors="coerce")
    if not len(filled) or numbers.isna().any():
        return values
    if numbers.dtype.kind == "f":
        numbers = filled.map(float)  # exact in the last digit, which pandas before 3 is not
    return pd.Series(numbers.reindex(values.index))
