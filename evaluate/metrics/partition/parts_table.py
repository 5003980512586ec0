"""The tables of `python -m evaluate partition`: what pairs of networks explain alone and share, also of each unit."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from datamodules.files import locked, write_text
from evaluate.metrics.partition.network_parts import COLUMNS, KEY_COLUMNS, NOISE_CORRECTED, UNIT_COLUMNS
from evaluate.scoring.table import TableError

if TYPE_CHECKING:
    import pandas as pd

_LATER_COLUMNS = (NOISE_CORRECTED, "mean", "mean_error")
"""Columns that older tables lack."""


def read_parts(path: Path, columns: Sequence[str] = COLUMNS) -> pd.DataFrame:
    """Read a table.

    Args:
        path: File that `append_parts` wrote.
        columns: Its columns, `COLUMNS` or `UNIT_COLUMNS`.

    Returns:
        A frame with these columns; those that an older table lacks are empty.

    Raises:
        TableError: The file is no such table.
    """
    import pandas as pd

    numbers = {name: "nan" for name in ("value", "error", "mean", "mean_error")}
    try:
        texts = {name: str for name in columns if name not in numbers}
        table = pd.read_csv(path, dtype=texts, keep_default_na=False, na_values=numbers)
        later = {name: "" if name == NOISE_CORRECTED else float("nan") for name in _LATER_COLUMNS}
        table = table.assign(**{name: value for name, value in later.items() if name not in table.columns})
        return table[list(columns)]
    except (KeyError, ValueError) as error:
        raise TableError(f"{path} is no table of the command partition ({error}): choose another folder") from error


def append_parts(path: Path, rows: pd.DataFrame) -> Path:
    """Add rows, in place of those of the same networks, stages and benchmark; the file is complete at every moment.

    Args:
        path: File of the table; created with its folder if missing.
        rows: A frame with `COLUMNS` or `UNIT_COLUMNS`.

    Returns:
        The file.

    Raises:
        TableError: The file is no such table.
    """
    import pandas as pd

    columns = UNIT_COLUMNS if "unit" in rows.columns else COLUMNS
    key = [name for name in columns if name in (*KEY_COLUMNS, "unit")]
    rows = rows[list(columns)]
    path.parent.mkdir(parents=True, exist_ok=True)
    with locked(path):
        if path.exists():
            rows = pd.concat([read_parts(path, columns), rows], ignore_index=True)
        merged = rows.drop_duplicates(key, keep="last")
        write_text(path, merged.to_csv(index=False, na_rep="nan"), durable=True)
    return path
