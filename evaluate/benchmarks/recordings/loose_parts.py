"""Recordings in separate files of several kinds, to convert to one format."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from datamodules.expansion import ExpansionError, check_expansion
from datamodules.folders.sound_folders import missing_target
from datamodules.tables import SEPARATORS
from datamodules.text_files import nfc
from evaluate.benchmarks.benchmark import Benchmark
from evaluate.benchmarks.inspection import inspect_benchmark
from evaluate.benchmarks.problems import BenchmarkError, Problems, shorten
from evaluate.benchmarks.recordings.array_formats import (
    SEVERAL_ARRAYS,
    open_arrays,
    read_responses_array,
    responses_of,
)
from evaluate.benchmarks.recordings.array_tables import RESPONSES, stimuli_of, units_of
from evaluate.benchmarks.recordings.array_variables import Variables
from evaluate.benchmarks.recordings.csv_files import first_non_number, parse_csv
from evaluate.benchmarks.recordings.part_files import parts_in, sounds_in
from evaluate.benchmarks.recordings.recordings import UNIT_TEXTS, Metadata, make_recordings
from evaluate.benchmarks.recordings.response_rows import stimuli_in_rows, units_in_rows
from evaluate.benchmarks.recordings.timed_files import READERS, read_timed
from evaluate.benchmarks.sound_files import SoundSet, sounds_in_folder
from networks.text.wording import counted

if TYPE_CHECKING:
    import pandas as pd


_ROW_COLUMNS = ("stimulus", "subject", "unit", "response")
"""Columns of a table with one row per response; `repetition` is optional."""

REPETITION = "repetition"
BIN = "bin"
"""Columns that number repetitions, and the time bins from 0, of a table with one row per response."""
_ROW_TEXTS = ("stimulus", "category", "subject", "unit", "region", REPETITION)
"""Columns of such a table that stay text."""
_FLOAT_BYTES = 8


def benchmark_from_parts(
    metadata: Metadata,
    *,
    responses: Path,
    units: Path,
    stimuli: Path,
    sounds: Path,
    variables: Mapping[str, str] | None = None,
    drop_incomplete: bool = False,
) -> Benchmark:
    """Build a benchmark from separate files.

    Args:
        metadata: Name and other properties.
        responses: `.npy`, `.npz` or `.mat` file with (stimuli, units, repetitions) or (stimuli, units); with a rate in
            `metadata`, bins are one more axis. Or table with one row per response: `stimulus, subject, unit, response`
            and optionally `repetition` and, in time, `bin`. Missing rows and responses that are empty or `NA`, `NaN`,
            `n/a` are missing repetitions. Tables are CSV or TSV files. Or a file that says what its axes are, see
            `timed_files`.
        units: Table with one row per unit: `unit, subject, region`. If it is missing, these are arrays in the `.npz` or
            `.mat` file of the responses, or columns of their table.
        stimuli: Table with one row per stimulus: `name` and optionally `category`. If it is missing, as for `units`.
        sounds: Folder with a sound file of its name for each stimulus.
        variables: Names of the arrays in a `.npz` or `.mat` file, see `array_tables.USUAL_NAMES`; by default, these,
            and the only array of numbers is the responses.
        drop_incomplete: Leave out units without any response to some stimulus, see `make_recordings`.

    Returns:
        The benchmark.

    Raises:
        BenchmarkError: A file is missing, damaged or inconsistent with another; `problems` lists all faults.
    """
    problems = Problems()
    named = variables or {}
    if responses.suffix.lower() in READERS:
        return _benchmark_of_timed(
            metadata,
            responses,
            units=units,
            stimuli=stimuli,
            sounds=sounds,
            variables=named,
            drop_incomplete=drop_incomplete,
        )
    arrays = rows = None
    if responses.suffix.lower() in SEVERAL_ARRAYS:
        arrays = problems.attempt(_open_arrays, responses)
    if responses.suffix.lower() in SEPARATORS:
        rows = problems.attempt(_read_csv, responses, _ROW_COLUMNS, _ROW_TEXTS)
    unit_rows = problems.attempt(_units, units, arrays, rows, named, str(responses))
    stimulus_rows = problems.attempt(_stimuli, stimuli, arrays, rows, named, str(responses))
    names = [] if stimulus_rows is None else list(stimulus_rows["name"])
    found = problems.attempt(sounds_in_folder, sounds, names)
    array = None
    if responses.suffix.lower() in SEPARATORS:
        if rows is not None and unit_rows is not None and stimulus_rows is not None:
            has_time = metadata.rate_hz is not None
            array = problems.attempt(array_from_rows, rows, names, unit_rows, str(responses), has_time=has_time)
    elif responses.suffix.lower() not in SEVERAL_ARRAYS:
        array = problems.attempt(_read_npy, responses)
    elif arrays is not None:
        array = problems.attempt(responses_of, arrays, str(responses), named.get(RESPONSES))
    benchmark = None
    if unit_rows is not None and stimulus_rows is not None and array is not None:
        parts = (metadata, stimulus_rows, unit_rows, array, found or SoundSet(()))
        benchmark = problems.attempt(make_recordings, *parts, drop_incomplete=drop_incomplete)
    problems.raise_any()
    if benchmark is None:
        raise BenchmarkError(f"{responses} cannot be read")
    return benchmark


def problems_of_parts(folder: Path) -> tuple[str, ...]:
    """List all problems of recordings in separate files, also of their sounds; none if there are no responses yet.

    Args:
        folder: Folder of the files, with their usual names.
    """
    paths = parts_in(folder)
    if not paths["responses"].exists():
        return ()
    paths["sounds"] = paths["sounds"] if paths["sounds"].exists() else sounds_in(folder) or paths["sounds"]
    try:
        benchmark = benchmark_from_parts(
            Metadata(name=folder.resolve().name),
            responses=paths["responses"],
            units=paths["units"],
            stimuli=paths["stimuli"],
            sounds=paths["sounds"],
        )
        return inspect_benchmark(benchmark).problems
    except BenchmarkError as error:
        return error.problems


def _benchmark_of_timed(
    metadata: Metadata,
    responses: Path,
    *,
    units: Path,
    stimuli: Path,
    sounds: Path,
    variables: Mapping[str, str],
    drop_incomplete: bool,
) -> Benchmark:
    """Build a benchmark from a file that says what its axes are; tables, if they exist, replace what it says."""
    found = read_timed(responses, variables)
    problems = Problems()
    rows: pd.DataFrame | None = found.units
    if units.exists():
        rows = problems.attempt(_read_csv, units, UNIT_TEXTS, UNIT_TEXTS)
    names: pd.DataFrame | None = found.stimuli
    if stimuli.is_file():
        names = problems.attempt(_read_csv, stimuli, ("name",), ("name", "category"))
    heard = None if names is None else problems.attempt(sounds_in_folder, sounds, list(names["name"]))
    problems.raise_any()
    if names is None or rows is None or heard is None:
        raise BenchmarkError(f"{responses} cannot be read")
    rate_hz = metadata.rate_hz or found.rate_hz
    start_s = found.start_s if metadata.start_s is None else metadata.start_s
    metadata = replace(metadata, rate_hz=rate_hz, start_s=start_s)
    return make_recordings(metadata, names, rows, found.responses, heard, drop_incomplete=drop_incomplete)


def _units(
    path: Path, arrays: Variables | None, rows: pd.DataFrame | None, named: Mapping[str, str], where: str
) -> pd.DataFrame:
    """The table of units or, if it is missing, what the file of the responses has of it."""
    if arrays is not None and not path.exists():
        return units_of(arrays, named, where)
    if rows is not None and not path.exists():
        return units_in_rows(rows, where, str(path))
    return _read_csv(path, UNIT_TEXTS, UNIT_TEXTS)


def _stimuli(
    path: Path, arrays: Variables | None, rows: pd.DataFrame | None, named: Mapping[str, str], where: str
) -> pd.DataFrame:
    """The table of stimuli, as `_units`."""
    if arrays is not None and not path.exists():
        return stimuli_of(arrays, named, where)
    if rows is not None and not path.exists():
        return stimuli_in_rows(rows, where)
    return _read_csv(path, ("name",), ("name", "category"))


def _read_npy(path: Path) -> np.ndarray:
    return read_responses_array(_content(path), str(path))


def _open_arrays(path: Path) -> Variables:
    return open_arrays(_content(path), str(path))


def _check_file(path: Path) -> None:
    if not path.is_file():
        link = missing_target(path)
        raise BenchmarkError(f"{path}: {link}" if link else f"{path} does not exist")


def _content(path: Path) -> bytes:
    _check_file(path)
    return path.read_bytes()


def array_from_rows(
    rows: pd.DataFrame, names: Sequence[str], units: pd.DataFrame, where: str, *, has_time: bool = False
) -> np.ndarray:
    """Arrange a table with one row per response as an array.

    Args:
        rows: `stimulus, subject, unit, response` and optionally `repetition`; without it, rows of the same stimulus and
            unit are repetitions in their order.
        names: S stimuli.
        units: V rows with `subject` and `unit`.
        where: File of the rows, for messages.
        has_time: Whether rows are of time bins, numbered from 0 by the column `bin`.

    Returns:
        (S, V, R) float64, or (S, V, R, T) with time; NaN for missing rows.

    Raises:
        BenchmarkError: A stimulus or unit is unknown, a repetition occurs twice, or a response is not a number; the
            message names it.
    """
    import pandas as pd

    stimuli = pd.Index([nfc(name) for name in names])
    keys = pd.MultiIndex.from_frame(units[["subject", "unit"]])
    if not stimuli.is_unique or not keys.is_unique:
        raise BenchmarkError(f"{where}: the tables of stimuli and units must have each stimulus and unit once")
    stimulus = stimuli.get_indexer(pd.Index(rows["stimulus"].map(nfc)))
    unit = keys.get_indexer(pd.MultiIndex.from_frame(rows[["subject", "unit"]]))
    for found, what in ((stimulus, "stimulus"), (unit, "unit")):
        if (found < 0).any():
            unknown = list(dict.fromkeys(rows.loc[found < 0, what]))
            raise BenchmarkError(
                f"{where}: {counted(len(unknown), f'{what} name', 'is')} not in the table: {shorten(unknown)}"
            )
    time = _bins(rows, where, has_time=has_time)
    if REPETITION in rows.columns:
        labels = list(dict.fromkeys(rows[REPETITION]))
        repetition = pd.Index(labels).get_indexer(pd.Index(rows[REPETITION]))
    else:
        repetition = rows.groupby([stimulus, unit, *time]).cumcount().to_numpy()
    if rows["response"].dtype.kind not in "fiu":
        raise BenchmarkError(_not_numbers(rows["response"], where))
    places = (stimulus, unit, repetition, *time)
    cells = pd.DataFrame(dict(enumerate(places)))
    doubled = cells.duplicated().to_numpy()
    if doubled.any():
        first = rows.iloc[int(np.flatnonzero(doubled)[0])]
        where_in = "".join(f", {column} {first[column]!r}" for column in (REPETITION, BIN) if column in rows.columns)
        raise BenchmarkError(
            f"{where}: {counted(int(doubled.sum()), 'response', 'occurs')} twice; the first is that of unit "
            f"{first['unit']!r} "
            f"(subject {first['subject']!r}) to stimulus {first['stimulus']!r}{where_in}"
        )
    shape = (len(names), len(units), *(int(place.max()) + 1 for place in places[2:]))
    _check_filled(shape, len(rows), where)
    array = np.full(shape, np.nan)
    array[places] = rows["response"].to_numpy(dtype=np.float64)
    return array


def _bins(rows: pd.DataFrame, where: str, *, has_time: bool) -> list[np.ndarray]:
    """The bin of each row, as a list of one; empty without time."""
    if has_time != (BIN in rows.columns):
        raise BenchmarkError(
            f"{where}: responses in time need the column {BIN!r}, which numbers the bins from 0"
            if has_time
            else f"{where}: responses with the column {BIN!r} need their rate: give --rate_hz"
        )
    if not has_time:
        return []
    if rows[BIN].dtype.kind not in "iu" or int(rows[BIN].min()) < 0:
        raise BenchmarkError(f"{where}: the column {BIN!r} must number the bins from 0, in whole numbers")
    return [rows[BIN].to_numpy()]


def _check_filled(shape: tuple[int, ...], num_rows: int, where: str) -> None:
    """Refuse responses that nearly all are missing, as a table of few rows can name an array of any size."""
    try:
        check_expansion(math.prod(shape) * _FLOAT_BYTES, num_rows * _FLOAT_BYTES)
    except ExpansionError as error:
        raise BenchmarkError(f"{where}: {num_rows} responses for an array of shape {shape}: {error}") from error


def _not_numbers(values: pd.Series, where: str) -> str:
    found = first_non_number(values)
    if found is None:
        return f"{where}: the column 'response' holds no number"
    return f"{where}, row {found[0]}: the column 'response' holds values that are no numbers, such as {found[1]!r}"


def _read_csv(path: Path, required: tuple[str, ...], texts: tuple[str, ...]) -> pd.DataFrame:
    _check_file(path)
    return parse_csv(path.read_bytes(), str(path), required, texts)
