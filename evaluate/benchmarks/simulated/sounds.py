"""The stimuli of the simulated cortex: eleven categories of synthesised sounds, with their labels.

They only need NumPy, and none is in the demo's training or validation set: speech has another synthesiser, textures
have other seeds. Like recordings, sounds of all categories vary in spectral colour and background noise. Words occur at
random times: at fixed times, any layer that sees a whole sound at once would distinguish them without training.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from datamodules.audio import PUBLISHED_RMS, PUBLISHED_SAMPLE_RATE_HZ, fit_length, resample, set_rms
from datamodules.demo import primitives as make
from datamodules.demo.textures import BENCHMARK_KEY, synthesise_texture
from evaluate.benchmarks.simulated.formant_voice import VOWELS, WORDS, draw_voice, say_word, sing_vowel

DURATION_S = 2.0
"""Length of a stimulus, that of the 165 natural sounds (Norman-Haignere et al. 2015)."""

CATEGORY_SHARES: dict[str, int] = {
    "speech": 42,
    "vowel": 15,
    "music": 24,
    "tone": 9,
    "harmonic": 9,
    "bell": 11,
    "weather": 11,
    "water": 11,
    "animal": 11,
    "impact": 11,
    "machine": 11,
}
"""Number of stimuli of each category among 165; other numbers are divided in the same proportion."""

TEXTURES_OF: dict[str, tuple[str, ...]] = {
    "music": ("melody",),
    "bell": ("bells",),
    "weather": ("wind", "rain", "noise"),
    "water": ("stream", "surf"),
    "animal": ("birds", "insects"),
    "impact": ("fire", "footsteps", "applause"),
    "machine": ("engine",),
}
"""Texture classes of each category, which its clips take in turn."""

# Recordings vary in colour and background: without this variation, spectra alone would distinguish categories.
TILT_DB_PER_OCTAVE = (-3.0, 3.0)
TILT_PIVOT_HZ = 1000.0
SNR_DB = (0.0, 20.0)
NOISE_EXPONENT = (0.0, 2.0)

_MIN_STIMULI = 55
"""With fewer stimuli, categories have too few sounds for training and test."""


@dataclass(frozen=True)
class Stimulus:
    """Labels of a stimulus.

    Attributes:
        name: Unique name.
        category: Key of `CATEGORY_SHARES`.
        word: Nonsense word, or "".
        vowels: Vowels, each for an equal fraction of the voiced time.
        texture: Class of sound texture, or "".
    """

    name: str
    category: str
    word: str = ""
    vowels: tuple[str, ...] = ()
    texture: str = ""


def stimuli(num_stimuli: int = 165) -> tuple[Stimulus, ...]:
    """List the stimuli, category by category.

    Args:
        num_stimuli: Number of stimuli S, at least 55.

    Returns:
        S stimuli; within a category, words, vowels and textures take turns.

    Raises:
        ValueError: There are too few stimuli.
    """
    if num_stimuli < _MIN_STIMULI:
        raise ValueError(f"the simulated cortex expected num_stimuli of at least {_MIN_STIMULI}, got {num_stimuli}")
    counts = _proportional(num_stimuli, np.array(list(CATEGORY_SHARES.values())))
    return tuple(
        _stimulus(category, number)
        for category, count in zip(CATEGORY_SHARES, counts, strict=True)
        for number in range(count)
    )


def waveforms(num_stimuli: int, sample_rate_hz: int, num_samples: int) -> np.ndarray:
    """Stimuli as sounds (S, T) float32, resampled from 20 kHz, cut or zero-padded to T, demeaned and at RMS 0.1."""
    sounds = (resample(sound.copy(), PUBLISHED_SAMPLE_RATE_HZ, sample_rate_hz) for sound in _synthesised(num_stimuli))
    return np.stack([set_rms(fit_length(sound, num_samples), PUBLISHED_RMS) for sound in sounds])


@lru_cache(maxsize=2)
def _synthesised(num_stimuli: int) -> np.ndarray:
    """Synthesise all sounds, (S, T) float32 at 20 kHz; the array is cached and read-only."""
    num_samples = round(DURATION_S * PUBLISHED_SAMPLE_RATE_HZ)
    sounds = np.empty((num_stimuli, num_samples), dtype=np.float32)
    for index, stimulus in enumerate(stimuli(num_stimuli)):
        sound = set_rms(_synthesise(stimulus, index, num_samples), PUBLISHED_RMS)
        sounds[index] = set_rms(_recorded(sound, index), PUBLISHED_RMS)
    sounds.flags.writeable = False
    return sounds


def _recorded(sound: np.ndarray, index: int) -> np.ndarray:
    """Apply a random spectral tilt to a sound (T,) and add background noise, as in recordings."""
    rng = np.random.default_rng([BENCHMARK_KEY, index, 1])
    tilt_db, snr_db = rng.uniform(*TILT_DB_PER_OCTAVE), rng.uniform(*SNR_DB)
    frequencies_hz = np.maximum(np.fft.rfftfreq(len(sound), 1 / PUBLISHED_SAMPLE_RATE_HZ), TILT_PIVOT_HZ / 8)
    gain = 10 ** (tilt_db * np.log2(frequencies_hz / TILT_PIVOT_HZ) / 20)
    coloured = set_rms(np.fft.irfft(gain * np.fft.rfft(sound), len(sound)), 1.0)
    pink = make.power_law(rng.uniform(*NOISE_EXPONENT))
    noise = make.filtered_noise(rng, len(sound), PUBLISHED_SAMPLE_RATE_HZ, pink)
    return coloured + 10 ** (-snr_db / 20) * noise


def _synthesise(stimulus: Stimulus, index: int, num_samples: int) -> np.ndarray:
    if stimulus.texture:
        return synthesise_texture(stimulus.texture, seed=(BENCHMARK_KEY, index), duration_s=DURATION_S)
    rng = np.random.default_rng([BENCHMARK_KEY, index])
    return _MAKERS[stimulus.category](stimulus, rng, num_samples)


def _speech(stimulus: Stimulus, rng: np.random.Generator, num_samples: int) -> np.ndarray:
    """Say the word twice at random times, the second time with another intonation."""
    voice = draw_voice(rng)
    spoken = [say_word(stimulus.word, voice, rng, sample_rate_hz=PUBLISHED_SAMPLE_RATE_HZ) for _ in range(2)]
    return _in_turn(spoken, rng, num_samples)


def _vowel(stimulus: Stimulus, rng: np.random.Generator, num_samples: int) -> np.ndarray:
    """Hold the vowel two or three times, at random times."""
    voice = draw_voice(rng)
    sung = [
        sing_vowel(
            stimulus.vowels[0],
            voice,
            rng,
            duration_s=rng.uniform(0.35, 0.55),
            sample_rate_hz=PUBLISHED_SAMPLE_RATE_HZ,
        )
        for _ in range(rng.integers(2, 4))
    ]
    return _in_turn(sung, rng, num_samples)


def _in_turn(sounds: list[np.ndarray], rng: np.random.Generator, num_samples: int) -> np.ndarray:
    """Concatenate sounds, with the remaining silence divided at random before, between and after them."""
    silence = max(0, num_samples - sum(len(sound) for sound in sounds))
    gaps = rng.dirichlet(np.ones(len(sounds) + 1))[:-1] * silence
    mixture = np.zeros(num_samples)
    start = 0
    for gap, sound in zip(gaps, sounds, strict=True):
        start += int(gap)
        stretch = mixture[start : start + len(sound)]
        stretch += sound[: len(stretch)]
        start += len(sound)
    return mixture


def _tone(_: Stimulus, rng: np.random.Generator, num_samples: int) -> np.ndarray:
    """Pulsed pure tones with a small glide."""
    t = make.times_s(num_samples, PUBLISHED_SAMPLE_RATE_HZ)
    course = make.log_uniform(rng, 150, 6000) * 2 ** (rng.uniform(-0.3, 0.3) * t)
    return np.sin(2 * np.pi * np.cumsum(course) / PUBLISHED_SAMPLE_RATE_HZ) * _pulses(rng, t)


def _harmonic(_: Stimulus, rng: np.random.Generator, num_samples: int) -> np.ndarray:
    """Pulsed harmonic complexes with a constant fundamental and a random spectral slope."""
    t = make.times_s(num_samples, PUBLISHED_SAMPLE_RATE_HZ)
    f0_hz = np.full(num_samples, make.log_uniform(rng, 90, 600))
    amplitudes = np.arange(1, 25) ** -rng.uniform(0.2, 1.5)
    return make.harmonic_tone(f0_hz, amplitudes, PUBLISHED_SAMPLE_RATE_HZ) * _pulses(rng, t)


def _pulses(rng: np.random.Generator, t: np.ndarray) -> np.ndarray:
    """Raised-cosine amplitude modulation at 1-16 Hz."""
    depth, rate_hz = rng.uniform(0.2, 1.0), make.log_uniform(rng, 1, 16)
    return 1 - depth * (0.5 + 0.5 * np.cos(2 * np.pi * (rate_hz * t + rng.uniform())))


_MAKERS: dict[str, Callable[[Stimulus, np.random.Generator, int], np.ndarray]] = {
    "speech": _speech,
    "vowel": _vowel,
    "tone": _tone,
    "harmonic": _harmonic,
}


def _stimulus(category: str, number: int) -> Stimulus:
    if category == "speech":
        word = list(WORDS)[number % len(WORDS)]
        return Stimulus(f"speech-{number:02d}-{word}", category, word, tuple(vowel for _, vowel in WORDS[word]))
    if category == "vowel":
        vowel = list(VOWELS)[number % len(VOWELS)]
        return Stimulus(f"vowel-{number:02d}-{vowel}", category, vowels=(vowel,))
    if category in TEXTURES_OF:
        texture = TEXTURES_OF[category][number % len(TEXTURES_OF[category])]
        return Stimulus(f"{category}-{number:02d}-{texture}", category, texture=texture)
    return Stimulus(f"{category}-{number:02d}", category)


def _proportional(total: int, shares: np.ndarray) -> np.ndarray:
    """Divide a number in proportion, by largest remainders, into integers that sum to `total`."""
    exact = total * shares / shares.sum()
    counts = np.floor(exact).astype(int)
    order = np.argsort(counts - exact, kind="stable")
    counts[order[: total - counts.sum()]] += 1
    return counts
