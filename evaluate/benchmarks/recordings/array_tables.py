"""Stimuli and units out of the file that has the responses, where these have no tables of their own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from evaluate.benchmarks.problems import BenchmarkError, shorten
from evaluate.benchmarks.recordings.array_variables import Variables, texts_of

if TYPE_CHECKING:
    import pandas as pd

RESPONSES = "responses"
USUAL_NAMES = {
    RESPONSES: (RESPONSES,),
    "name": ("name", "names", "stimulus", "stimuli", "stimuli.name"),
    "category": ("category", "categories", "stimuli.category"),
    "unit": ("unit", "units", "units.unit"),
    "subject": ("subject", "subjects", "units.subject"),
    "region": ("region", "regions", "units.region"),
}
"""What each array is called unless it is named: the responses, and the columns of `stimuli.csv` and `units.csv`."""


def parse_names(options: list[str]) -> dict[str, str]:
    """Read which array is what, from `NAME` for the responses or `PART=NAME`.

    Args:
        options: As on the command line.

    Returns:
        Names by part, see `USUAL_NAMES`.

    Raises:
        BenchmarkError: A part is unknown, or named twice.
    """
    names: dict[str, str] = {}
    for option in options:
        part, is_pair, name = option.partition("=")
        part, name = (part, name) if is_pair else (RESPONSES, option)
        if part not in USUAL_NAMES or not name:
            raise BenchmarkError(f"expected NAME, or PART=NAME with one of {', '.join(USUAL_NAMES)}, got {option!r}")
        if part in names:
            raise BenchmarkError(f"two arrays are named for {part}: {names[part]!r} and {name!r}")
        names[part] = name
    return names


def stimuli_of(variables: Variables, names: Mapping[str, str], where: str) -> pd.DataFrame:
    """The table of stimuli: columns `name` and, if there is such an array, `category`.

    Args:
        variables: The arrays of the file.
        names: Which array is what.
        where: The file, for messages.

    Raises:
        BenchmarkError: An array is missing, holds something else, or has another length.
    """
    return _table(variables, names, where, required=("name",), optional=("category",))


def units_of(variables: Variables, names: Mapping[str, str], where: str) -> pd.DataFrame:
    """The table of units: columns `unit`, `subject` and `region`; for arguments and errors see `stimuli_of`.

    A subject or region of one value is that of all units.
    """
    return _table(variables, names, where, required=("unit", "subject", "region"), repeated=("subject", "region"))


def _table(
    variables: Variables,
    names: Mapping[str, str],
    where: str,
    *,
    required: tuple[str, ...],
    optional: tuple[str, ...] = (),
    repeated: tuple[str, ...] = (),
) -> pd.DataFrame:
    import pandas as pd

    columns: dict[str, list[str]] = {}
    for part in (*required, *optional):
        name = _found(variables, names, part, where, is_needed=part in required)
        if name is not None:
            columns[part] = texts_of(variables[name], f"{where}, {name}")
    num_rows = len(columns[required[0]])
    for part, values in columns.items():
        if part in repeated and len(values) == 1:
            columns[part] = values * num_rows
        elif len(values) != num_rows:
            raise BenchmarkError(f"{where}: there are {num_rows} values of {required[0]}, but {len(values)} of {part}")
    return pd.DataFrame(columns, dtype=str)


def _found(variables: Variables, names: Mapping[str, str], part: str, where: str, *, is_needed: bool) -> str | None:
    options = (names[part],) if part in names else USUAL_NAMES[part]
    found = next((option for option in options if option in variables), None)
    if found is None and (is_needed or part in names):
        raise BenchmarkError(
            f"{where} lacks the array {options[0]!r}; it has {shorten(list(variables), 10)}. Name the array "
            f"with --variable {part}=NAME, or give a table; save MATLAB's strings as cellstr(...), its tables as arrays"
        )
    return found
