"""The format of a user's own recordings, a folder or a single file.

    benchmark.json      name, version, citation, unit_kind, unit_name, noise_corrected, participant_ceiling (or
                        benchmark.yaml); only name is required; with rate_hz (and start_s), the last axis of the
                        responses is time
    stimuli.csv         one row per stimulus, in the order of the responses: name and optionally category
    units.csv           one row per unit, in the order of the responses: unit, subject, region; more columns are kept
    responses.npy       numbers (stimuli, units, repetitions), or (stimuli, units); NaN is a missing repetition;
                        in time (stimuli, units, repetitions, bins), or (stimuli, units, bins)
    stimuli/NAME.wav    one WAV or FLAC file per stimulus

Instead of `responses.npy`, `responses.npz` or `responses.mat` with the array `responses`, or one array alone, is
accepted. The single file is a ZIP archive of the same files, named `.zip` or `.npz`. It contains no pickles.
"""

from __future__ import annotations

import logging
import zipfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np

from datamodules.text_files import TextFileError, decode_text, parse_json
from evaluate.benchmarks.benchmark import Benchmark, incomplete_units
from evaluate.benchmarks.problems import BenchmarkError, LoosePartsError, Problems, shorten
from evaluate.benchmarks.recordings.array_formats import ARRAY_SUFFIXES, RESPONSES_ARRAY, read_responses_array
from evaluate.benchmarks.recordings.containers import ARCHIVE_ERRORS, Container, open_container
from evaluate.benchmarks.recordings.csv_files import parse_csv
from evaluate.benchmarks.recordings.part_files import how_to_convert
from evaluate.benchmarks.sound_files import SoundFile, SoundSet, match_names
from networks.files.strict_yaml import StrictYamlError, parse_yaml

if TYPE_CHECKING:
    import pandas as pd


METADATA_FILES = ("benchmark.json", "benchmark.yaml", "benchmark.yml")
RESPONSES_FILES = tuple(f"{RESPONSES_ARRAY}{suffix}" for suffix in ARRAY_SUFFIXES)
TABLE_TO_ARRAY = "; `cochlearn evaluate convert --help` says how to make it of a table"
STIMULI_FILE = "stimuli.csv"
UNITS_FILE = "units.csv"
SOUNDS_FOLDER = "stimuli"

_log = logging.getLogger(__name__)

UNIT_TEXTS = ("unit", "subject", "region")
"""Columns of `units.csv` to keep as text, including `007` and `NA`."""


@dataclass(frozen=True)
class Metadata:
    """The content of `benchmark.json`.

    Attributes:
        name: Name of the benchmark, in tables and figures.
        version: Version, to be changed with the data.
        citation: The paper to cite.
        unit_kind: "voxel" or "component", see `Benchmark`.
        unit_name: What one unit is called, such as "neuron"; empty for "unit" or "component".
        noise_corrected: Whether scores are corrected for noise; None means if there are at least two repetitions.
        rate_hz: Time bins per second; None for responses without time.
        start_s: Start of the first bin in seconds from the onset of the sound; None for 0, or what a file says.
        participant_ceiling: Whether scores are also shown as a share of what other participants' responses explain.
    """

    name: str
    version: str = "1"
    citation: str = ""
    unit_kind: str = "voxel"
    unit_name: str = ""
    noise_corrected: bool | None = None
    rate_hz: float | None = None
    start_s: float | None = None
    participant_ceiling: bool | None = None


_NUMBERS = ("rate_hz", "start_s")
"""Entries of `Metadata` that are numbers."""
_SWITCHES = ("noise_corrected", "participant_ceiling")
"""Entries of `Metadata` that are true or false."""


def is_recordings(path: Path) -> bool:
    """Whether a path may be recordings: any file, or a folder with one of the format's own files."""
    own = (*METADATA_FILES, *RESPONSES_FILES, UNITS_FILE, STIMULI_FILE)
    return path.is_file() or any((path / name).is_file() for name in own)


def is_archive_of_recordings(path: Path) -> bool:
    """Whether an archive, which may be damaged, holds a whole benchmark rather than arrays alone."""
    try:
        with zipfile.ZipFile(path) as archive:
            return any(PurePosixPath(name).name in (*METADATA_FILES, STIMULI_FILE) for name in archive.namelist())
    except (*ARCHIVE_ERRORS, OSError):
        return False


def recordings_benchmark(path: str | Path, *, drop_incomplete: bool = False) -> Benchmark:
    """Build a benchmark from a user's own recordings.

    If a unit lacks repetitions of a stimulus, its other repetitions are moved to the front (`compact_repetitions`).
    Sounds are resampled to a network's rate, cut or zero-padded to its length, demeaned and set to RMS 0.1.

    Args:
        path: Folder or single file, in the format described in this module.
        drop_incomplete: Leave out units without any response to some stimulus, see `make_recordings`.

    Returns:
        The benchmark.

    Raises:
        BenchmarkError: A file is missing, damaged or inconsistent with another; `problems` lists all faults.
        AudioError: On first use of the stimuli, a sound cannot be decoded; the message names the file.
    """
    folder = Path(path)
    if folder.is_dir() and not any((folder / name).is_file() for name in METADATA_FILES):
        raise LoosePartsError(
            f"{folder} has no {METADATA_FILES[0]}, so it is no benchmark yet: {how_to_convert(folder)} makes one of it",
            folder,
        )
    container = open_container(folder, (*METADATA_FILES, *RESPONSES_FILES))
    problems = Problems()
    metadata = problems.attempt(_read_metadata, container)
    stimuli = problems.attempt(_read_stimuli, container)
    units = problems.attempt(_read_units, container)
    responses = problems.attempt(_read_responses, container, has_time=metadata is not None and bool(metadata.rate_hz))
    sounds = None if stimuli is None else problems.attempt(_find_sounds, container, list(stimuli["name"]))
    benchmark = None
    if metadata is not None and stimuli is not None and units is not None and responses is not None:
        parts = (metadata, stimuli, units, responses, sounds or SoundSet(()))
        benchmark = problems.attempt(make_recordings, *parts, drop_incomplete=drop_incomplete)
    problems.raise_any()
    if benchmark is None:
        raise BenchmarkError(f"{path} cannot be read")
    return benchmark


def make_recordings(
    metadata: Metadata,
    stimuli: pd.DataFrame,
    units: pd.DataFrame,
    responses: np.ndarray,
    sounds: SoundSet,
    *,
    drop_incomplete: bool = False,
) -> Benchmark:
    """Build a benchmark from the parts of recordings.

    Args:
        metadata: Name and other properties.
        stimuli: S rows with `name` and optionally `category`.
        units: V rows with `unit`, `subject`, `region`.
        responses: (S, V, R) or (S, V), NaN if missing; with a rate, (S, V, R, T) or (S, V, T).
        sounds: One per stimulus.
        drop_incomplete: Leave out units without any response to some stimulus, with a warning that counts them, instead
            of raising an error.

    Returns:
        The benchmark.

    Raises:
        BenchmarkError: The parts are inconsistent; `problems` lists all faults.
    """
    num_axes = 3 if metadata.rate_hz is None else 4
    repeated = np.expand_dims(responses, 2) if responses.ndim == num_axes - 1 else responses
    if repeated.ndim == num_axes and repeated.dtype.kind == "f":
        repeated = compact_repetitions(repeated)
        is_dropped = incomplete_units(repeated if num_axes == 3 else repeated.mean(axis=3))
        if drop_incomplete and is_dropped.all() and len(is_dropped) == len(units):
            raise BenchmarkError(
                f"benchmark {metadata.name!r}: all {len(units)} units have stimuli without any response, so that none "
                "is left; leave out those stimuli"
            )
        if drop_incomplete and is_dropped.any() and len(is_dropped) == len(units):
            _log.warning(
                "%d of %d units have stimuli without any response and are left out", sum(is_dropped), len(units)
            )
            repeated, units = repeated[:, ~is_dropped], units[~is_dropped]
    has_repetitions = repeated.ndim == num_axes and repeated.shape[2] > 1
    is_corrected = has_repetitions if metadata.noise_corrected is None else metadata.noise_corrected
    return Benchmark(
        name=metadata.name,
        version=metadata.version,
        stimulus_names=tuple(stimuli["name"]),
        waveforms=sounds,
        responses=repeated,
        units=units,
        categories=tuple(stimuli["category"]) if "category" in stimuli.columns else None,
        noise_corrected=is_corrected,
        citation=metadata.citation,
        unit_kind=metadata.unit_kind,  # type: ignore[arg-type]
        unit_name=metadata.unit_name,
        rate_hz=metadata.rate_hz,
        start_s=metadata.start_s or 0.0,
        participant_ceiling=bool(metadata.participant_ceiling),
    )


def compact_repetitions(responses: np.ndarray) -> np.ndarray:
    """Move the existing repetitions to the front, separately for each stimulus and unit.

    Repetitions of a stimulus are exchangeable. Reliability is the correlation between repetitions of all stimuli, so
    that a repetition with a gap cannot be used. Moved to the front, as many repetitions are complete as every stimulus
    has. Repetitions that are empty for all units are removed.

    Args:
        responses: (S, V, R) or, in time, (S, V, R, T); NaN if missing. A repetition without some bins is missing.

    Returns:
        (S, V, R') or (S, V, R', T) with R' from 1 to R; for each stimulus and unit, the responses in their order, then
        NaN.
    """
    is_missing = np.isnan(responses) if responses.ndim == 3 else np.isnan(responses).any(axis=3)
    if not is_missing.any():
        return responses
    # A stable sort keeps the order of the existing repetitions.
    order = np.argsort(is_missing, axis=2, kind="stable")
    compacted = np.take_along_axis(responses, order if responses.ndim == 3 else order[..., None], axis=2)
    num_used = int((~is_missing).sum(axis=2).max(initial=1))
    return compacted[:, :, : max(1, num_used)]


def _read_metadata(container: Container) -> Metadata:
    name = _first_of(container, METADATA_FILES)
    where = container.path(name)
    try:
        text = decode_text(container.read(name), where)
        content = parse_json(text, where) if name.endswith(".json") else parse_yaml(text, where)
    except StrictYamlError as error:
        raise BenchmarkError(str(error)) from error
    except TextFileError as error:
        raise BenchmarkError(f"{where} cannot be read: {str(error).removeprefix(where).lstrip(': ')}") from error
    except (ValueError, RecursionError) as error:
        raise BenchmarkError(f"{where} cannot be read: {error}") from error
    return parse_metadata(content, where)


def parse_metadata(content: Any, where: str) -> Metadata:
    """Check the content of a metadata file.

    Args:
        content: Plain values.
        where: The file, for messages.

    Returns:
        The metadata.

    Raises:
        BenchmarkError: An entry is unknown, missing or of the wrong type; the message names it.
    """
    if not isinstance(content, dict):
        raise BenchmarkError(f"{where} holds a {type(content).__name__}, expected entries, at least `name`")
    known = Metadata.__dataclass_fields__
    unknown = [key for key in content if key not in known]
    if unknown:
        raise BenchmarkError(f"{where}: unknown entry {shorten(unknown)}; known are {shorten(list(known), 10)}")
    if "name" not in content:
        raise BenchmarkError(f"{where} lacks the entry 'name'")
    for key in _SWITCHES:
        value = content.get(key)
        if value is not None and not isinstance(value, bool):
            raise BenchmarkError(f"{where}: {key} must be true or false, got {value!r}")
    for key in _NUMBERS:
        value = content.get(key)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
            raise BenchmarkError(f"{where}: {key} must be a number, got {value!r}")
    others = {key: value for key, value in content.items() if key not in (*_SWITCHES, *_NUMBERS)}
    for key, value in others.items():
        if not isinstance(value, str | int) or isinstance(value, bool):  # 1.10 would be 1.1, and a name `on` True
            raise BenchmarkError(f"{where}: {key} must be a text, got {value!r}; write it in quotes")
    entries: dict[str, Any] = {key: str(value) for key, value in others.items()}
    entries |= {key: float(content[key]) for key in _NUMBERS if content.get(key) is not None}
    return Metadata(**entries | {key: content.get(key) for key in _SWITCHES})


def _read_stimuli(container: Container) -> pd.DataFrame:
    return parse_csv(container.read(STIMULI_FILE), container.path(STIMULI_FILE), ("name",), ("name", "category"))


def _read_units(container: Container) -> pd.DataFrame:
    return parse_csv(container.read(UNITS_FILE), container.path(UNITS_FILE), UNIT_TEXTS, UNIT_TEXTS)


def _read_responses(container: Container, *, has_time: bool) -> np.ndarray:
    name = _first_of(container, RESPONSES_FILES, todo=TABLE_TO_ARRAY)
    responses = read_responses_array(container.read(name), container.path(name))
    if responses.dtype.kind not in "fiu" or responses.ndim not in ((3, 4) if has_time else (2, 3)):
        axes = "repetitions, bins) or (stimuli, units, bins" if has_time else "repetitions) or (stimuli, units"
        hint = "; with rate_hz in the metadata, the last axis is time" if responses.ndim == 4 else ""
        raise BenchmarkError(
            f"{container.path(name)} holds {responses.dtype} of shape {responses.shape}, expected numbers "
            f"(stimuli, units, {axes}){hint}"
        )
    return responses


def _find_sounds(container: Container, names: list[str]) -> SoundSet:
    parts = [PurePosixPath(name) for name in container.names()]
    existing = [part.name for part in parts if part.parent == PurePosixPath(SOUNDS_FOLDER)]
    files = [f"{SOUNDS_FOLDER}/{name}" for name in match_names(names, existing, container.path(SOUNDS_FOLDER))]
    return SoundSet([SoundFile(container.path(file), partial(container.read, file)) for file in files])


def _first_of(container: Container, options: tuple[str, ...], *, todo: str = "") -> str:
    """Find the first of some files that exists."""
    existing = set(container.names())
    found = next((name for name in options if name in existing), None)
    if found is None:
        raise BenchmarkError(f"{container.path(options[0])} does not exist (nor {shorten(options[1:])}){todo}")
    return found
