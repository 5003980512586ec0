"""Write a benchmark in the format of `evaluate.benchmarks.recordings.recordings`."""

import io
import json
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

import numpy as np
import soundfile

from datamodules.audio import PUBLISHED_DURATION_S, PUBLISHED_SAMPLE_RATE_HZ
from datamodules.files import new_folder, replacing, without_new_parents
from evaluate.benchmarks.benchmark import Benchmark
from evaluate.benchmarks.problems import BenchmarkError, shorten
from evaluate.benchmarks.recordings.containers import ARCHIVE_SUFFIXES
from evaluate.benchmarks.recordings.recordings import (
    METADATA_FILES,
    RESPONSES_FILES,
    SOUNDS_FOLDER,
    STIMULI_FILE,
    UNITS_FILE,
)
from evaluate.benchmarks.sound_files import SoundSet

_EPOCH = (1980, 1, 1, 0, 0, 0)
"""Date of all members of an archive, the earliest in ZIP, so that equal benchmarks are equal files."""

_TEXT_SUFFIXES = (".json", ".csv")
_RAW_READ = 0o644


def write_recordings(
    benchmark: Benchmark, destination: str | Path, *, progress: Callable[[int, int], None] | None = None
) -> Path:
    """Write a benchmark as a folder or as a single file, complete or not at all.

    Args:
        benchmark: Benchmark to write. Sound files are copied without changes; other sounds are written at 20 kHz and
            2 s.
        destination: A new folder, or a new file that ends in `.zip` or `.npz`.
        progress: Called as `progress(num_done, num_total)` with numbers of files.

    Returns:
        The destination.

    Raises:
        BenchmarkError: The benchmark is of listeners, the destination exists, or the name of a stimulus is not a valid
            file name.
        OSError: It cannot be written.
    """
    destination = Path(destination)
    if benchmark.trials is not None:
        raise BenchmarkError(f"benchmark {benchmark.name!r} has answers of listeners: copy its folder instead")
    if destination.exists():
        raise BenchmarkError(f"{destination} exists already: choose another name, or remove it first")
    odd = [
        name for name in benchmark.stimulus_names if PurePosixPath(name).name != name or "\\" in name or "\0" in name
    ]
    if odd:
        raise BenchmarkError(
            f"benchmark {benchmark.name!r}: names of stimuli must be valid file names, got {shorten(odd)}"
        )
    files = _counted(_files(benchmark), len(benchmark.stimulus_names) + 4, progress)
    with without_new_parents(destination):
        destination.parent.mkdir(parents=True, exist_ok=True)
        if destination.suffix.lower() in ARCHIVE_SUFFIXES:
            with replacing(destination) as temporary:
                _write_archive(temporary, files)
        else:
            with new_folder(destination) as temporary:
                _write_folder(temporary, files)
    return destination


def _files(benchmark: Benchmark) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of every file."""
    import pandas as pd

    metadata: dict[str, object] = {
        "name": benchmark.name,
        "version": benchmark.version,
        "citation": benchmark.citation,
        "unit_kind": benchmark.unit_kind,
        "noise_corrected": benchmark.noise_corrected,
    }
    if benchmark.unit_name:
        metadata["unit_name"] = benchmark.unit_name
    if benchmark.participant_ceiling:
        metadata["participant_ceiling"] = True
    responses = benchmark.responses
    if benchmark.time_courses is not None:
        metadata |= {"rate_hz": benchmark.rate_hz, "start_s": benchmark.start_s}
        responses = benchmark.time_courses
    yield METADATA_FILES[0], (json.dumps(metadata, indent=2, ensure_ascii=False) + "\n").encode()
    stimuli = pd.DataFrame({"name": benchmark.stimulus_names})
    if benchmark.categories is not None:
        stimuli["category"] = benchmark.categories
    yield STIMULI_FILE, stimuli.to_csv(index=False).encode()
    yield UNITS_FILE, benchmark.units.to_csv(index=False).encode()
    content = io.BytesIO()
    np.lib.format.write_array(content, responses, allow_pickle=False)
    yield RESPONSES_FILES[0], content.getvalue()
    yield from _sounds(benchmark)


def _sounds(benchmark: Benchmark) -> Iterator[tuple[str, bytes]]:
    if isinstance(benchmark.waveforms, SoundSet):
        for name, file in zip(benchmark.stimulus_names, benchmark.waveforms.files, strict=True):
            suffix = Path(file.path).suffix
            is_whole = name.lower().endswith(suffix.lower())  # names of stimuli may be those of files
            yield f"{SOUNDS_FOLDER}/{name if is_whole else name + suffix}", file.read()
        return
    rate_hz = PUBLISHED_SAMPLE_RATE_HZ
    waveforms = benchmark.stimuli(rate_hz, round(PUBLISHED_DURATION_S * rate_hz))
    for name, waveform in zip(benchmark.stimulus_names, waveforms, strict=True):
        content = io.BytesIO()
        soundfile.write(content, waveform, rate_hz, format="WAV", subtype="FLOAT")
        yield f"{SOUNDS_FOLDER}/{name}.wav", content.getvalue()


def _counted(
    files: Iterator[tuple[str, bytes]], num_files: int, progress: Callable[[int, int], None] | None
) -> Iterator[tuple[str, bytes]]:
    for num_done, file in enumerate(files, start=1):
        yield file
        if progress:
            progress(num_done, num_files)


def _write_folder(folder: Path, files: Iterator[tuple[str, bytes]]) -> None:
    for name, content in files:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def _write_archive(path: Path, files: Iterator[tuple[str, bytes]]) -> None:
    with zipfile.ZipFile(path, "x") as archive:
        for name, content in files:
            info = zipfile.ZipInfo(name, _EPOCH)
            info.external_attr = _RAW_READ << 16
            # Compressing sounds and responses takes long and gains little.
            info.compress_type = zipfile.ZIP_DEFLATED if name.endswith(_TEXT_SUFFIXES) else zipfile.ZIP_STORED
            archive.writestr(info, content)
