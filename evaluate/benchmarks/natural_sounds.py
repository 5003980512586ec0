"""The 165 natural sounds, and the six components of auditory-cortex responses to them.

Norman-Haignere, Kanwisher & McDermott 2015, Neuron 88:1281-1296, doi:10.1016/j.neuron.2015.11.035.
"""

import zlib
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.io import loadmat
from scipy.io.matlab import MatReadError

from datamodules.audio import PUBLISHED_RMS, fit_length, read_audio, set_rms
from evaluate.benchmarks.benchmark import ALL, Benchmark, BenchmarkError, WaveformSource, shorten

COMPONENTS_FILE = "components.mat"
STIMULI_FOLDER = "stimuli"
AUDIO_SUFFIXES = (".wav", ".flac")
NUM_CACHED_RATES = 2
"""How many (sample rate, length) pairs of one sound set stay in memory: 26 MB each at 20 kHz and 2 s."""

MAT_ERRORS = (
    MatReadError,
    zlib.error,
    ValueError,
    TypeError,
    LookupError,
    NotImplementedError,
    EOFError,
    OSError,
)
"""What scipy's reader raises on files that are cut short, broken, or of MATLAB 7.3."""

CITATION = (
    "Norman-Haignere, S., Kanwisher, N. G. & McDermott, J. H. (2015). Distinct cortical pathways for music "
    "and speech revealed by hypothesis-free voxel decomposition. Neuron 88, 1281-1296. "
    "doi:10.1016/j.neuron.2015.11.035"
)


def components_benchmark(folder: str | Path) -> Benchmark:
    """Build the benchmark `NH2015comp`: six response components to 165 natural sounds.

    The folder has the layout of the published data: `components.mat` with the arrays `R` (sounds x
    components), `stim_names`, `component_names` and, where present, `category_labels`, and the folder
    `stimuli/` with one WAV or FLAC file per name. Stimuli keep the order of `components.mat`. Each sound is
    resampled to the network's rate, brought to its length, freed of its mean and set to RMS 0.1.

    Args:
        folder: Folder that holds `components.mat` and `stimuli/`.

    Returns:
        A benchmark of components, scored by raw R^2, each component being its own region.

    Raises:
        BenchmarkError: The file or a sound is missing, or the arrays do not fit; names what.
        AudioError: On first use of the stimuli, a sound that cannot be decoded; names the file.
    """
    folder = Path(folder)
    arrays = _load_arrays(folder / COMPONENTS_FILE)
    stimulus_names = _strings(arrays, "stim_names", folder)
    component_names = _strings(arrays, "component_names", folder)
    paths = find_sounds(folder / STIMULI_FOLDER, stimulus_names)
    responses = np.asarray(arrays["R"])
    if responses.shape != (len(stimulus_names), len(component_names)):
        raise BenchmarkError(
            f"{folder / COMPONENTS_FILE}: R has shape {responses.shape}, expected "
            f"{len(stimulus_names)} sounds x {len(component_names)} components, "
            "as stim_names and component_names say"
        )
    units = pd.DataFrame({"unit": component_names, "subject": ALL, "region": component_names})
    categories = _strings(arrays, "category_labels", folder) if "category_labels" in arrays else None
    return Benchmark(
        name="NH2015comp",
        version="1",
        stimulus_names=stimulus_names,
        waveforms=sounds_from_files(paths),
        responses=responses[:, :, None],
        units=units,
        categories=categories,
        noise_corrected=False,
        citation=CITATION,
        unit_kind="component",
    )


def find_sounds(folder: Path, names: Sequence[str]) -> list[Path]:
    """Find the WAV or FLAC file of every name.

    Args:
        folder: Folder with the audio files.
        names: File names without suffix.

    Returns:
        One path per name, in the same order.

    Raises:
        BenchmarkError: Some sounds are missing; counts them and names the first.
    """
    if not folder.is_dir():
        raise BenchmarkError(f"the folder of sounds {folder} does not exist")
    found = {path.name: path for path in folder.iterdir()}
    candidates = {name: [found.get(name + suffix) for suffix in AUDIO_SUFFIXES] for name in names}
    paths = {name: next((path for path in options if path), None) for name, options in candidates.items()}
    missing = [name for name, path in paths.items() if path is None]
    if missing:
        raise BenchmarkError(
            f"{len(missing)} of {len(names)} sounds are missing in {folder} "
            f"(expected NAME.wav or NAME.flac): {shorten(missing)}"
        )
    return [path for path in paths.values() if path is not None]


def sounds_from_files(paths: Sequence[Path]) -> WaveformSource:
    """Make the function that reads sounds as a network hears them.

    Args:
        paths: One audio file per stimulus, in the order of the stimuli.

    Returns:
        `waveforms(sample_rate_hz, num_samples)`, giving (S, num_samples) float32; it keeps what it read last.
    """

    @lru_cache(maxsize=NUM_CACHED_RATES)
    def read_all(sample_rate_hz: int, num_samples: int) -> np.ndarray:
        sounds = (read_audio(path, sample_rate_hz=sample_rate_hz) for path in paths)
        return np.stack([set_rms(fit_length(sound, num_samples), PUBLISHED_RMS) for sound in sounds])

    def waveforms(sample_rate_hz: int, num_samples: int) -> np.ndarray:
        # A copy, so that a caller who writes into it does not change what the next one gets.
        return read_all(sample_rate_hz, num_samples).astype(np.float32, copy=True)

    return waveforms


def _load_arrays(path: Path) -> dict[str, np.ndarray]:
    """Read a MATLAB file of plain arrays, with an error that names the file and what it lacks."""
    if not path.is_file():
        raise BenchmarkError(f"{path} does not exist: expected the published file {COMPONENTS_FILE}")
    try:
        arrays = loadmat(path)
    except MAT_ERRORS as error:
        raise BenchmarkError(f"{path} cannot be read as a MATLAB file: {error}") from error
    missing = [name for name in ("R", "stim_names", "component_names") if name not in arrays]
    if missing:
        raise BenchmarkError(f"{path} lacks the array {shorten(missing)}")
    return arrays


def _strings(arrays: dict[str, np.ndarray], key: str, folder: Path) -> tuple[str, ...]:
    """Turn a cell array of strings (an object array of one-string arrays) into a tuple."""
    cells = [np.asarray(cell) for cell in arrays[key].ravel()]
    bad = [index for index, cell in enumerate(cells) if cell.size != 1 or cell.dtype.kind != "U"]
    if bad:
        raise BenchmarkError(f"{folder / COMPONENTS_FILE}: entry {bad[0]} of {key} is not one string")
    return tuple(str(cell.item()) for cell in cells)
