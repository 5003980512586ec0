"""Stimuli and units out of a table with one row per response, where these have no tables of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evaluate.benchmarks.problems import BenchmarkError

if TYPE_CHECKING:
    import pandas as pd


def units_in_rows(rows: pd.DataFrame, where: str, table: str) -> pd.DataFrame:
    """List the units of the rows, in the order of their first responses.

    Args:
        rows: `subject, unit, region`, a row per response.
        where: File of the rows, for messages.
        table: The table of units that does not exist, for messages.

    Returns:
        Columns `unit`, `subject` and `region`, one row per unit of a subject.

    Raises:
        BenchmarkError: There is no column `region`, or a unit is in two regions.
    """
    if "region" not in rows.columns:
        raise BenchmarkError(
            f"{where} lacks the column 'region' and {table} does not exist: add the column, or give a table of units "
            "(unit, subject, region)"
        )
    return _one_each(rows, ["unit", "subject"], "region", where)


def stimuli_in_rows(rows: pd.DataFrame, where: str) -> pd.DataFrame:
    """List the stimuli of the rows, in the order of their first responses.

    Args:
        rows: `stimulus` and optionally `category`, a row per response.
        where: File of the rows, for messages.

    Returns:
        Columns `name` and, if the rows have it, `category`, one row per stimulus.

    Raises:
        BenchmarkError: A stimulus is in two categories.
    """
    if "category" not in rows.columns:
        return rows[["stimulus"]].drop_duplicates(ignore_index=True).rename(columns={"stimulus": "name"})
    return _one_each(rows, ["stimulus"], "category", where).rename(columns={"stimulus": "name"})


def _one_each(rows: pd.DataFrame, keys: list[str], column: str, where: str) -> pd.DataFrame:
    """The different keys, each with its one value of another column."""
    found = rows[[*keys, column]].drop_duplicates(ignore_index=True)
    again = found.duplicated(keys)
    if again.any():
        first = found[again].iloc[0]
        values = found.loc[(found[keys] == first[keys]).all(axis=1), column].unique()
        name = ", ".join(f"{key} {first[key]!r}" for key in keys)
        raise BenchmarkError(f"{where}: {name} has the {column} {values[0]!r} in one row and {values[1]!r} in another")
    return found
