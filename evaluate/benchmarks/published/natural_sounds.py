"""The 165 natural sounds, and the six components of the responses of auditory cortex to them.

Norman-Haignere, Kanwisher & McDermott 2015, Neuron 88:1281-1296, doi:10.1016/j.neuron.2015.11.035.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from evaluate.benchmarks.benchmark import ALL, Benchmark
from evaluate.benchmarks.problems import BenchmarkError
from evaluate.benchmarks.recordings.matlab_files import cell_strings, read_matlab
from evaluate.benchmarks.sound_files import sounds_in_folder

if TYPE_CHECKING:
    import pandas as pd


COMPONENTS_FILE = "components.mat"
STIMULI_FOLDER = "stimuli"

NH2015_CITATION = (
    "Norman-Haignere, S., Kanwisher, N. G. & McDermott, J. H. (2015). Distinct cortical pathways for music "
    "and speech revealed by hypothesis-free voxel decomposition. Neuron 88, 1281-1296. "
    "doi:10.1016/j.neuron.2015.11.035"
)


class Components(NamedTuple):
    """The content of `components.mat`.

    Attributes:
        stimulus_names: S names.
        responses: (S, V) responses of the components.
        units: V rows; each component is its own region.
        categories: S categories, None if the file has none.
    """

    stimulus_names: tuple[str, ...]
    responses: np.ndarray
    units: pd.DataFrame
    categories: tuple[str, ...] | None


def components_benchmark(folder: str | Path) -> Benchmark:
    """Build the benchmark `NH2015comp`: six response components to 165 natural sounds.

    The folder has the layout of the published data: `components.mat` with the arrays `R` (sounds x components),
    `stim_names`, `component_names` and optionally `category_labels`, and the folder `stimuli/` with one WAV or FLAC
    file per name. Stimuli keep the order of `components.mat`. Each sound is resampled to the network's rate, cut or
    zero-padded to its length, demeaned and set to RMS 0.1.

    Args:
        folder: Folder with `components.mat` and `stimuli/`.

    Returns:
        A benchmark of components, scored by raw R^2; each component is its own region.

    Raises:
        BenchmarkError: The file or a sound is missing, or the arrays do not match; the message names them.
        AudioError: On first use of the stimuli, a sound cannot be decoded; the message names the file.
    """
    folder = Path(folder)
    components = read_components(folder / COMPONENTS_FILE)
    return Benchmark(
        name="NH2015comp",
        version="1",
        stimulus_names=components.stimulus_names,
        waveforms=sounds_in_folder(folder / STIMULI_FOLDER, components.stimulus_names),
        responses=components.responses[:, :, None],
        units=components.units,
        categories=components.categories,
        noise_corrected=False,
        citation=NH2015_CITATION,
        unit_kind="component",
    )


def read_components(path: Path) -> Components:
    """Read the published file of components.

    Args:
        path: The file `components.mat`.

    Returns:
        Its content, with stimuli in its order.

    Raises:
        BenchmarkError: The file is missing or damaged, or its arrays do not match; the message names them.
    """
    import pandas as pd

    arrays = read_matlab(path, ("R", "stim_names", "component_names"))
    stimulus_names = cell_strings(arrays["stim_names"], "stim_names", path)
    component_names = cell_strings(arrays["component_names"], "component_names", path)
    responses = np.asarray(arrays["R"])
    if responses.shape != (len(stimulus_names), len(component_names)):
        raise BenchmarkError(
            f"{path}: R has shape {responses.shape}, expected "
            f"{len(stimulus_names)} sounds x {len(component_names)} components, "
            "as in stim_names and component_names"
        )
    units = pd.DataFrame({"unit": component_names, "subject": ALL, "region": component_names})
    categories = None
    if "category_labels" in arrays:
        categories = cell_strings(arrays["category_labels"], "category_labels", path)
    return Components(stimulus_names, responses, units, categories)
