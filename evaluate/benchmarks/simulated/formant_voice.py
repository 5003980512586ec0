"""A small formant synthesiser: vowels and short nonsense words in voices of many sizes and pitches.

A harmonic source passes through a cascade of five moving resonances; consonants add bursts, hisses and murmurs. After
Klatt 1980, J. Acoust. Soc. Am. 67:971, reduced to what distinguishes a few syllables.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from datamodules.demo import primitives as make

# Average formants of men, Peterson & Barney 1952, J. Acoust. Soc. Am. 24:175, table II.
VOWELS: dict[str, tuple[float, float, float]] = {
    "i": (270.0, 2290.0, 3010.0),
    "e": (530.0, 1840.0, 2480.0),
    "a": (730.0, 1090.0, 2440.0),
    "o": (570.0, 840.0, 2410.0),
    "u": (300.0, 870.0, 2240.0),
}

# Higher formants and bandwidths of a neutral tract, Klatt 1980, table I, rounded.
HIGHER_FORMANTS_HZ = (3500.0, 4500.0)
BANDWIDTHS_HZ = np.array([60.0, 90.0, 150.0, 250.0, 300.0])


class Consonant(NamedTuple):
    """Parameters of a consonant: second-formant locus, noise, and voicing of its closure."""

    locus_hz: float
    noise_hz: float
    noise_octaves: float
    noise_s: float
    noise_level: float
    closure_voicing: float


# Loci after Delattre, Liberman & Cooper 1955, J. Acoust. Soc. Am. 27:769 (labial low, alveolar 1800 Hz, velar high);
# noise bands from Stevens 1998, Acoustic Phonetics, chapters 7 and 8, rounded.
CONSONANTS: dict[str, Consonant] = {
    "b": Consonant(720.0, 700.0, 1.0, 0.012, 0.5, 0.15),
    "d": Consonant(1800.0, 4000.0, 0.6, 0.015, 0.8, 0.15),
    "g": Consonant(2300.0, 1900.0, 0.4, 0.025, 0.8, 0.15),
    "m": Consonant(900.0, 1000.0, 1.0, 0.010, 0.0, 0.6),
    "s": Consonant(1700.0, 5800.0, 0.4, 0.120, 0.5, 0.0),
    "sh": Consonant(1900.0, 2900.0, 0.4, 0.120, 0.6, 0.0),
}

Syllable = tuple[str, str]

WORDS: dict[str, tuple[Syllable, Syllable]] = {
    "badi": (("b", "a"), ("d", "i")),
    "suga": (("s", "u"), ("g", "a")),
    "dome": (("d", "o"), ("m", "e")),
    "gisho": (("g", "i"), ("sh", "o")),
    "masu": (("m", "a"), ("s", "u")),
    "shebi": (("sh", "e"), ("b", "i")),
}
"""Nonsense words of two syllables; each vowel and each consonant occurs in two or three words."""

FRAME_S = 0.004
CLOSURE_S, TRANSITION_S, VOWEL_S = 0.05, 0.05, 0.14
FIRST_FORMANT_CLOSED_HZ = 220.0
NUM_HARMONICS = 48

SOURCE_SLOPE = 0.5
"""Amplitudes of the source's harmonics fall as n^-0.5. Glottal flow and radiation alone would give n^-1; the difference
compensates for the missing resonances above the fifth, which raise high frequencies in a real tract (Fant 1960)."""


@dataclass(frozen=True)
class Voice:
    """A speaker.

    Attributes:
        f0_hz: Average fundamental in Hz.
        tract_scale: Factor on all formants; 1 is a man's vocal tract, above 1 a shorter one.
        tempo: Factor on all durations.
    """

    f0_hz: float
    tract_scale: float
    tempo: float


def draw_voice(rng: np.random.Generator) -> Voice:
    """Draw a speaker; high voices mostly have short vocal tracts."""
    f0_hz = make.log_uniform(rng, 85, 270)
    tract_scale = 1.0 + 0.16 * np.log2(f0_hz / 110) + 0.03 * rng.standard_normal()
    return Voice(f0_hz, float(tract_scale), rng.uniform(0.85, 1.25))


class _Track(NamedTuple):
    """Break points of a word: times, formants 1-3 and voicing at these times, and the noises to add."""

    times_s: list[float]
    formants_hz: list[tuple[float, float, float]]
    voicing: list[float]
    noises: list[tuple[float, Consonant]]


def say_word(word: str, voice: Voice, rng: np.random.Generator, *, sample_rate_hz: int) -> np.ndarray:
    """Synthesise one of `WORDS` in a voice: (T,) float64 with arbitrary peak level."""
    track = _Track([], [], [], [])
    time_s = 0.0
    for consonant, vowel in WORDS[word]:
        time_s = _add_syllable(track, time_s, CONSONANTS[consonant], VOWELS[vowel], voice)
    track.times_s.append(time_s + 0.03)
    track.formants_hz.append(track.formants_hz[-1])
    track.voicing.append(0.0)
    sound = _voiced(track, voice, rng, sample_rate_hz)
    for start_s, consonant_made in track.noises:
        noise = _consonant_noise(consonant_made, voice, rng, sample_rate_hz)
        start = round(start_s * sample_rate_hz)
        stretch = sound[start : start + len(noise)]
        stretch += sound.std() * noise[: len(stretch)]
    return sound


def sing_vowel(
    vowel: str, voice: Voice, rng: np.random.Generator, *, duration_s: float, sample_rate_hz: int
) -> np.ndarray:
    """Synthesise a held vowel, one of `VOWELS`, in a voice: (T,) float64 with arbitrary peak level."""
    times_s = [0.0, 0.05, duration_s - 0.08, duration_s]
    track = _Track(times_s, [VOWELS[vowel]] * 4, [0.0, 1.0, 0.8, 0.0], [])
    return _voiced(track, voice, rng, sample_rate_hz)


def _add_syllable(
    track: _Track, time_s: float, consonant: Consonant, vowel: tuple[float, float, float], voice: Voice
) -> float:
    """Append a consonant and a vowel; return the time at which they end."""
    start = (FIRST_FORMANT_CLOSED_HZ, consonant.locus_hz, vowel[2])
    release_s = time_s + CLOSURE_S * voice.tempo + max(0.0, consonant.noise_s - 0.03)
    track.noises.append((release_s - max(0.0, consonant.noise_s - 0.03), consonant))
    steady_s = release_s + TRANSITION_S * voice.tempo
    end_s = steady_s + VOWEL_S * voice.tempo
    closed = consonant.closure_voicing
    track.times_s.extend([time_s + 0.01, release_s, release_s + 0.012, steady_s, end_s])
    track.formants_hz.extend([start, start, start, vowel, vowel])
    track.voicing.extend([closed, closed, 0.6, 1.0, 0.8])
    return end_s


def _voiced(track: _Track, voice: Voice, rng: np.random.Generator, sample_rate_hz: int) -> np.ndarray:
    """Sum harmonics of a drifting, slightly irregular fundamental, each with the gain of the moving formants."""
    duration_s = track.times_s[-1]
    frames_s = np.arange(0, duration_s + FRAME_S, FRAME_S)
    wander = make.slow_modulator(rng, len(frames_s), round(1 / FRAME_S), 3.0) - 0.5
    contour = rng.uniform(-0.15, 0.25) * (0.5 - frames_s / duration_s) + 0.12 * wander
    f0_hz = voice.f0_hz * np.exp(contour)  # (N,)
    lower = np.stack([np.interp(frames_s, track.times_s, column) for column in zip(*track.formants_hz, strict=True)])
    higher = np.repeat(np.array(HIGHER_FORMANTS_HZ)[:, None], len(frames_s), axis=1)
    formants_hz = voice.tract_scale * np.concatenate([lower, higher])  # (5, N)
    voicing = np.interp(frames_s, track.times_s, track.voicing)
    num_harmonics = min(NUM_HARMONICS, int(0.45 * sample_rate_hz / f0_hz.max()))
    numbers = np.arange(1, num_harmonics + 1)
    slope = numbers[:, None] ** -SOURCE_SLOPE
    gains = voicing * slope * _formant_gain(numbers[:, None] * f0_hz, formants_hz)  # (H, N)
    return _sum_harmonics(gains, f0_hz, frames_s, round(duration_s * sample_rate_hz), sample_rate_hz)


def _formant_gain(frequencies_hz: np.ndarray, formants_hz: np.ndarray) -> np.ndarray:
    """Magnitude of cascaded resonators: frequencies (H, N), formants (5, N) -> (H, N)."""
    # |gain| = prod_k c_k^2 / sqrt((c_k^2 - f^2)^2 + (b_k f)^2) with centres c and bandwidths b
    gain = np.ones_like(frequencies_hz)
    for centre_hz, bandwidth_hz in zip(formants_hz, BANDWIDTHS_HZ, strict=True):
        detuned = centre_hz**2 - frequencies_hz**2
        gain *= centre_hz**2 / np.sqrt(detuned**2 + (bandwidth_hz * frequencies_hz) ** 2)
    return gain


def _sum_harmonics(
    gains: np.ndarray, f0_hz: np.ndarray, frames_s: np.ndarray, num_samples: int, sample_rate_hz: int
) -> np.ndarray:
    t = make.times_s(num_samples, sample_rate_hz)
    position = t / FRAME_S
    index = np.minimum(position.astype(np.int64), len(frames_s) - 2)
    blend = position - index
    phase = 2 * np.pi * np.cumsum(np.interp(t, frames_s, f0_hz)) / sample_rate_hz
    turn = np.exp(1j * phase)
    total = np.zeros(num_samples, dtype=complex)
    for gain in gains[::-1]:  # Horner's scheme in exp(i phase)
        total = (total + gain[index] * (1 - blend) + gain[index + 1] * blend) * turn
    return total.imag


def _consonant_noise(consonant: Consonant, voice: Voice, rng: np.random.Generator, sample_rate_hz: int) -> np.ndarray:
    """Synthesise the burst or hiss (K,) of a consonant."""
    # The cavity in front of the tongue scales less than the whole tract.
    centre_hz = make.below_nyquist(consonant.noise_hz * voice.tract_scale**0.5, sample_rate_hz)
    band = make.band_pass(centre_hz, consonant.noise_octaves)
    noise = make.filtered_noise(rng, round(consonant.noise_s * sample_rate_hz), sample_rate_hz, band)
    return consonant.noise_level * make.faded(noise, sample_rate_hz)
