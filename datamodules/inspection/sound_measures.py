"""What a sound is like: measures that show whether something went wrong when it was recorded or converted."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import NamedTuple

import numpy as np

from datamodules.audio import audio_info, demean, read_audio, rms
from datamodules.building.clip_quality import CLIPPED_LEVEL, FULL_SCALE, MANY_CLIPPED

LARGE_OFFSET = 0.01
"""A mean of at least this, where 1.0 is full scale, counts as a DC shift if it is also large relative to the sound."""

LARGE_RELATIVE_OFFSET = 0.1
"""Least ratio of the mean to the RMS of the rest in a shifted sound."""

LOW_BAND_EDGE = 0.7
"""A sound without energy above this fraction of the Nyquist frequency counts as upsampled: conversions of 8 to 16, of
16 to 24 and of 22.05 to 44.1 kHz leave up to two thirds. MP3 at 128 kbit/s keeps three quarters."""

_FRAME = 1024
_MAX_FRAMES = 2000
"""Frames of a long sound that its spectrum is made of, evenly spaced."""

_FLOOR = 4 / (12 * FULL_SCALE**2)
"""Four times the power of the rounding noise of 16 bits: what is below is no sound."""

_DIGEST_LENGTH = 32


class SoundMeasures(NamedTuple):
    """Measures of one sound, its channels averaged.

    Args:
        duration_s: Duration in seconds.
        sample_rate_hz: Sample rate in Hz.
        num_channels: Number of channels.
        content: Digest of the 16-bit samples and the sample rate, the same for equal sounds in any lossless format.
        is_silent: Whether nothing is left in 16 bits when the mean is subtracted.
        clipped_fraction: Fraction of samples at full scale.
        offset: The mean; 1.0 is full scale.
        level: RMS without the mean.
        band_edge: Highest frequency with energy as a fraction of the Nyquist frequency, 0 to 1; 1 if silent.
    """

    duration_s: float
    sample_rate_hz: int
    num_channels: int
    content: str
    is_silent: bool
    clipped_fraction: float
    offset: float
    level: float
    band_edge: float

    def flaws(self) -> tuple[str, ...]:
        """What is suspicious about the sound, in a word or two each."""
        if self.is_silent:
            return ("silent",)
        is_shifted = abs(self.offset) >= max(LARGE_OFFSET, LARGE_RELATIVE_OFFSET * self.level)
        named = {
            "clipped": self.clipped_fraction > MANY_CLIPPED,
            "DC-shifted": is_shifted,
            "band-limited": self.band_edge < LOW_BAND_EDGE,
        }
        return tuple(name for name, holds in named.items() if holds)


def measure_file(path: str | Path) -> SoundMeasures:
    """Read a sound in full at its own sample rate, and measure it.

    Raises:
        AudioError: The sound cannot be used.
    """
    info = audio_info(path)
    waveform = read_audio(path, sample_rate_hz=info.sample_rate_hz)
    return measure(waveform, info.sample_rate_hz, info.num_channels)


def measure(waveform: np.ndarray, sample_rate_hz: int, num_channels: int = 1) -> SoundMeasures:
    """Measure a sound, (T,) float with T at least 1."""
    centred = demean(waveform)
    is_silent = bool(np.abs(centred).max() < 0.5 / FULL_SCALE)
    integers = np.clip(np.rint(waveform * np.float32(FULL_SCALE)), -FULL_SCALE, FULL_SCALE - 1).astype("<i2")
    return SoundMeasures(
        duration_s=len(waveform) / sample_rate_hz,
        sample_rate_hz=sample_rate_hz,
        num_channels=num_channels,
        content=hashlib.sha256(f"{sample_rate_hz} ".encode() + integers.tobytes()).hexdigest()[:_DIGEST_LENGTH],
        is_silent=is_silent,
        clipped_fraction=float(np.mean(np.abs(waveform) >= CLIPPED_LEVEL)),
        offset=float(np.mean(waveform, dtype=np.float64)),
        level=rms(centred),
        band_edge=1.0 if is_silent else band_edge(centred),
    )


def band_edge(waveform: np.ndarray) -> float:
    """Highest frequency with more power than the rounding noise of 16 bits, as a fraction of the Nyquist frequency.

    Welch's method: the periodograms of Hann-windowed frames are averaged, and divided by the power of the window, so
    that white noise of power p has the value p at every frequency.

    Args:
        waveform: (T,) float.

    Returns:
        0 to 1; 1 for sounds too short to say.
    """
    if len(waveform) < _FRAME:
        return 1.0
    num_frames = min(_MAX_FRAMES, 2 * len(waveform) // _FRAME - 1)
    starts = np.linspace(0, len(waveform) - _FRAME, num_frames).astype(int)
    window = np.hanning(_FRAME)
    power = np.zeros(_FRAME // 2 + 1)
    for start in starts:
        power += np.abs(np.fft.rfft(window * waveform[start : start + _FRAME])) ** 2
    power /= num_frames * (window**2).sum()
    audible = np.flatnonzero(power > _FLOOR)
    return float(audible[-1] / (_FRAME // 2)) if len(audible) else 1.0
