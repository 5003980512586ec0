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
"""A broadband sound without energy above this fraction of the Nyquist frequency counts as upsampled: conversions of 8
to 16, of 16 to 24 and of 22.05 to 44.1 kHz leave up to two thirds. MP3 at 128 kbit/s keeps three quarters."""

LOWEST_EDGE_HZ = 3000.0
"""Below this no usual sample rate ends: telephone speech, sampled at 8 kHz, ends at 3.4 kHz. It is the sound itself."""

FILLED = 0.8
"""Least fraction of the frequencies up to the edge with energy in a broadband sound; tones and their harmonics have
less."""

SHARP_RATIO = 10.0
"""Least ratio of the power just below a sharp edge to the rounding noise. The spectrum of a sound that is dark by
itself falls slowly, also through the last 10 dB."""

_FRAME = 4096  # long enough to separate the harmonics of a voice of 100 Hz
_KAISER_BETA = 14.0  # sidelobes below -100 dB: a tone does not leak into other frequencies
_SMOOTHED = 33  # values, 1.6 % of the band
_MAX_FRAMES = 1000
"""Frames of a long sound that its spectrum is made of, evenly spaced."""

_FLOOR = 4 / (12 * FULL_SCALE**2)
"""Four times the power of the rounding noise of 16 bits: what is below is no sound."""

_DIGEST_LENGTH = 32


class Band(NamedTuple):
    """Where a spectrum ends.

    Args:
        edge: Highest frequency with energy as a fraction of the Nyquist frequency, 0 to 1.
        is_cut: Whether the sound fills the frequencies below the edge, and ends there sharply.
    """

    edge: float
    is_cut: bool


_WHOLE = Band(1.0, is_cut=False)


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
        band: Where its spectrum ends.
    """

    duration_s: float
    sample_rate_hz: int
    num_channels: int
    content: str
    is_silent: bool
    clipped_fraction: float
    offset: float
    level: float
    band: Band

    def flaws(self) -> tuple[str, ...]:
        """What is suspicious about the sound, in a word or two each."""
        if self.is_silent:
            return ("silent",)
        edge_hz = self.band.edge * self.sample_rate_hz / 2
        is_shifted = abs(self.offset) >= max(LARGE_OFFSET, LARGE_RELATIVE_OFFSET * self.level)
        named = {
            "clipped": self.clipped_fraction > MANY_CLIPPED,
            "DC-shifted": is_shifted,
            "band-limited": self.band.is_cut and self.band.edge < LOW_BAND_EDGE and edge_hz >= LOWEST_EDGE_HZ,
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
        band=_WHOLE if is_silent else band_of(centred),
    )


def band_of(waveform: np.ndarray) -> Band:
    """Find where the spectrum of a sound ends: the last frequency with more power than the rounding noise of 16 bits.

    Welch's method: the periodograms of windowed frames are averaged, and divided by the power of the window, so that
    white noise of power p has the value p at every frequency.

    Args:
        waveform: (T,) float.

    Returns:
        The band; the whole one for sounds too short to say.
    """
    if len(waveform) < _FRAME:
        return _WHOLE
    num_frames = min(_MAX_FRAMES, 2 * len(waveform) // _FRAME - 1)
    starts = np.linspace(0, len(waveform) - _FRAME, num_frames).astype(int)
    window = np.kaiser(_FRAME, _KAISER_BETA)
    power = np.zeros(_FRAME // 2 + 1)
    for start in starts:
        power += np.abs(np.fft.rfft(window * waveform[start : start + _FRAME])) ** 2
    power /= num_frames * (window**2).sum()
    # Of a short sound, single values vary much: the edge is that of neighbouring values together.
    audible = np.flatnonzero(np.convolve(power, np.full(_SMOOTHED, 1 / _SMOOTHED), mode="same") > _FLOOR)
    if not len(audible):
        return _WHOLE
    edge = int(audible[-1])
    below = power[edge // 10 : edge + 1]  # without the lowest frequencies, which few recordings have
    just_below = power[int(0.8 * edge) : int(0.9 * edge) + 1]
    is_cut = np.mean(below > _FLOOR) >= FILLED and np.median(just_below) >= SHARP_RATIO * _FLOOR
    return Band(edge / (_FRAME // 2), bool(is_cut))
