"""Sounds in files, as networks hear them."""

import hashlib
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from pathlib import Path

import numpy as np

from datamodules.audio import (
    PUBLISHED_DURATION_S,
    PUBLISHED_RMS,
    AudioError,
    audio_info,
    fit_length,
    read_audio,
    set_rms,
)
from datamodules.folders.sound_folders import is_hidden, is_sound, missing_target
from datamodules.text_files import nfc
from evaluate.benchmarks.problems import BenchmarkError, shorten
from evaluate.features.heard_lengths import warn_if_cut

AUDIO_SUFFIXES = (".wav", ".flac")
HOW_TO_READ = "M4A, AAC and videos need ffmpeg or the extra `media`, other files are to be converted"
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
        starts_silent: Whether its first `PUBLISHED_DURATION_S` are silent.
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

    @cached_property
    def longest_s(self) -> float:
        """Duration of the longest sound in seconds."""
        return max(audio_info(file.opened(), decodes=True).duration_s for file in self.files)

    def inspect(self, progress: Callable[[int, int], None] | None = None) -> list[SoundInfo]:
        """Read and describe every sound; one that is damaged does not affect the others.

        Args:
            progress: Called after each sound as `progress(num_done, num_total)`.
        """
        found = []
        for file in self.files:
            found.append(_inspect(file))
            if progress:
                progress(len(found), len(self.files))
        return found

    def _read_uncached(self, sample_rate_hz: int, num_samples: int) -> np.ndarray:
        heard, lengths = zip(*(_heard(file, sample_rate_hz, num_samples) for file in self.files), strict=True)
        warn_if_cut([file.path for file in self.files], lengths, num_samples, sample_rate_hz)
        return np.stack(heard)


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
    return SoundSet([SoundFile(str(folder / name), partial(_content, folder / name)) for name in found])


def _content(path: Path) -> bytes:
    if link := missing_target(path):
        raise BenchmarkError(f"{path}: {link}")
    return path.read_bytes()


def match_names(names: Sequence[str], files: Sequence[str], folder: str) -> list[str]:
    """Find the audio file of every stimulus among file names.

    A name may include the suffix of its file. Suffixes may be in capitals, and names in either Unicode form. Hidden
    files are not sounds. Of a WAV or FLAC file and files in other formats, the first is taken.

    Args:
        names: Names of stimuli.
        files: Names of the existing files.
        folder: Their folder, for messages.

    Returns:
        One file name per stimulus, in the same order; all differ.

    Raises:
        BenchmarkError: Some are missing, which the message counts, a name fits several files, such as `a.wav` and
            `a.WAV`, or two names fit one file.
    """
    sounds = [file for file in sorted(files) if is_sound(Path(file)) and not is_hidden(file)]
    whole, stems, lower = (_by_form(sounds, form) for form in (_whole, _without_suffix, _with_lower_suffix))
    found = {
        name: _preferred(whole.get(_whole(name)) or stems.get(_whole(name)) or lower.get(_with_lower_suffix(name), []))
        for name in names
    }
    missing = [name for name, options in found.items() if not options]
    if missing:
        forms = {_whole(name) for name in missing}
        unread = [file for file in sorted(set(files) - set(sounds)) if forms & {_whole(file), _without_suffix(file)}]
        instead = f"; not read are {shorten(unread)}: {HOW_TO_READ}" if unread else ""
        raise BenchmarkError(
            f"{len(missing)} of {len(names)} sounds are missing in {folder} "
            f"(expected NAME.wav or NAME.flac): {shorten(missing)}{instead}"
        )
    first: dict[str, str] = {}
    for name, options in found.items():
        if len(options) > 1:
            raise BenchmarkError(f"{folder}: the name {name!r} fits several sounds, {shorten(options)}; keep one")
        other = first.setdefault(options[0], name)
        if other != name:
            raise BenchmarkError(f"{folder}: the names {other!r} and {name!r} both fit the sound {options[0]!r}")
    return [found[name][0] for name in names]


def _whole(file: str) -> str:
    return nfc(file)


def _without_suffix(file: str) -> str:
    return nfc(Path(file).stem)


def _with_lower_suffix(file: str) -> str:
    suffix = Path(file).suffix
    return nfc(file.removesuffix(suffix) + suffix.lower())


def _by_form(files: Sequence[str], form: Callable[[str], str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for file in files:
        found.setdefault(form(file), []).append(file)
    return found


def _preferred(files: Sequence[str]) -> list[str]:
    """The WAV or FLAC files of several that differ in their ending, else those of the first ending."""
    order = {suffix: number for number, suffix in enumerate(AUDIO_SUFFIXES)}
    suffixes = [Path(file).suffix.lower() for file in files]
    best = min(suffixes, key=lambda suffix: order.get(suffix, len(order)), default=None)
    return [file for file, suffix in zip(files, suffixes, strict=True) if suffix == best]


def _heard(file: SoundFile, sample_rate_hz: int, num_samples: int) -> tuple[np.ndarray, int]:
    """Read a sound as a network hears it, (T,) float32, and how many samples it has."""
    whole = read_audio(file.opened(), sample_rate_hz=sample_rate_hz)
    sound = fit_length(whole, num_samples)
    if is_silent(sound):
        raise BenchmarkError(f"{file.path}: {SILENT} (in its first {num_samples / sample_rate_hz:g} s)")
    return set_rms(sound, PUBLISHED_RMS), len(whole)


def _inspect(file: SoundFile) -> SoundInfo:
    try:
        info = audio_info(file.opened())
        sound = read_audio(file.opened(), sample_rate_hz=info.sample_rate_hz)
    except (AudioError, BenchmarkError, OSError) as error:
        reason = str(error)
        return SoundInfo(file.path, problem=reason if file.path in reason else f"{file.path}: {reason}")
    return SoundInfo(
        file.path,
        duration_s=len(sound) / info.sample_rate_hz,
        sample_rate_hz=info.sample_rate_hz,
        num_channels=info.num_channels,
        content=hashlib.sha256(f"{info.sample_rate_hz} ".encode() + sound.tobytes()).hexdigest(),
        starts_silent=is_silent(sound[: round(PUBLISHED_DURATION_S * info.sample_rate_hz)]),
        problem=f"{file.path}: {SILENT}" if is_silent(sound) else None,
    )


def is_silent(sound: np.ndarray) -> bool:
    """Whether all samples of a sound are equal."""
    return not set_rms(sound).any()
