"""Stochastic models of thirteen kinds of sound, from which the labelled textures are drawn.

A model takes a source of chance, a number of samples and a sample rate; it draws its own parameters
(rates, centre frequencies, decays) and then the events. Levels do not matter: they are set afterwards.
"""

from collections.abc import Callable

import numpy as np

from datamodules.synthesis import primitives as make
from datamodules.synthesis.primitives import log_uniform

TextureModel = Callable[[np.random.Generator, int, int], np.ndarray]
"""(source of chance, T, sample rate in Hz) -> (T,) float64."""

# Partials of a church bell relative to its strike note (hum, prime, tierce, quint, nominal, ...), Fletcher &
# Rossing 1998, The Physics of Musical Instruments, table 21.1.
BELL_RATIOS = np.array([0.5, 1.0, 1.2, 1.5, 2.0, 2.5, 2.61, 3.0, 4.0])

CHIRP_STEEPNESS = 40.0
"""How abruptly an insect's chirp starts and stops (slope of a logistic gate); large is abrupt."""

MAJOR_SCALE = np.array([0, 2, 4, 5, 7, 9, 11, 12, 14, 16])
"""Semitones above the tonic."""


def _rain(rng: np.random.Generator, num_samples: int, sample_rate_hz: int) -> np.ndarray:
    """Many drops, short filtered clicks at random times, over a hiss of those too dense to tell apart."""
    duration_s = num_samples / sample_rate_hz
    onsets = make.random_times_s(rng, log_uniform(rng, 40, 400), duration_s)
    centre_hz = log_uniform(rng, 1500, 5000)
    drops = []
    for _ in range(16):
        band = make.band_pass(make.below_nyquist(centre_hz * log_uniform(rng, 0.5, 2), sample_rate_hz), 0.5)
        drops.append(make.noise_burst(rng, log_uniform(rng, 0.002, 0.012), sample_rate_hz, band))
    sizes = rng.lognormal(0, 0.6, len(onsets))
    choices = rng.integers(len(drops), size=len(onsets))
    mixture = make.scatter(onsets, drops, choices, sizes, num_samples=num_samples, sample_rate_hz=sample_rate_hz)
    hiss = make.filtered_noise(rng, num_samples, sample_rate_hz, make.high_pass(rng.uniform(800, 3000)))
    return mixture / mixture.std() + rng.uniform(0.1, 0.6) * hiss


def _wind(rng: np.random.Generator, num_samples: int, sample_rate_hz: int) -> np.ndarray:
    """Low-pass noise in gusts; a gust is also brighter."""
    gust = make.slow_modulator(rng, num_samples, sample_rate_hz, log_uniform(rng, 0.2, 1.2))
    low_hz = log_uniform(rng, 120, 350)
    low = make.filtered_noise(rng, num_samples, sample_rate_hz, make.low_pass(low_hz, 1))
    howl_band = make.band_pass(low_hz * rng.uniform(2, 4), rng.uniform(0.15, 0.6))
    howl = make.filtered_noise(rng, num_samples, sample_rate_hz, howl_band)
    depth = rng.uniform(0.6, 0.95)
    return (1 - depth + depth * gust) * low + rng.uniform(0.3, 1.2) * gust**2 * howl


def _fire(rng: np.random.Generator, num_samples: int, sample_rate_hz: int) -> np.ndarray:
    """Sparse crackles of very unequal strength over a soft rumble."""
    duration_s = num_samples / sample_rate_hz
    onsets = make.random_times_s(rng, log_uniform(rng, 8, 40), duration_s)
    brightness_hz = log_uniform(rng, 1500, 5000)
    crackles = [
        make.noise_burst(rng, log_uniform(rng, 0.002, 0.01), sample_rate_hz, make.high_pass(brightness_hz, 1))
        for _ in range(16)
    ]
    sizes = rng.lognormal(0, 0.8, len(onsets))
    choices = rng.integers(len(crackles), size=len(onsets))
    mixture = make.scatter(onsets, crackles, choices, sizes, num_samples=num_samples, sample_rate_hz=sample_rate_hz)
    rumble = make.filtered_noise(rng, num_samples, sample_rate_hz, make.low_pass(rng.uniform(80, 300), 1))
    flicker = make.slow_modulator(rng, num_samples, sample_rate_hz, rng.uniform(2, 8))
    return mixture / mixture.std() + rng.uniform(0.2, 0.8) * (0.5 + flicker) * rumble


def _stream(rng: np.random.Generator, num_samples: int, sample_rate_hz: int) -> np.ndarray:
    """Bubbles: damped sinusoids whose pitch rises as they near the surface.

    van den Doel 2005 (ACM Trans. Applied Perception 2:534): a bubble of radius r metres rings at f = 3 / r Hz
    and decays at d = 0.13 / r + 0.0072 r^(-3/2) per second; its frequency rises by xi d per second.
    """
    duration_s = num_samples / sample_rate_hz
    onsets = make.random_times_s(rng, log_uniform(rng, 30, 180), duration_s)
    middle_hz = log_uniform(rng, 600, 1800)
    frequencies_hz = np.clip(middle_hz * rng.lognormal(0, 0.5, 64), 250, 0.4 * sample_rate_hz)
    radii_m = 3.0 / frequencies_hz
    decays_per_s = 0.13 / radii_m + 0.0072 * radii_m**-1.5
    slopes_per_s = rng.uniform(0, 0.15) * decays_per_s * rng.uniform(0.3, 1.0, 64)
    bubbles = make.damped_sines(frequencies_hz, decays_per_s, sample_rate_hz, slopes_per_s=slopes_per_s)
    sizes = rng.lognormal(0, 0.8, len(onsets))
    choices = rng.integers(len(bubbles), size=len(onsets))
    mixture = make.scatter(onsets, bubbles, choices, sizes, num_samples=num_samples, sample_rate_hz=sample_rate_hz)
    wash = make.filtered_noise(rng, num_samples, sample_rate_hz, make.band_pass(middle_hz, 1.0))
    return mixture / mixture.std() + rng.uniform(0.02, 0.2) * wash


def _applause(rng: np.random.Generator, num_samples: int, sample_rate_hz: int) -> np.ndarray:
    """A crowd: each person claps at an own steady rate with an own hand shape, at an own distance."""
    duration_s = num_samples / sample_rate_hz
    mixture = np.zeros(num_samples)
    for _ in range(int(log_uniform(rng, 4, 40))):
        onsets = make.regular_times_s(rng, rng.uniform(2.5, 5.0), duration_s, jitter=0.05)
        hands = make.band_pass(log_uniform(rng, 700, 2800), rng.uniform(0.4, 0.9))
        claps = [make.noise_burst(rng, rng.uniform(0.015, 0.04), sample_rate_hz, hands) for _ in range(2)]
        sizes = log_uniform(rng, 0.2, 1) * rng.uniform(0.7, 1.0, len(onsets))
        choices = rng.integers(2, size=len(onsets))
        mixture += make.scatter(onsets, claps, choices, sizes, num_samples=num_samples, sample_rate_hz=sample_rate_hz)
    room = make.filtered_noise(rng, num_samples, sample_rate_hz, make.power_law(1.0))
    return mixture + rng.uniform(0.001, 0.02) * room


def _insects(rng: np.random.Generator, num_samples: int, sample_rate_hz: int) -> np.ndarray:
    """High tones, pulsed fast within chirps that come and go."""
    t = make.times_s(num_samples, sample_rate_hz)
    mixture = np.zeros(num_samples)
    for _ in range(int(rng.integers(1, 5))):
        carrier_hz = make.below_nyquist(log_uniform(rng, 2800, 7500), sample_rate_hz)
        pulses = np.maximum(0, np.sin(2 * np.pi * (log_uniform(rng, 18, 90) * t + rng.uniform()))) ** 2
        chirps = np.sin(2 * np.pi * (log_uniform(rng, 0.8, 5) * t + rng.uniform()))
        gate = 1 / (1 + np.exp(-CHIRP_STEEPNESS * (chirps - rng.uniform(-1, 0.5))))
        tone = np.sin(2 * np.pi * carrier_hz * t + rng.uniform(0, 2 * np.pi))
        mixture += rng.uniform(0.3, 1) * tone * pulses * gate
    field = make.filtered_noise(rng, num_samples, sample_rate_hz, make.high_pass(2000))
    return mixture + rng.uniform(0.01, 0.08) * field


def _engine(rng: np.random.Generator, num_samples: int, sample_rate_hz: int) -> np.ndarray:
    """A low harmonic hum with wandering speed, the beat of its cylinders, and noise of its exhaust."""
    speed = make.slow_modulator(rng, num_samples, sample_rate_hz, log_uniform(rng, 0.2, 2))
    f0_hz = log_uniform(rng, 25, 110) * (1 + rng.uniform(0.02, 0.3) * (speed - 0.5))
    numbers = np.arange(1, 41)
    amplitudes = numbers ** -rng.uniform(0.6, 1.4) * rng.lognormal(0, 0.5, 40)
    hum = make.harmonic_tone(f0_hz, amplitudes, sample_rate_hz, start_phases=rng.uniform(0, 2 * np.pi, len(numbers)))
    beat = 0.5 + 0.5 * np.sin(2 * np.pi * np.cumsum(f0_hz) / 2 / sample_rate_hz)
    exhaust = make.filtered_noise(rng, num_samples, sample_rate_hz, make.low_pass(rng.uniform(200, 1500), 1))
    return hum / hum.std() + rng.uniform(0.1, 0.6) * beat * exhaust


def _bells(rng: np.random.Generator, num_samples: int, sample_rate_hz: int) -> np.ndarray:
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
        bell = np.zeros(max(len(sound) for sound in sounds))
        for sound in sounds:
            bell[: len(sound)] += rng.uniform(0.3, 1) * sound
        bells.append(bell)
    onsets = make.regular_times_s(rng, log_uniform(rng, 0.8, 4), duration_s, jitter=rng.uniform(0, 0.2))
    onsets = np.append(onsets, 0.02)
    choices = rng.integers(num_bells, size=len(onsets))
    amplitudes = rng.uniform(0.4, 1, len(onsets))
    return make.scatter(onsets, bells, choices, amplitudes, num_samples=num_samples, sample_rate_hz=sample_rate_hz)


def _melody(rng: np.random.Generator, num_samples: int, sample_rate_hz: int) -> np.ndarray:
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


def _birds(rng: np.random.Generator, num_samples: int, sample_rate_hz: int) -> np.ndarray:
    """Chirps: short sweeps of a high tone, each bird repeating its own with small variations."""
    duration_s = num_samples / sample_rate_hz
    mixture = np.zeros(num_samples)
    for _ in range(int(rng.integers(1, 4))):
        centre_hz = log_uniform(rng, 2000, 5000)
        sweep, wobble = rng.uniform(-0.4, 0.4), rng.uniform(0, 0.15)
        wobble_hz, note_s = rng.uniform(10, 40), log_uniform(rng, 0.04, 0.25)
        t = make.times_s(int(note_s * sample_rate_hz), sample_rate_hz)
        chirps = []
        for _ in range(4):
            course = sweep * (t / note_s - 0.5) + wobble * np.sin(2 * np.pi * wobble_hz * t)
            f_hz = np.minimum(centre_hz * rng.normal(1, 0.03) * (1 + course), 0.45 * sample_rate_hz)
            chirp = np.sin(2 * np.pi * np.cumsum(f_hz) / sample_rate_hz)
            chirps.append(chirp * np.hanning(len(t)))
        onsets = make.regular_times_s(rng, min(8.0, rng.uniform(0.3, 0.8) / note_s), duration_s, jitter=0.15)
        onsets = onsets[rng.uniform(size=len(onsets)) < rng.uniform(0.6, 1.0)]
        onsets = np.append(onsets, rng.uniform(0, duration_s / 2))
        choices = rng.integers(len(chirps), size=len(onsets))
        amplitudes = rng.uniform(0.5, 1) * rng.uniform(0.6, 1, len(onsets))
        mixture += make.scatter(
            onsets, chirps, choices, amplitudes, num_samples=num_samples, sample_rate_hz=sample_rate_hz
        )
    leaves = make.filtered_noise(rng, num_samples, sample_rate_hz, make.power_law(1.0))
    return mixture + rng.uniform(0.005, 0.05) * leaves


def _surf(rng: np.random.Generator, num_samples: int, sample_rate_hz: int) -> np.ndarray:
    """Waves: noise that swells fast, sinks slowly, and is brighter the louder it is."""
    t = make.times_s(num_samples, sample_rate_hz)
    period_s = rng.uniform(1.5, 5.0)
    phase = (t / period_s + rng.uniform()) % 1.0
    rise = rng.uniform(0.15, 0.4)
    swell = np.where(phase < rise, phase / rise, np.exp(-rng.uniform(2, 4) * (phase - rise)))
    swell = 0.1 + 0.9 * swell**1.5
    wash = make.filtered_noise(rng, num_samples, sample_rate_hz, make.low_pass(rng.uniform(300, 700), 1))
    foam = make.filtered_noise(rng, num_samples, sample_rate_hz, make.high_pass(rng.uniform(1000, 2500), 1))
    return swell * wash + rng.uniform(0.4, 1.0) * swell**2 * foam


def _footsteps(rng: np.random.Generator, num_samples: int, sample_rate_hz: int) -> np.ndarray:
    """Steps: a dull heel thump, then the scrape of the sole, at a walking or running pace."""
    duration_s = num_samples / sample_rate_hz
    ground = make.band_pass(log_uniform(rng, 600, 3500), rng.uniform(0.5, 1.0))
    thump_hz, scrape_s = log_uniform(rng, 70, 220), rng.uniform(0.03, 0.12)
    delay = int(rng.uniform(0.01, 0.06) * sample_rate_hz)
    loudness = rng.uniform(0.2, 0.9)
    steps = []
    for _ in range(4):
        scrape = loudness * make.noise_burst(rng, scrape_s, sample_rate_hz, ground, attack_s=0.004)
        frequency_hz = np.array([thump_hz * rng.normal(1, 0.05)])
        thump = make.damped_sines(frequency_hz, np.array([rng.uniform(25, 60)]), sample_rate_hz)[0]
        step = np.zeros(max(len(thump), delay + len(scrape)))
        step[: len(thump)] += thump
        step[delay : delay + len(scrape)] += scrape
        steps.append(step)
    onsets = make.regular_times_s(rng, log_uniform(rng, 1.4, 3.2), duration_s, jitter=0.03)
    onsets = np.append(onsets, rng.uniform(0, 0.1))  # short clips too have a step
    choices, amplitudes = rng.integers(4, size=len(onsets)), rng.uniform(0.7, 1, len(onsets))
    mixture = make.scatter(onsets, steps, choices, amplitudes, num_samples=num_samples, sample_rate_hz=sample_rate_hz)
    room = make.filtered_noise(rng, num_samples, sample_rate_hz, make.power_law(1.5))
    return mixture / mixture.std() + rng.uniform(0.005, 0.03) * room


def _noise(rng: np.random.Generator, num_samples: int, sample_rate_hz: int) -> np.ndarray:
    """Steady noise between white and brown."""
    return make.filtered_noise(rng, num_samples, sample_rate_hz, make.power_law(rng.uniform(0, 2)))


TEXTURE_MODELS: dict[str, TextureModel] = {
    "applause": _applause,
    "bells": _bells,
    "birds": _birds,
    "engine": _engine,
    "fire": _fire,
    "footsteps": _footsteps,
    "insects": _insects,
    "melody": _melody,
    "noise": _noise,
    "rain": _rain,
    "stream": _stream,
    "surf": _surf,
    "wind": _wind,
}
"""Label -> model, in alphabetical order."""
