"""The format of a user's own recordings, a folder or a single file.

    benchmark.json      name, version, citation, unit_kind, noise_corrected (or benchmark.yaml); only name is required
    stimuli.csv         one row per stimulus, in the order of the responses: name and optionally category
    units.csv           one row per unit, in the order of the responses: unit, subject, region; more columns are kept
    responses.npy       numbers (stimuli, units, repetitions), or (stimuli, units); NaN is a missing repetition
    stimuli/NAME.wav    one WAV or FLAC file per stimulus

Instead of `responses.npy`, `responses.npz` or `responses.mat` with the array `responses`, or one array alone, is
accepted. The single file is a ZIP archive of
the same files, named `.zip` or `.npz`. It contains no pickles.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np

from datamodules.text_files import TextFileError, decode_text, parse_json
from evaluate.benchmarks.benchmark import Benchmark, incomplete_units
from evaluate.benchmarks.problems import BenchmarkError, Problems, shorten
from evaluate.benchmarks.recordings.array_formats import ARRAY_SUFFIXES, RESPONSES_ARRAY, read_responses_array
from evaluate.benchmarks.recordings.containers import Container, open_container
from evaluate.benchmarks.recordings.csv_files import parse_csv
from evaluate.benchmarks.sound_files import SoundFile, SoundSet, match_names
from networks.strict_yaml import StrictYamlError, parse_yaml

if TYPE_CHECKING:
    import pandas as pd


METADATA_FILES = ("benchmark.json", "benchmark.yaml", "benchmark.yml")
RESPONSES_FILES = tuple(f"{RESPONSES_ARRAY}{suffix}" for suffix in ARRAY_SUFFIXES)
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
        noise_corrected: Whether scores are corrected for noise; None means if there are at least two repetitions.
    """

    name: str
    version: str = "1"
    citation: str = ""
    unit_kind: str = "voxel"
    noise_corrected: bool | None = None


def is_recordings(path: Path) -> bool:
    """Whether a path may be recordings: any file, or a folder with one of the format's own files."""
    own = (*METADATA_FILES, *RESPONSES_FILES, UNITS_FILE, STIMULI_FILE)
    return path.is_file() or any((path / name).is_file() for name in own)


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
    container = open_container(Path(path), (*METADATA_FILES, *RESPONSES_FILES))
    problems = Problems()
    metadata = problems.attempt(_read_metadata, container)
    stimuli = problems.attempt(_read_stimuli, container)
    units = problems.attempt(_read_units, container)
    responses = problems.attempt(_read_responses, container)
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
        responses: (S, V, R) or (S, V), NaN if missing.
        sounds: One per stimulus.
        drop_incomplete: Leave out units without any response to some stimulus, with a warning that counts them, instead
            of raising an error.

    Returns:
        The benchmark.

    Raises:
        BenchmarkError: The parts are inconsistent; `problems` lists all faults.
    """
    repeated = responses[:, :, None] if responses.ndim == 2 else responses
    if repeated.ndim == 3 and repeated.dtype.kind == "f":
        repeated = compact_repetitions(repeated)
        is_dropped = incomplete_units(repeated)
        if drop_incomplete and is_dropped.any() and len(is_dropped) == len(units):
            _log.warning(
                "%d of %d units have stimuli without any response and are left out", sum(is_dropped), len(units)
            )
            repeated, units = repeated[:, ~is_dropped], units[~is_dropped]
    has_repetitions = repeated.ndim == 3 and repeated.shape[2] > 1
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
    )


def compact_repetitions(responses: np.ndarray) -> np.ndarray:
    """Move the existing repetitions to the front, separately for each stimulus and unit.

    Repetitions of a stimulus are exchangeable. Reliability is the correlation between repetitions of all stimuli, so
    that a repetition with a gap cannot be used. Moved to the front, as many repetitions are complete as every stimulus
    has. Repetitions that are empty for all units are removed.

    Args:
        responses: (S, V, R), NaN if missing.

    Returns:
        (S, V, R') with R' from 1 to R; for each stimulus and unit, the responses in their order, then NaN.
    """
    is_missing = np.isnan(responses)
    if not is_missing.any():
        return responses
    # A stable sort keeps the order of the existing repetitions.
    order = np.argsort(is_missing, axis=2, kind="stable")
    compacted = np.take_along_axis(responses, order, axis=2)
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
    is_corrected = content.get("noise_corrected")
    if is_corrected is not None and not isinstance(is_corrected, bool):
        raise BenchmarkError(f"{where}: noise_corrected must be true or false, got {is_corrected!r}")
    for key, value in content.items():
        if key != "noise_corrected" and not isinstance(value, str | int | float):
            raise BenchmarkError(f"{where}: {key} must be a text, got {value!r}")
    texts = {key: str(value) for key, value in content.items() if key != "noise_corrected"}
    return Metadata(**texts, noise_corrected=is_corrected)


def _read_stimuli(container: Container) -> pd.DataFrame:
    return parse_csv(container.read(STIMULI_FILE), container.path(STIMULI_FILE), ("name",), ("name", "category"))


def _read_units(container: Container) -> pd.DataFrame:
    return parse_csv(container.read(UNITS_FILE), container.path(UNITS_FILE), UNIT_TEXTS, UNIT_TEXTS)


def _read_responses(container: Container) -> np.ndarray:
    name = _first_of(container, RESPONSES_FILES)
    responses = read_responses_array(container.read(name), container.path(name))
    if responses.dtype.kind not in "fiu" or responses.ndim not in (2, 3):
        raise BenchmarkError(
            f"{container.path(name)} holds {responses.dtype} of shape {responses.shape}, expected numbers "
            "(stimuli, units, repetitions) or (stimuli, units)"
        )
    return responses


def _find_sounds(container: Container, names: list[str]) -> SoundSet:
    parts = [PurePosixPath(name) for name in container.names()]
    existing = [part.name for part in parts if part.parent == PurePosixPath(SOUNDS_FOLDER)]
    files = [f"{SOUNDS_FOLDER}/{name}" for name in match_names(names, existing, container.path(SOUNDS_FOLDER))]
    return SoundSet([SoundFile(container.path(file), partial(container.read, file)) for file in files])


def _first_of(container: Container, options: tuple[str, ...]) -> str:
    """Find the first of some files that exists."""
    existing = set(container.names())
    found = next((name for name in options if name in existing), None)
    if found is None:
        raise BenchmarkError(f"{container.path(options[0])} does not exist (nor {shorten(options[1:])})")
    return found
