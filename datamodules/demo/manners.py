"""Manners of speaking: plain, whispered, shouted, sung. Word and speaker stay the same.

A formant synthesiser speaks in one manner at one vocal effort, which is a small part of what people do with their
voices.

Shapes: T samples of a sound.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from datamodules.demo.primitives import high_pass, log_uniform, times_s

Effect = Callable[[np.random.Generator, np.ndarray, int], np.ndarray]
"""(random generator, (T,) waveform, sample rate in Hz) -> (T,) float64."""

# The constants below are chosen by hand, to span what people do; none is from a publication.

FRAME_S, HOP_S = 0.02, 0.005
"""Length and spacing of the frames whose spectrum a whisper takes from speech."""

ENVELOPE_S = 0.002
"""Structure of a spectrum finer than this (2 ms is 500 Hz) is due to voicing rather than to the vocal tract."""

WHISPER_LOWEST_HZ = (300.0, 800.0)
"""Range of the frequency below which a whisper is weak, as the open glottis has no low harmonics."""

SHOUT_TILT_DB = (2.0, 6.0)
"""Range of the gain per octave of a shout over plain speech."""

SHOUT_HZ = (300.0, 3000.0)
"""Frequency range of that gain."""

SHOUT_DRIVE = (1.0, 4.0)
"""Range of the RMS of a shout before it saturates at 1."""

VIBRATO_HZ = (4.5, 6.5)
VIBRATO_PART = (0.0, 0.03)
"""Ranges of a singer's vibrato: rate, and largest deviation as a fraction of the fundamental frequency."""

OVERSAMPLING = 8
"""Factor of the sample rate before sounds are interpolated linearly."""


def unchanged(_rng: np.random.Generator, waveform: np.ndarray, _sample_rate_hz: int) -> np.ndarray:
    """Return speech as it is, (T,)."""
    return waveform


def whispered(rng: np.random.Generator, waveform: np.ndarray, sample_rate_hz: int) -> np.ndarray:
    """Replace voicing by noise with the spectral envelope of each frame (cepstrum up to 2 ms); (T,) float64."""
    from scipy import signal

    frame, hop = (round(length_s * sample_rate_hz) for length_s in (FRAME_S, HOP_S))
    transform = signal.ShortTimeFFT(np.hanning(frame), hop, sample_rate_hz)
    spectra = np.abs(transform.stft(waveform))
    floor = 1e-4 * max(float(spectra.max()), 1e-9)  # silence between words has no logarithm
    cepstra = np.fft.irfft(np.log(np.maximum(spectra, floor)), frame, axis=0)
    lag = round(ENVELOPE_S * sample_rate_hz)
    cepstra[lag : frame - lag + 1] = 0
    envelopes = np.exp(np.fft.rfft(cepstra, axis=0).real) * (spectra.max(axis=0) > floor)
    breath = transform.stft(rng.standard_normal(len(waveform)))
    tilt = high_pass(log_uniform(rng, *WHISPER_LOWEST_HZ), 1)(transform.f)[:, None]
    return transform.istft(breath * envelopes * tilt, k1=len(waveform))


def shouted(rng: np.random.Generator, waveform: np.ndarray, sample_rate_hz: int) -> np.ndarray:
    """Raise the vocal effort: flatten the spectrum from 300 to 3000 Hz, and saturate; (T,) float64."""
    frequencies_hz = np.fft.rfftfreq(len(waveform), 1 / sample_rate_hz)
    octaves = np.log2(np.clip(frequencies_hz, *SHOUT_HZ) / SHOUT_HZ[0])
    gain = 10 ** (rng.uniform(*SHOUT_TILT_DB) * octaves / 20)
    loud = np.fft.irfft(np.fft.rfft(waveform) * gain, len(waveform))
    return np.tanh(log_uniform(rng, *SHOUT_DRIVE) * loud / max(float(loud.std()), 1e-9))


def with_vibrato(rng: np.random.Generator, waveform: np.ndarray, sample_rate_hz: int) -> np.ndarray:
    """Add vibrato by letting time run faster and slower; (T,) float64."""
    from scipy import signal

    t = times_s(len(waveform), sample_rate_hz)
    rate_hz, part = rng.uniform(*VIBRATO_HZ), rng.uniform(*VIBRATO_PART)
    sway_s = part / (2 * np.pi * rate_hz) * np.sin(2 * np.pi * (rate_hz * t + rng.uniform()))
    # Between samples that are eight times as dense, linear interpolation is good enough.
    dense = signal.resample_poly(waveform, OVERSAMPLING, 1)
    return np.interp(t + sway_s, np.arange(len(dense)) / (OVERSAMPLING * sample_rate_hz), dense)


class Manner(NamedTuple):
    """A manner of speaking: ranges for the synthesiser, in espeak-ng's units, and the effect on its sound."""

    words_per_minute: tuple[int, int]
    pitch: tuple[int, int]
    pitch_range: tuple[int, int]
    effect: Effect


PLAIN = "plain"

MANNERS = {
    PLAIN: Manner((130, 200), (35, 65), (30, 70), unchanged),
    "whispered": Manner((120, 180), (35, 65), (30, 70), whispered),
    "shouted": Manner((130, 200), (65, 99), (50, 99), shouted),
    "sung": Manner((115, 140), (20, 95), (0, 5), with_vibrato),
}
"""Manners by name; the plain one has the speeds and pitches of conversation."""
