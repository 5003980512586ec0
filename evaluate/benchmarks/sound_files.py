"""Sounds in files, as networks hear them."""

import hashlib
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import soundfile

from datamodules.audio import PUBLISHED_RMS, AudioError, fit_length, read_audio, set_rms
from datamodules.folders.sound_folders import is_hidden, is_sound
from datamodules.text_files import nfc
from evaluate.benchmarks.problems import BenchmarkError, shorten

AUDIO_SUFFIXES = (".wav", ".flac")
NETWORK_INPUT_S = 2.0
"""Length of the published networks' input; longer sounds are cut."""

SILENT = f"silent: cannot be set to RMS {PUBLISHED_RMS:g}"
NUM_CACHED_RATES = 2
"""Number of (sample rate, length) pairs of a sound set to keep in memory: 26 MB each at 20 kHz and 2 s."""


@dataclass(frozen=True)
class SoundFile:
    """One sound, in a folder or an archive.

    Attributes:
        path: Path for messages.
        read: Function that returns the bytes of the audio file.
    """

    path: str
    read: Callable[[], bytes]

    def opened(self) -> io.BytesIO:
        """Open the file, with its name for error messages."""
        file = io.BytesIO(self.read())
        file.name = self.path
        return file


@dataclass(frozen=True)
class SoundInfo:
    """The content of a sound file.

    Attributes:
        path: Path of the file.
        duration_s: Duration in seconds; NaN if the file cannot be read.
        sample_rate_hz: Sample rate in Hz; 0 if the file cannot be read.
        num_channels: Number of channels, which are averaged; 0 if the file cannot be read.
        content: Hash of samples and sample rate, the same for copies; empty if the file cannot be read.
        starts_silent: Whether its first `NETWORK_INPUT_S` are silent.
        problem: Why it cannot be used; None if it can.
    """

    path: str
    duration_s: float = float("nan")
    sample_rate_hz: int = 0
    num_channels: int = 0
    content: str = ""
    starts_silent: bool = False
    problem: str | None = None


class SoundSet:
    """The sounds of a benchmark: `waveforms(sample_rate_hz, num_samples)` returns (S, T) float32.

    Each sound is averaged over channels, resampled, cut or zero-padded to the length, demeaned and set to RMS 0.1.

    Args:
        files: One per stimulus, in the order of the stimuli.
    """

    def __init__(self, files: Sequence[SoundFile]) -> None:
        self.files = tuple(files)
        self._read_all = lru_cache(maxsize=NUM_CACHED_RATES)(self._read_uncached)

    def __call__(self, sample_rate_hz: int, num_samples: int) -> np.ndarray:
        """Read all sounds as (S, T) float32; errors name a file that cannot be read or is silent."""
        # A copy, so that callers may modify it without changing the cached one.
        return self._read_all(sample_rate_hz, num_samples).astype(np.float32, copy=True)

    def inspect(self) -> list[SoundInfo]:
        """Read and describe every sound; one that is damaged does not affect the others."""
        return [_inspect(file) for file in self.files]

    def _read_uncached(self, sample_rate_hz: int, num_samples: int) -> np.ndarray:
        return np.stack([_heard(file, sample_rate_hz, num_samples) for file in self.files])


def sounds_in_folder(folder: Path, names: Sequence[str]) -> SoundSet:
    """Find the WAV or FLAC file of every name in a folder.

    Args:
        folder: Folder with the audio files.
        names: File names without suffix.

    Returns:
        The sounds, in the order of the names.

    Raises:
        BenchmarkError: The folder or some sounds are missing; the message counts them and names the first.
    """
    if not folder.is_dir():
        raise BenchmarkError(f"the folder of sounds {folder} does not exist")
    found = match_names(names, [path.name for path in folder.iterdir()], str(folder))
    return SoundSet([SoundFile(str(folder / name), (folder / name).read_bytes) for name in found])


def match_names(names: Sequence[str], files: Sequence[str], folder: str) -> list[str]:
    """Find the audio file of every stimulus among file names.

    A name may include the suffix of its file. Suffixes may be in capitals, and names in either Unicode form. Hidden
    files are not sounds.

    Args:
        names: Names of stimuli.
        files: Names of the existing files.
        folder: Their folder, for messages.

    Returns:
        One file name per stimulus, in the same order.

    Raises:
        BenchmarkError: Some are missing; the message counts them and names the first.
    """
    by_name = {nfc(file): file for file in sorted(files) if is_sound(Path(file)) and not is_hidden(file)}
    by_stem: dict[str, list[str]] = {}
    for file in by_name.values():
        by_stem.setdefault(nfc(Path(file).stem), []).append(file)
    found = {name: by_name.get(nfc(name)) or _preferred(by_stem.get(nfc(name), [])) for name in names}
    missing = [name for name, file in found.items() if file is None]
    if missing:
        raise BenchmarkError(
            f"{len(missing)} of {len(names)} sounds are missing in {folder} "
            f"(expected NAME.wav or NAME.flac): {shorten(missing)}"
        )
    return [file for file in found.values() if file is not None]


def _preferred(files: Sequence[str]) -> str | None:
    """The WAV or FLAC file of several that differ in their ending alone, else the first; None if there is none."""
    order = {suffix: number for number, suffix in enumerate(AUDIO_SUFFIXES)}
    return min(files, key=lambda file: order.get(Path(file).suffix.lower(), len(order)), default=None)


def _heard(file: SoundFile, sample_rate_hz: int, num_samples: int) -> np.ndarray:
    """Read a sound as a network hears it, (T,) float32."""
    sound = fit_length(read_audio(file.opened(), sample_rate_hz=sample_rate_hz), num_samples)
    if is_silent(sound):
        raise BenchmarkError(f"{file.path}: {SILENT} (in its first {num_samples / sample_rate_hz:g} s)")
    return set_rms(sound, PUBLISHED_RMS)


def _inspect(file: SoundFile) -> SoundInfo:
    try:
        info = soundfile.info(file.opened())
        sound = read_audio(file.opened(), sample_rate_hz=info.samplerate)
    except (AudioError, soundfile.SoundFileError, OSError) as error:
        reason = str(error)
        return SoundInfo(file.path, problem=reason if file.path in reason else f"{file.path}: {reason}")
    return SoundInfo(
        file.path,
        duration_s=len(sound) / info.samplerate,
        sample_rate_hz=info.samplerate,
        num_channels=info.channels,
        content=hashlib.sha256(f"{info.samplerate} ".encode() + sound.tobytes()).hexdigest(),
        starts_silent=is_silent(sound[: round(NETWORK_INPUT_S * info.samplerate)]),
        problem=f"{file.path}: {SILENT}" if is_silent(sound) else None,
    )


def is_silent(sound: np.ndarray) -> bool:
    """Whether all samples of a sound are equal."""
    return not set_rms(sound).any()
