"""Bells, and music: melodies, chords, plucked strings and drums."""

import numpy as np

from datamodules.demo import primitives as make
from datamodules.demo.primitives import log_uniform

# Partials of a church bell relative to its strike note (hum, prime, tierce, quint, nominal, ...), Fletcher &
# Rossing 1998, The Physics of Musical Instruments, table 21.1.
BELL_RATIOS = np.array([0.5, 1.0, 1.2, 1.5, 2.0, 2.5, 2.61, 3.0, 4.0])

MAJOR_SCALE = np.array([0, 2, 4, 5, 7, 9, 11, 12, 14, 16])
"""Semitones above the tonic."""


def bells(rng: np.random.Generator, num_samples: int, sample_rate_hz: int) -> np.ndarray:
    """Struck bells: inharmonic partials, the higher ones dying sooner."""
    duration_s = num_samples / sample_rate_hz
    num_bells = int(rng.integers(1, 5))
    slowness = log_uniform(rng, 0.3, 1.5)
    bells = []
    for _ in range(num_bells):
        partials_hz = log_uniform(rng, 250, 1400) * BELL_RATIOS * rng.normal(1, 0.01, len(BELL_RATIOS))
        partials_hz = partials_hz[partials_hz < make.NYQUIST_MARGIN * sample_rate_hz / 2]
        decays_per_s = (1 + partials_hz / 800) / slowness
        sounds = make.damped_sines(partials_hz, decays_per_s, sample_rate_hz, num_decays=4)
        bells.append(make.layered([rng.uniform(0.3, 1) * sound for sound in sounds]))
    onsets = make.regular_times_s(rng, log_uniform(rng, 0.8, 4), duration_s, jitter=rng.uniform(0, 0.2))
    onsets = np.append(onsets, 0.02)
    choices = rng.integers(num_bells, size=len(onsets))
    amplitudes = rng.uniform(0.4, 1, len(onsets))
    return make.scatter(onsets, bells, choices, amplitudes, num_samples=num_samples, sample_rate_hz=sample_rate_hz)


def melody(rng: np.random.Generator, num_samples: int, sample_rate_hz: int) -> np.ndarray:
    """Harmonic notes on the steps of a major scale, some of them doubled by a third."""
    duration_s = num_samples / sample_rate_hz
    note_s = 1 / log_uniform(rng, 1.5, 6)
    tonic_hz = log_uniform(rng, 130, 420)
    brightness = np.arange(1, 13) ** -rng.uniform(0.5, 2.0) * rng.uniform(0.3, 1, 12)
    decay_per_s = log_uniform(rng, 0.3, 6) / note_s
    vibrato = rng.uniform(0, 0.01)
    steps = np.clip(np.cumsum(rng.integers(-2, 3, size=int(duration_s / note_s) + 1)) + 4, 0, 7)
    doubled = rng.uniform() < 0.4
    t = make.times_s(int(note_s * 1.05 * sample_rate_hz), sample_rate_hz)
    envelope = np.exp(-decay_per_s * t)
    notes: list[np.ndarray] = []
    for step in steps:
        note = np.zeros(len(t))
        for degree in (step, step + 2) if doubled else (step,):
            f0_hz = tonic_hz * 2 ** (MAJOR_SCALE[degree] / 12) * (1 + vibrato * np.sin(2 * np.pi * 5.5 * t))
            note += make.harmonic_tone(f0_hz, brightness, sample_rate_hz)
        notes.append(make.faded(note * envelope, sample_rate_hz, fade_s=0.01))
    order = np.arange(len(notes))
    loudness = rng.uniform(0.6, 1, len(notes))
    return make.scatter(order * note_s, notes, order, loudness, num_samples=num_samples, sample_rate_hz=sample_rate_hz)


def chords(rng: np.random.Generator, num_samples: int, sample_rate_hz: int) -> np.ndarray:
    """Sustained triads and sevenths, as of an organ or of strings: slow attacks, no decay, a little vibrato."""
    chord_s = log_uniform(rng, 0.4, 1.6)
    tonic_hz = log_uniform(rng, 90, 260)
    brightness = np.arange(1, 17) ** -rng.uniform(0.6, 1.8) * rng.uniform(0.4, 1, 16)
    attack_s, vibrato = rng.uniform(0.02, 0.15), rng.uniform(0, 0.008)
    t = make.times_s(int((chord_s + attack_s) * sample_rate_hz), sample_rate_hz)
    sway = 1 + vibrato * np.sin(2 * np.pi * rng.uniform(4.5, 6.5) * t)
    num_voices = int(rng.integers(3, 5))
    sounds = []
    for _ in range(int(num_samples / sample_rate_hz / chord_s) + 1):
        root = rng.integers(0, len(MAJOR_SCALE) - 2 * (num_voices - 1))
        degrees = MAJOR_SCALE[root + 2 * np.arange(num_voices)]
        notes = [make.harmonic_tone(tonic_hz * 2 ** (d / 12) * sway, brightness, sample_rate_hz) for d in degrees]
        sounds.append(make.faded(np.sum(notes, axis=0), sample_rate_hz, fade_s=attack_s))
    order = np.arange(len(sounds))
    loudness = rng.uniform(0.7, 1, len(sounds))
    return make.scatter(
        order * chord_s, sounds, order, loudness, num_samples=num_samples, sample_rate_hz=sample_rate_hz
    )


def strings(rng: np.random.Generator, num_samples: int, sample_rate_hz: int) -> np.ndarray:
    """Plucked strings, as of a guitar or harp: broken chords whose notes ring on, the higher partials dying sooner.

    A string plucked at the fraction p of its length has partials sin(n pi p) / n^2 (Fletcher & Rossing 1998, ch. 2).
    """
    duration_s = num_samples / sample_rate_hz
    rate_hz, tonic_hz = log_uniform(rng, 3, 9), log_uniform(rng, 100, 330)
    place, stretch = rng.uniform(0.08, 0.4), log_uniform(rng, 1e-5, 3e-4)
    numbers = np.arange(1, 25)
    amplitudes = np.sin(np.pi * numbers * place) / numbers ** rng.uniform(1.0, 2.0)
    ring_s = log_uniform(rng, 0.3, 1.2)
    notes = []
    for degree in MAJOR_SCALE:
        partials_hz = tonic_hz * 2 ** (degree / 12) * numbers * np.sqrt(1 + stretch * numbers**2)
        heard = partials_hz < make.NYQUIST_MARGIN * sample_rate_hz / 2
        decays_per_s = (1 + partials_hz[heard] / 1500) / ring_s
        note = np.zeros(int(4 * ring_s * sample_rate_hz) + 8)
        for sound, amplitude in zip(
            make.damped_sines(partials_hz[heard], decays_per_s, sample_rate_hz, num_decays=4),
            amplitudes[heard],
            strict=True,
        ):
            note[: len(sound)] += amplitude * sound[: len(note)]
        notes.append(make.faded(note, sample_rate_hz))
    onsets = np.arange(int(duration_s * rate_hz) + 1) / rate_hz
    pattern = rng.permutation(np.array([0, 2, 4, 7]))
    choices = np.clip(pattern[np.arange(len(onsets)) % 4] + rng.integers(0, 3), 0, len(notes) - 1)
    loudness = rng.uniform(0.6, 1, len(onsets))
    return make.scatter(onsets, notes, choices, loudness, num_samples=num_samples, sample_rate_hz=sample_rate_hz)


def drums(rng: np.random.Generator, num_samples: int, sample_rate_hz: int) -> np.ndarray:
    """A drum kit in a steady metre: bass drum, snare and hi-hat, each with its own place in the bar."""
    step_s = 60 / log_uniform(rng, 80, 180) / 4
    bass = make.damped_sines(
        np.array([log_uniform(rng, 50, 110)]), np.array([rng.uniform(8, 25)]), sample_rate_hz, slopes_per_s=-1.5
    )[0]
    snare = make.noise_burst(rng, rng.uniform(0.1, 0.3), sample_rate_hz, make.band_pass(rng.uniform(800, 3000), 1.2))
    hat = make.noise_burst(rng, rng.uniform(0.03, 0.15), sample_rate_hz, make.high_pass(rng.uniform(3000, 6000)))
    kit = [bass, snare, 0.5 * hat]
    bars = np.array(
        [[1, 0.1, 0.2, 0.3] * 4, [0.05, 0.05, 0.05, 0.1, 0.95, 0.05, 0.1, 0.1] * 2, [0.9, 0.4, 0.9, 0.4] * 4]
    )
    pattern = rng.uniform(size=bars.shape) < bars
    onsets, choices = [0.0], [0]
    for step in range(int(num_samples / sample_rate_hz / step_s)):
        for drum in np.flatnonzero(pattern[:, step % 16]):
            onsets.append(step * step_s)
            choices.append(int(drum))
    sizes = rng.uniform(0.6, 1, len(onsets))
    return make.scatter(
        np.array(onsets), kit, np.array(choices), sizes, num_samples=num_samples, sample_rate_hz=sample_rate_hz
    )


def winds(rng: np.random.Generator, num_samples: int, sample_rate_hz: int) -> np.ndarray:
    """A trumpet, clarinet or flute: one voice of blown notes, slurred into each other, brighter the louder."""
    duration_s = num_samples / sample_rate_hz
    lengths_s = log_uniform(rng, 0.12, 0.7) * rng.choice([0.5, 1, 1, 2], int(duration_s / 0.05) + 1)
    steps = np.clip(np.cumsum(rng.integers(-2, 3, size=len(lengths_s))) + 4, 0, len(MAJOR_SCALE) - 1)
    number = np.searchsorted(np.cumsum(lengths_s), make.times_s(num_samples, sample_rate_hz), side="right")
    pitch = MAJOR_SCALE[steps[number]].astype(float)
    slur = np.hanning(max(3, int(rng.uniform(0.01, 0.05) * sample_rate_hz)))
    pitch = np.convolve(np.pad(pitch, len(slur), mode="edge"), slur / slur.sum(), "same")[len(slur) : -len(slur)]
    t = make.times_s(num_samples, sample_rate_hz)
    vibrato = 1 + rng.uniform(0, 0.012) * np.sin(2 * np.pi * rng.uniform(4.5, 6.5) * t)
    f0_hz = log_uniform(rng, 130, 520) * 2 ** (pitch / 12) * vibrato
    since_s = t - np.concatenate([[0], np.cumsum(lengths_s)])[number]
    loudness = (1 - np.exp(-since_s / rng.uniform(0.01, 0.06))) * np.exp(-rng.uniform(0, 1.5) * since_s)
    loudness = np.convolve(loudness, slur / slur.sum(), "same")
    bell_hz, numbers = log_uniform(rng, 600, 2200), np.arange(1, 25)
    amplitudes = make.low_pass(bell_hz, int(rng.integers(1, 3)))(numbers * f0_hz.mean()) * rng.uniform(0.5, 1, 24)
    amplitudes[1::2] *= rng.choice([1.0, 0.2])  # a closed tube (clarinet) has few even harmonics
    soft = make.harmonic_tone(f0_hz, amplitudes * numbers**-1.0, sample_rate_hz)
    bright = make.harmonic_tone(f0_hz, amplitudes, sample_rate_hz)
    breath = make.filtered_noise(rng, num_samples, sample_rate_hz, make.band_pass(bell_hz, 1.0))
    tone = loudness * soft / soft.std() + loudness**2 * bright / bright.std()
    return tone + rng.uniform(0.01, 0.15) * loudness * breath
