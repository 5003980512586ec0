"""A benchmark of listeners: a folder with sounds, a manifest of trials, and human values.

benchmark.json    name, task (the network's head that answers, such as word), version, citation; only name is needed
trials.csv        one row per trial: sound (a file in sounds/), label (the right answer) and either condition, or
                  background (its kind, empty for none) and snr_db; with noise (a file in sounds/), the sound is
                  mixed with it at snr_db, otherwise it is heard as it is
humans.csv        one row per condition: condition (or background and snr_db), accuracy (0 to 1), error
classes.txt       only for networks that do not name their classes: one name per line, in the order of the outputs
sounds/           sound files
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from datamodules.text_files import TextFileError, decode_text, parse_json
from evaluate.benchmarks.behaviour.mixed_sounds import Mixed, MixedSounds
from evaluate.benchmarks.behaviour.trials import ACCURACY, Trials, named_conditions, snrs_of
from evaluate.benchmarks.benchmark import Benchmark, WaveformSource
from evaluate.benchmarks.problems import BenchmarkError, Problems, shorten
from evaluate.benchmarks.recordings.csv_files import parse_csv
from evaluate.benchmarks.sound_files import SoundFile

if TYPE_CHECKING:
    import pandas as pd

METADATA_FILE = "benchmark.json"
TRIALS_FILE = "trials.csv"
HUMANS_FILE = "humans.csv"
CLASSES_FILE = "classes.txt"
SOUNDS_FOLDER = "sounds"
DEFAULT_TASK = "word"

_ENTRIES = ("name", "task", "version", "citation")
_TRIAL_TEXTS = ("sound", "label", "condition", "background", "noise")


def is_listeners(path: Path) -> bool:
    """Whether a folder is a benchmark of listeners."""
    return (path / TRIALS_FILE).is_file()


def listeners_benchmark(folder: str | Path) -> Benchmark:
    """Build a benchmark from a folder in the format described in this module.

    Args:
        folder: The folder.

    Returns:
        The benchmark, for the metric `behaviour`.

    Raises:
        BenchmarkError: A file is missing or cannot be used; `problems` lists all faults.
    """
    folder = Path(folder)
    problems = Problems()
    metadata = problems.attempt(_read_metadata, folder)
    table = problems.attempt(_read_table, folder / TRIALS_FILE, ("sound", "label"), _TRIAL_TEXTS)
    humans = problems.attempt(_read_table, folder / HUMANS_FILE, (ACCURACY,), ("condition", "background"))
    classes = problems.attempt(_read_classes, folder / CLASSES_FILE)
    mixtures = None if table is None else problems.attempt(_find_sounds, folder, table)
    problems.raise_any()
    assert metadata is not None
    assert table is not None
    assert humans is not None
    assert mixtures is not None
    trials = Trials(
        task=metadata.get("task", DEFAULT_TASK),
        labels=tuple(table["label"]),
        conditions=tuple(named_conditions(table, str(folder / TRIALS_FILE))),
        humans=humans.assign(condition=named_conditions(humans, str(folder / HUMANS_FILE))),
        classes=classes or (),
    )
    return make_listeners(
        name=metadata["name"],
        version=metadata.get("version", "1"),
        citation=metadata.get("citation", ""),
        waveforms=MixedSounds(mixtures),
        trials=trials,
        sound_names=tuple(table["sound"]),
    )


def make_listeners(
    *,
    name: str,
    version: str,
    waveforms: WaveformSource,
    trials: Trials,
    sound_names: tuple[str, ...],
    citation: str = "",
) -> Benchmark:
    """Build a benchmark of trials.

    Args:
        name: Name of the benchmark.
        version: Version, to be changed with the data.
        waveforms: The sounds, see `Benchmark`.
        trials: What is asked, and human values.
        sound_names: (S,) names of the sounds, which may repeat themselves: a word in several conditions.
        citation: The paper to cite.

    Returns:
        The benchmark. Its only unit is the listeners, whose response to a sound is their accuracy in its condition.

    Raises:
        BenchmarkError: The numbers of sounds and trials differ.
    """
    import pandas as pd

    if len(sound_names) != len(trials.labels):
        raise BenchmarkError(f"benchmark {name!r}: {len(sound_names)} sounds for {len(trials.labels)} trials")
    by_condition = dict(zip(trials.names, trials.human(ACCURACY), strict=True))
    accuracy = np.array([by_condition[condition] for condition in trials.conditions])
    return Benchmark(
        name=name,
        version=version,
        stimulus_names=tuple(f"{number:04d} {sound}" for number, sound in enumerate(sound_names)),
        waveforms=waveforms,
        responses=np.nan_to_num(accuracy)[:, None, None],
        units=pd.DataFrame({"unit": ["listeners"], "subject": ["listeners"], "region": ["behaviour"]}),
        citation=citation,
        trials=trials,
    )


def _read_metadata(folder: Path) -> dict[str, str]:
    where = folder / METADATA_FILE
    try:
        content: Any = parse_json(decode_text(where.read_bytes(), str(where)), str(where))
    except (OSError, TextFileError, ValueError, RecursionError) as error:
        raise BenchmarkError(f"{where} cannot be read: {error}") from error
    if not isinstance(content, dict) or not content.get("name"):
        raise BenchmarkError(f"{where}: expected entries with at least `name`")
    unknown = [key for key in content if key not in _ENTRIES]
    if unknown:
        raise BenchmarkError(f"{where}: unknown entry {shorten(unknown)}; known are {', '.join(_ENTRIES)}")
    return {key: str(value) for key, value in content.items()}


def _read_table(path: Path, required: tuple[str, ...], texts: tuple[str, ...]) -> pd.DataFrame:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise BenchmarkError(f"{path} cannot be read: {error.strerror or error}") from error
    return parse_csv(content, str(path), required, texts)


def _read_classes(path: Path) -> tuple[str, ...]:
    if not path.exists():
        return ()
    try:
        lines = decode_text(path.read_bytes(), str(path)).splitlines()
    except (OSError, TextFileError) as error:
        raise BenchmarkError(f"{path} cannot be read: {error}") from error
    return tuple(line.strip() for line in lines if line.strip())


def _find_sounds(folder: Path, table: pd.DataFrame) -> list[Mixed]:
    where = str(folder / TRIALS_FILE)
    noises = list(table["noise"]) if "noise" in table.columns else [""] * len(table)
    snrs = snrs_of(table, where)
    names = dict.fromkeys([*table["sound"], *filter(None, noises)])
    files = {
        name: SoundFile(str(path), path.read_bytes)
        for name in names
        if (path := folder / SOUNDS_FOLDER / name).is_file()
    }
    missing = [name for name in names if name not in files]
    if missing:
        raise BenchmarkError(
            f"{len(missing)} of {len(names)} sounds of {where} are missing in {folder / SOUNDS_FOLDER}: "
            f"{shorten(missing)}"
        )
    without = [row for row, (noise, snr) in enumerate(zip(noises, snrs, strict=True), start=1) if noise and snr is None]
    if without:
        raise BenchmarkError(f"{where}, row {without[0]}: a sound that is mixed with noise needs a number in `snr_db`")
    return [
        Mixed(files[sound], files[noise] if noise else None, np.inf if snr is None else snr)
        for sound, noise, snr in zip(table["sound"], noises, snrs, strict=True)
    ]
