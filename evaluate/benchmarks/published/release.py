"""The data published with Tuckute, Feather et al. 2023: NH2015, B2021 and NH2015comp.

The release unpacks to `neural/NAME/` and `stimuli/165_natural_sounds/`. It is read without changes, and none of its
code or pickles are run.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from evaluate.benchmarks.benchmark import Benchmark
from evaluate.benchmarks.problems import BenchmarkError, Problems, shorten
from evaluate.benchmarks.published.natural_sounds import COMPONENTS_FILE, NH2015_CITATION, read_components
from evaluate.benchmarks.published.units import match_table, unit_table
from evaluate.benchmarks.recordings.matlab_files import cell_strings, read_matlab
from evaluate.benchmarks.recordings.npy_files import read_npy
from evaluate.benchmarks.sound_files import SoundSet, sounds_in_folder
from networks.text.wording import counted

if TYPE_CHECKING:
    import pandas as pd


NH2015, B2021, NH2015COMP = "NH2015", "B2021", "NH2015comp"
RELEASE_NAMES = (NH2015, B2021, NH2015COMP)

NEURAL_FOLDER = "neural"
_SOUNDS_FOLDER = Path("stimuli", "165_natural_sounds")
_STIMULI_FILE = "neural_stim_meta.npy"
RESPONSES_FILE = "voxel_features_array.npy"
VOXELS_FILE = "voxel_features_meta.npy"
TABLE_FILE = "df_roi_meta.pkl"
B2021_SOUNDS_FILE = "stim_info_v4.mat"

FILE_NAME_FIELD, CATEGORY_FIELD = 0, 4
"""Fields of a row of `neural_stim_meta.npy` with the file name and the category of a sound."""

NUM_REPETITIONS_FIELD = "n_reps"
_NUM_REPETITIONS = 3
"""Voxels with fewer repetitions are left out of NH2015, as in the paper."""

_VERSION = "1"
"""Increase it when the release is read differently."""

TUCKUTE_CITATION = (
    "Tuckute, G., Feather, J., Boebinger, D. & McDermott, J. H. (2023). Many but not all deep neural network audio "
    "models capture brain responses and exhibit correspondence between model stages and brain regions. PLoS Biology "
    "21(12), e3002366. doi:10.1371/journal.pbio.3002366"
)
B2021_CITATION = (
    "Boebinger, D., Norman-Haignere, S. V., McDermott, J. H. & Kanwisher, N. (2021). Music-selective neural "
    "populations arise without musical training. Journal of Neurophysiology 125, 2237-2263. doi:10.1152/jn.00588.2020"
)
DATA_CITATIONS = {NH2015: NH2015_CITATION, B2021: B2021_CITATION, NH2015COMP: NH2015_CITATION}


class PublishedSize(NamedTuple):
    """Size of a published data set, as given in the paper."""

    num_stimuli: int
    num_units: int
    num_subjects: int


PUBLISHED_SIZES = {
    NH2015: PublishedSize(165, 7694, 8),
    B2021: PublishedSize(165, 26792, 20),
    NH2015COMP: PublishedSize(165, 6, 1),
}
"""Tuckute, Feather et al. 2023, Methods. The components are those of all participants together."""


class _Stimuli(NamedTuple):
    names: tuple[str, ...]
    categories: tuple[str, ...]


class _Heard(NamedTuple):
    """Stimuli that all data sets share; None for those that could not be read."""

    stimuli: _Stimuli | None
    sounds: SoundSet | None


def find_release_folder(name_or_path: str | Path) -> Path | None:
    """Find one data set of the release.

    Args:
        name_or_path: `ROOT:NAME`, such as `data:NH2015`, where ROOT is the unpacked release (the folder with `neural/`)
            or a folder that contains it as `data/`; or the path of the data set itself, such as `data/neural/NH2015`.

    Returns:
        The data set's folder; None if this is not a name or folder of the release.

    Raises:
        BenchmarkError: In `ROOT:NAME`, ROOT does not contain NAME.
    """
    root, separator, name = str(name_or_path).rpartition(":")
    if separator and name in RELEASE_NAMES:
        options = [Path(root, *inner, NEURAL_FOLDER, name) for inner in ((), ("data",))]
        found = next((option for option in options if option.is_dir()), None)
        if found is None:
            tried = " nor ".join(str(option) for option in options)
            raise BenchmarkError(
                f"{name_or_path}: there is neither {tried}; expected {root} to be the folder of the unpacked release"
            )
        return found
    folder = Path(name_or_path)
    is_voxels = (folder / RESPONSES_FILE).exists() or (folder / VOXELS_FILE).exists()
    is_components = folder.name == NH2015COMP and (folder / COMPONENTS_FILE).exists()
    return folder if is_voxels or is_components else None


def data_sets_in(root: Path) -> list[str]:
    """List the data sets in a folder as `ROOT:NAME`, for `load_benchmark`; none if it is not the release."""
    folders = [root / NEURAL_FOLDER, root / "data" / NEURAL_FOLDER]
    return [f"{root}:{name}" for name in RELEASE_NAMES if any((folder / name).is_dir() for folder in folders)]


def release_benchmark(folder: str | Path) -> Benchmark:
    """Build the benchmark of one data set of the release, which is identified by the files in its folder.

    Args:
        folder: `neural/NH2015`, `neural/B2021` or `neural/NH2015comp`. The sounds and their list are read from
            `../../stimuli/165_natural_sounds` and `../NH2015`, relative to it.

    Returns:
        The benchmark, with sounds in the order of NH2015.

    Raises:
        BenchmarkError: A file or sound is missing, damaged or inconsistent with another; the message names it, and
            `problems` lists all faults.
        AudioError: On first use of the stimuli, a sound cannot be decoded; the message names the file.
    """
    folder = Path(folder).absolute()
    problems = Problems()
    stimuli = problems.attempt(_read_stimuli, folder.parent / NH2015 / _STIMULI_FILE)
    sounds = None
    if stimuli is not None:
        sounds = problems.attempt(sounds_in_folder, folder.parent.parent / _SOUNDS_FOLDER, stimuli.names)
    build = _voxels_2015
    if (folder / COMPONENTS_FILE).exists():
        build = _components
    elif (folder / B2021_SOUNDS_FILE).exists():
        build = _voxels_2021
    return build(folder, _Heard(stimuli, sounds), problems)


def _voxels_2015(folder: Path, heard: _Heard, problems: Problems) -> Benchmark:
    """Build NH2015: voxels with three repetitions, identified by participant and number."""
    responses = problems.attempt(_read_responses, folder)
    voxels = problems.attempt(_read_voxels, folder / VOXELS_FILE, ("voxel_id", "subj_idx", NUM_REPETITIONS_FIELD))
    table = problems.attempt(unit_table, folder / TABLE_FILE)
    units = None
    if voxels is not None:
        is_kept = (voxels[NUM_REPETITIONS_FIELD] == _NUM_REPETITIONS).to_numpy()
        if responses is not None:
            with problems.collected():
                _check_counts(folder, responses, len(voxels))
                responses = responses[:, is_kept]
        if table is not None:
            kept = voxels.loc[is_kept, ["voxel_id", "subj_idx"]]
            units = problems.attempt(match_table, table, kept, folder / TABLE_FILE)
    return _benchmark(NH2015, heard, responses, units, problems)


def _voxels_2021(folder: Path, heard: _Heard, problems: Problems) -> Benchmark:
    """Build B2021: its first sounds are those of NH2015, and voxels are numbered across participants."""
    responses = problems.attempt(_read_responses, folder)
    voxels = problems.attempt(_read_voxels, folder / VOXELS_FILE, ("voxel_id",))
    table = problems.attempt(unit_table, folder / TABLE_FILE)
    units = None
    if heard.stimuli is not None:
        problems.attempt(_check_order, folder / B2021_SOUNDS_FILE, heard.stimuli.names)
    if voxels is not None:
        if responses is not None:
            problems.attempt(_check_counts, folder, responses, len(voxels))
        if table is not None:
            units = problems.attempt(match_table, table, voxels[["voxel_id"]], folder / TABLE_FILE)
    if responses is not None and heard.stimuli is not None:
        responses = responses[: len(heard.stimuli.names)]
    return _benchmark(B2021, heard, responses, units, problems)


def _components(folder: Path, heard: _Heard, problems: Problems) -> Benchmark:
    """Build NH2015comp: components, with sounds matched by name to the order of NH2015."""
    stimuli = heard.stimuli
    path = folder / COMPONENTS_FILE
    components = problems.attempt(read_components, path)
    responses, categories = None, None
    if components is not None and stimuli is not None:
        place = {name: index for index, name in enumerate(components.stimulus_names)}
        missing = [name for name in stimuli.names if name not in place]
        if missing:
            problems.found.append(
                f"{path} has no responses to {counted(len(missing), 'sound')} of NH2015: {shorten(missing)}"
            )
        else:
            order = [place[name] for name in stimuli.names]
            responses = components.responses[order][:, :, None]
            if components.categories is not None:
                categories = tuple(components.categories[index] for index in order)
    if stimuli is not None and categories is not None:
        heard = heard._replace(stimuli=stimuli._replace(categories=categories))
    units = None if components is None else components.units
    return _benchmark(NH2015COMP, heard, responses, units, problems)


def _benchmark(
    name: str, heard: _Heard, responses: np.ndarray | None, units: pd.DataFrame | None, problems: Problems
) -> Benchmark:
    """Build the benchmark from its parts, or raise an error with all their problems."""
    is_components = name == NH2015COMP
    if heard.stimuli is not None and responses is not None and units is not None:
        with problems.collected():
            benchmark = Benchmark(
                name=name,
                version=_VERSION,
                stimulus_names=heard.stimuli.names,
                waveforms=heard.sounds or SoundSet(()),
                responses=responses,
                units=units,
                categories=heard.stimuli.categories,
                noise_corrected=not is_components,
                citation=f"{DATA_CITATIONS[name]} {TUCKUTE_CITATION}",
                unit_kind="component" if is_components else "voxel",
                unit_name="" if is_components else "voxel",
            )
    problems.raise_any()
    return benchmark


def _read_stimuli(path: Path) -> _Stimuli:
    """Read names and categories of the sounds; file names are bytes or text."""
    rows = read_npy(path)
    fields = rows.dtype.names or ()
    if rows.ndim != 1 or len(fields) <= CATEGORY_FIELD:
        raise BenchmarkError(
            f"{path} holds {rows.dtype} of shape {rows.shape}, expected a list of rows with the file name in field "
            f"{FILE_NAME_FIELD} and the category in field {CATEGORY_FIELD}"
        )
    files = [_text(value) for value in rows[fields[FILE_NAME_FIELD]].tolist()]
    wrong = [file for file in files if not file.endswith(".wav")]
    if wrong:
        raise BenchmarkError(
            f"{path}: field {FILE_NAME_FIELD} is not the name of a WAV file in {counted(len(wrong), 'row')}: "
            f"{shorten(wrong)}"
        )
    categories = tuple(_text(value) for value in rows[fields[CATEGORY_FIELD]].tolist())
    return _Stimuli(tuple(file.removesuffix(".wav") for file in files), categories)


def _text(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _read_responses(folder: Path) -> np.ndarray:
    path = folder / RESPONSES_FILE
    responses = read_npy(path)
    if responses.ndim != 3 or responses.dtype.kind not in "fiu":
        raise BenchmarkError(
            f"{path} holds {responses.dtype} of shape {responses.shape}, expected numbers (sounds, voxels, repetitions)"
        )
    return responses


def _read_voxels(path: Path, columns: tuple[str, ...]) -> pd.DataFrame:
    """Read columns of the voxels' structured array; a plain array of numbers contains voxel ids."""
    import pandas as pd

    array = read_npy(path)
    if array.dtype.names is None and array.dtype.kind in "iuf" and columns == ("voxel_id",):
        return pd.DataFrame({"voxel_id": array.ravel()})
    missing = [column for column in columns if column not in (array.dtype.names or ())]
    if missing or array.ndim != 1:
        raise BenchmarkError(
            f"{path} lacks the field {shorten(missing)}; it holds {array.shape} of "
            f"{shorten(array.dtype.names or [str(array.dtype)], 10)}"
        )
    return pd.DataFrame({column: array[column] for column in columns})


def _check_counts(folder: Path, responses: np.ndarray, num_voxels: int) -> None:
    if responses.shape[1] != num_voxels:
        raise BenchmarkError(
            f"{folder / RESPONSES_FILE} holds {responses.shape[1]} voxels, but {folder / VOXELS_FILE} holds "
            f"{num_voxels}: fetch the release again"
        )


def _check_order(path: Path, names: tuple[str, ...]) -> None:
    """Check that the first sounds of B2021 are those of NH2015, in the same order."""
    info = read_matlab(path, ("stim_info",))["stim_info"]
    if info.dtype.names is None or "stim_names" not in info.dtype.names:
        raise BenchmarkError(f"{path}: stim_info lacks the field 'stim_names'")
    own = cell_strings(info["stim_names"].ravel()[0], "stim_names", path)
    for index, name in enumerate(names):
        if index >= len(own) or own[index] != name:
            found = repr(own[index]) if index < len(own) else "nothing"
            raise BenchmarkError(f"{path}: sound {index} is {found}, expected {name!r} as in NH2015 (same order)")
