"""Recordings in separate files of several kinds, to convert to one format."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from datamodules.tables import SEPARATORS
from datamodules.text_files import nfc
from evaluate.benchmarks.benchmark import Benchmark
from evaluate.benchmarks.problems import BenchmarkError, Problems, shorten
from evaluate.benchmarks.recordings.array_formats import read_responses_array
from evaluate.benchmarks.recordings.csv_files import first_non_number, parse_csv
from evaluate.benchmarks.recordings.recordings import UNIT_TEXTS, Metadata, make_recordings
from evaluate.benchmarks.sound_files import sounds_in_folder

if TYPE_CHECKING:
    import pandas as pd


_ROW_COLUMNS = ("stimulus", "subject", "unit", "response")
"""Columns of a table with one row per response; `repetition` is optional."""

REPETITION = "repetition"


def benchmark_from_parts(
    metadata: Metadata,
    *,
    responses: Path,
    units: Path,
    stimuli: Path,
    sounds: Path,
    variable: str | None = None,
    drop_incomplete: bool = False,
) -> Benchmark:
    """Build a benchmark from separate files.

    Args:
        metadata: Name and other properties.
        responses: `.npy`, `.npz` or `.mat` file with (stimuli, units, repetitions) or (stimuli, units), or table with
            one row per response: `stimulus, subject, unit, response` and optionally `repetition`. Missing rows and
            responses that are empty or `NA`, `NaN`, `n/a` are missing repetitions. Tables are CSV or TSV files.
        units: Table with one row per unit: `unit, subject, region`.
        stimuli: Table with one row per stimulus: `name` and optionally `category`.
        sounds: Folder with a sound file of its name for each stimulus.
        variable: Name of the array in a `.npz` or `.mat` file; None for `responses`, or the only one.
        drop_incomplete: Leave out units without any response to some stimulus, see `make_recordings`.

    Returns:
        The benchmark.

    Raises:
        BenchmarkError: A file is missing, damaged or inconsistent with another; `problems` lists all faults.
    """
    problems = Problems()
    unit_rows = problems.attempt(_read_csv, units, UNIT_TEXTS, UNIT_TEXTS)
    stimulus_rows = problems.attempt(_read_csv, stimuli, ("name",), ("name", "category"))
    names = [] if stimulus_rows is None else list(stimulus_rows["name"])
    found = problems.attempt(sounds_in_folder, sounds, names)
    array = None
    if responses.suffix.lower() in SEPARATORS:
        rows = problems.attempt(_read_csv, responses, _ROW_COLUMNS, ("stimulus", "subject", "unit", REPETITION))
        if rows is not None and unit_rows is not None and stimulus_rows is not None:
            array = problems.attempt(array_from_rows, rows, names, unit_rows, str(responses))
    else:
        array = problems.attempt(_read_responses, responses, variable)
    benchmark = None
    if unit_rows is not None and stimulus_rows is not None and found is not None and array is not None:
        parts = (metadata, stimulus_rows, unit_rows, array, found)
        benchmark = problems.attempt(make_recordings, *parts, drop_incomplete=drop_incomplete)
    problems.raise_any()
    if benchmark is None:
        raise BenchmarkError(f"{responses} cannot be read")
    return benchmark


def _read_responses(path: Path, variable: str | None) -> np.ndarray:
    if not path.is_file():
        raise BenchmarkError(f"{path} does not exist")
    return read_responses_array(path.read_bytes(), str(path), variable)


def array_from_rows(rows: pd.DataFrame, names: Sequence[str], units: pd.DataFrame, where: str) -> np.ndarray:
    """Arrange a table with one row per response as an array.

    Args:
        rows: `stimulus, subject, unit, response` and optionally `repetition`; without it, rows of the same stimulus and
            unit are repetitions in their order.
        names: S stimuli.
        units: V rows with `subject` and `unit`.
        where: File of the rows, for messages.

    Returns:
        (S, V, R) float64, NaN for missing rows.

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
    for places, what in ((stimulus, "stimulus"), (unit, "unit")):
        if (places < 0).any():
            unknown = list(dict.fromkeys(rows.loc[places < 0, what]))
            raise BenchmarkError(f"{where}: {len(unknown)} {what} names are not in their table: {shorten(unknown)}")
    if REPETITION in rows.columns:
        labels = list(dict.fromkeys(rows[REPETITION]))
        repetition = pd.Index(labels).get_indexer(pd.Index(rows[REPETITION]))
    else:
        repetition = rows.groupby([stimulus, unit]).cumcount().to_numpy()
    if rows["response"].dtype.kind not in "fiu":
        raise BenchmarkError(_not_numbers(rows["response"], where))
    cells = pd.DataFrame({"stimulus": stimulus, "unit": unit, "repetition": repetition})
    doubled = cells.duplicated().to_numpy()
    if doubled.any():
        first = rows.iloc[int(np.flatnonzero(doubled)[0])]
        raise BenchmarkError(
            f"{where}: {int(doubled.sum())} responses occur twice; the first is that of unit {first['unit']!r} "
            f"(subject {first['subject']!r}) to stimulus {first['stimulus']!r}, repetition {first[REPETITION]!r}"
        )
    array = np.full((len(names), len(units), int(repetition.max()) + 1), np.nan)
    array[stimulus, unit, repetition] = rows["response"].to_numpy(dtype=np.float64)
    return array


def _not_numbers(values: pd.Series, where: str) -> str:
    found = first_non_number(values)
    if found is None:
        return f"{where}: the column 'response' holds no number"
    return f"{where}, row {found[0]}: the column 'response' holds values that are no numbers, such as {found[1]!r}"


def _read_csv(path: Path, required: tuple[str, ...], texts: tuple[str, ...]) -> pd.DataFrame:
    if not path.is_file():
        raise BenchmarkError(f"{path} does not exist")
    return parse_csv(path.read_bytes(), str(path), required, texts)
