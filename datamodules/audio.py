"""Reading sounds, resampling them, and setting their level."""

from __future__ import annotations

import math
from functools import lru_cache
from math import ceil, gcd
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from datamodules.decoding.libsndfile import open_sound
from datamodules.decoding.sound import UNKNOWN_LENGTH, AudioError, AudioSource, Sound, ends_before, source_name
from networks.text.wording import counted

if TYPE_CHECKING:
    import torch

PUBLISHED_RMS = 0.1
"""Level of every sound for the published networks (Kell et al. 2018; Feather et al. 2019)."""

PUBLISHED_SAMPLE_RATE_HZ = 20_000
"""Sample rate of the published networks' sounds (Kell et al. 2018)."""

PUBLISHED_DURATION_S = 2.0
"""Duration of the published networks' sounds in seconds (Kell et al. 2018)."""

# "Kaiser best" of the resampy package (McFee 2016), as torchaudio's documentation translates it.
RESAMPLING_FILTER_WIDTH = 64
RESAMPLING_ROLLOFF = 0.9475937167399596
RESAMPLING_KAISER_BETA = 14.769656459379492

MIN_SOURCE_RATE_HZ = 1_000
MAX_SOURCE_RATE_HZ = 768_000
"""Other sample rates count as broken headers: lower ones lose all of speech, and no recorder has higher ones."""

MAX_FILTER_TAPS = 2**26
"""Rates without a large common divisor need one filter per phase; 44 101 to 20 000 Hz would take gigabytes."""

# A deviation from the mean this small relative to the largest sample is rounding, not sound (float32 epsilon).
SILENCE_TOLERANCE = 1.2e-7


class AudioInfo(NamedTuple):
    """What a sound file holds, as far as its header says.

    Args:
        duration_s: Duration in seconds; NaN if the header does not state it.
        sample_rate_hz: Sample rate in Hz.
        num_channels: Number of channels, which are averaged when the sound is read.
    """

    duration_s: float
    sample_rate_hz: int
    num_channels: int


class Stretch(NamedTuple):
    """A stretch of a sound.

    Args:
        waveform: (T,) float32 at the wanted sample rate.
        source_rate_hz: Sample rate of the file in Hz.
    """

    waveform: np.ndarray
    source_rate_hz: int


def audio_info(source: AudioSource, *, decodes: bool = False) -> AudioInfo:
    """Read the header of a sound.

    Args:
        source: Path, bytes of a file, or open binary file.
        decodes: Decode the sound if its header does not state its length, as those of videos and some streams.

    Raises:
        AudioError: The sound is missing, broken, or in a format that nothing here decodes.
    """
    with open_sound(source) as sound:
        num_samples: float = sound.num_samples
        if num_samples == UNKNOWN_LENGTH:
            num_samples = len(sound.read(0, None)) if decodes else math.nan
        return AudioInfo(num_samples / sound.sample_rate_hz, sound.sample_rate_hz, sound.num_channels)


def read_audio(
    source: AudioSource, *, sample_rate_hz: int, start_s: float = 0.0, duration_s: float | None = None
) -> np.ndarray:
    """Read a sound, or a stretch of it, as the mean of its channels: (T,) float32; see `read_stretch`."""
    return read_stretch(source, sample_rate_hz=sample_rate_hz, start_s=start_s, duration_s=duration_s).waveform


def read_stretch(
    source: AudioSource,
    *,
    sample_rate_hz: int,
    start_s: float = 0.0,
    duration_s: float | None = None,
    min_source_rate_hz: int = 0,
    channel: int | None = None,
) -> Stretch:
    """Read a sound, or a stretch of it, as one channel at the wanted sample rate.

    Channels are averaged unless one is chosen. Resampling uses a Kaiser-windowed sinc. A stretch is read with enough of
    its surroundings that its samples equal those of the whole file resampled.

    Args:
        source: Path, bytes of a file, or open binary file, in any format that libsndfile reads, or FFmpeg if that
            is installed.
        sample_rate_hz: Sample rate of the result in Hz.
        start_s: Start of the stretch in seconds, at least 0.
        duration_s: Duration of the stretch in seconds; None is up to the end. A stretch that extends beyond the end of
            the file is returned shorter.
        min_source_rate_hz: Least sample rate of the file in Hz.
        channel: Channel to keep, counted from 1; None is the mean of all channels.

    Returns:
        The stretch.

    Raises:
        AudioError: The sound is missing, broken or empty (or ends before the start), the stretch reaches what is
            missing of a file that holds less than it claims, its samples are not finite, or its sample rate is too low
            or cannot be resampled.
    """
    if sample_rate_hz <= 0:
        raise ValueError(f"sample_rate_hz must be positive, got {sample_rate_hz}")
    if not (0 <= start_s < math.inf and (duration_s is None or 0 < duration_s < math.inf)):
        raise AudioError(
            f"{source_name(source)}: a stretch of sound needs start_s >= 0 and duration_s > 0, got {start_s}, "
            f"{duration_s}"
        )
    with open_sound(source) as sound:
        check_source_rate(sound.sample_rate_hz, sample_rate_hz, sound.name, at_least_hz=min_source_rate_hz)
        if channel is not None and not 1 <= channel <= sound.num_channels:
            raise AudioError(
                f"{sound.name}: has {counted(sound.num_channels, 'channel')}, not a channel {channel}",
                kind="no channel",
            )
        sound.channel = channel
        waveform = _read_stretch(sound, sample_rate_hz, start_s, duration_s)
        return Stretch(waveform, sound.sample_rate_hz)


def resample(waveform: np.ndarray, from_hz: int, to_hz: int) -> np.ndarray:
    """Resample a sound with a Kaiser-windowed sinc (64 zero crossings).

    Args:
        waveform: (T,) float.
        from_hz: Its sample rate in Hz.
        to_hz: Wanted sample rate in Hz.

    Returns:
        (ceil(T * to_hz / from_hz),) float32.

    Raises:
        InstallationError: The rates differ and torchaudio does not load.
    """
    samples = np.ascontiguousarray(waveform, dtype=np.float32)
    if from_hz == to_hz or not samples.size:
        return samples
    import torch

    with torch.inference_mode():
        return _resampler(from_hz, to_hz)(torch.from_numpy(samples)).numpy()


def check_source_rate(from_hz: int, to_hz: int, name: str, *, at_least_hz: int = 0) -> None:
    """Refuse sample rates that are wrong or would need filters of gigabytes.

    Args:
        from_hz: Sample rate of a sound in Hz.
        to_hz: Wanted sample rate in Hz.
        name: Name of the sound in an error.
        at_least_hz: Least sample rate of the sound in Hz.

    Raises:
        AudioError: The rate is refused; the kind is "wrong rate".
    """
    lowest_hz = max(at_least_hz, min(MIN_SOURCE_RATE_HZ, to_hz))
    if not lowest_hz <= from_hz <= MAX_SOURCE_RATE_HZ:
        raise AudioError(
            f"{name}: has a sample rate of {from_hz} Hz, expected {lowest_hz} to {MAX_SOURCE_RATE_HZ} Hz",
            kind="wrong rate",
        )
    block, step = (hz // gcd(from_hz, to_hz) for hz in (from_hz, to_hz))
    width = ceil(RESAMPLING_FILTER_WIDTH * block / min(block, step) / RESAMPLING_ROLLOFF)
    if from_hz != to_hz and step * (2 * width + block) > MAX_FILTER_TAPS:
        raise AudioError(
            f"{name}: its sample rate of {from_hz} Hz has too small a common divisor with {to_hz} Hz to be "
            "resampled; convert the file first",
            kind="wrong rate",
        )


def rms(waveform: np.ndarray) -> float:
    """Root mean square, sqrt(mean(x^2)), in float64 and without demeaning.

    Args:
        waveform: (T,) float, T at least 1.

    Returns:
        The RMS, at least 0.
    """
    samples = np.asarray(waveform, dtype=np.float64)
    # Not numpy.dot, whose sum may depend on the number of threads, and with it the last bit of a mixture.
    return float(np.sqrt(np.einsum("i,i->", samples, samples) / len(samples)))


def demean(waveform: np.ndarray, *, out: np.ndarray | None = None) -> np.ndarray:
    """Subtract the mean; a constant sound becomes exactly zero.

    Args:
        waveform: (T,) float.
        out: (T,) float64 to write to, which may be `waveform` itself; None makes a new array.

    Returns:
        (T,) float64.
    """
    centred = np.empty(waveform.shape) if out is None else out
    centred[:] = waveform
    if not centred.size:
        return centred
    largest = _largest(centred)
    centred -= centred.mean()
    if _largest(centred) <= SILENCE_TOLERANCE * largest:
        centred[:] = 0.0
    return centred


def is_audible(waveform: np.ndarray) -> bool:
    """Whether anything is left of a sound after its mean is subtracted, as by `demean`."""
    if not waveform.size:
        return False
    lowest, highest = float(waveform.min()), float(waveform.max())
    # The largest deviation from the mean is at least half the range: above twice the tolerance, the answer is clear.
    if (highest - lowest) / 2 > 2 * SILENCE_TOLERANCE * max(abs(lowest), abs(highest)):
        return True
    return bool(demean(waveform).any())


def set_rms(waveform: np.ndarray, rms: float = PUBLISHED_RMS) -> np.ndarray:
    """Demean a sound and scale it to an RMS.

    Args:
        waveform: (T,) float.
        rms: Root mean square of the result.

    Returns:
        (T,) float32; a silent (constant) sound becomes zero.
    """
    centred = demean(waveform)
    level = _rms(centred) if centred.size else 0.0
    if level > 0:
        centred *= rms / level
    return centred.astype(np.float32)


def fit_length(waveform: np.ndarray, num_samples: int) -> np.ndarray:
    """Cut a sound to `num_samples`, or append zeros.

    Args:
        waveform: (T,) float.
        num_samples: Wanted length in samples.

    Returns:
        (num_samples,) of the same dtype.
    """
    if len(waveform) >= num_samples:
        return waveform[:num_samples]
    return np.pad(waveform, (0, num_samples - len(waveform)))


_rms = rms  # set_rms has an argument of this name


def _largest(samples: np.ndarray) -> float:
    """Largest absolute value of (T,) samples, without an array of absolute values."""
    return max(float(samples.max()), -float(samples.min()))


@lru_cache(maxsize=32)
def _resampler(from_hz: int, to_hz: int) -> torch.nn.Module:
    from networks.installation import load_torchaudio

    resampler: torch.nn.Module = load_torchaudio().transforms.Resample(
        from_hz,
        to_hz,
        resampling_method="sinc_interp_kaiser",
        lowpass_filter_width=RESAMPLING_FILTER_WIDTH,
        rolloff=RESAMPLING_ROLLOFF,
        beta=RESAMPLING_KAISER_BETA,
    )
    return resampler


def _read_stretch(sound: Sound, sample_rate_hz: int, start_s: float, duration_s: float | None) -> np.ndarray:
    """Read and resample the stretch with a margin on either side, and return the samples of the stretch."""
    from_hz = sound.sample_rate_hz
    # Output sample k of the whole file is at k / sample_rate_hz: the stretch is cut on that grid.
    first = round(start_s * sample_rate_hz)
    num_samples = None if duration_s is None else round(duration_s * sample_rate_hz)
    block, step = (hz // gcd(from_hz, sample_rate_hz) for hz in (from_hz, sample_rate_hz))
    margin = 0
    if from_hz != sample_rate_hz:
        margin = ceil(RESAMPLING_FILTER_WIDTH * max(1.0, from_hz / sample_rate_hz) / RESAMPLING_ROLLOFF) + 1
    # Reading starts at a multiple of `block` source frames, where the two grids coincide.
    first_block = max(0, (first * block // step - margin) // block)
    first_frame = first_block * block
    num_frames = None
    if num_samples is not None:
        num_frames = ceil((first + num_samples) * block / step) + margin - first_frame
    asked_frame = round(start_s * from_hz)
    try:
        read = sound.read(first_frame, num_frames)
    except AudioError as error:
        if error.kind == "empty" and 0 < sound.num_samples < UNKNOWN_LENGTH:
            # Name the start of the stretch, without its margin.
            raise ends_before(sound.name, sound.num_samples, asked_frame, from_hz) from None
        raise
    samples = resample(read, from_hz, sample_rate_hz)[first - first_block * step :][:num_samples]
    if not len(samples):
        raise ends_before(sound.name, sound.num_samples, asked_frame, from_hz)
    return samples
