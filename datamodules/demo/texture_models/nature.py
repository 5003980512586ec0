"""Water, weather, fire and animals."""

import numpy as np

from datamodules.demo import primitives as make
from datamodules.demo.primitives import log_uniform

CHIRP_STEEPNESS = 40.0
"""How abruptly an insect's chirp starts and stops (slope of a logistic gate); large is abrupt."""


def rain(rng: np.random.Generator, num_samples: int, sample_rate_hz: int) -> np.ndarray:
    """Many drops, short filtered clicks at random times, over a hiss of those too dense to distinguish."""
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


def wind(rng: np.random.Generator, num_samples: int, sample_rate_hz: int) -> np.ndarray:
    """Low-pass noise in gusts; a gust is also brighter."""
    gust = make.slow_modulator(rng, num_samples, sample_rate_hz, log_uniform(rng, 0.2, 1.2))
    low_hz = log_uniform(rng, 120, 350)
    low = make.filtered_noise(rng, num_samples, sample_rate_hz, make.low_pass(low_hz, 1))
    howl_band = make.band_pass(low_hz * rng.uniform(2, 4), rng.uniform(0.15, 0.6))
    howl = make.filtered_noise(rng, num_samples, sample_rate_hz, howl_band)
    depth = rng.uniform(0.6, 0.95)
    return (1 - depth + depth * gust) * low + rng.uniform(0.3, 1.2) * gust**2 * howl


def fire(rng: np.random.Generator, num_samples: int, sample_rate_hz: int) -> np.ndarray:
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


def stream(rng: np.random.Generator, num_samples: int, sample_rate_hz: int) -> np.ndarray:
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


def surf(rng: np.random.Generator, num_samples: int, sample_rate_hz: int) -> np.ndarray:
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


def insects(rng: np.random.Generator, num_samples: int, sample_rate_hz: int) -> np.ndarray:
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


def birds(rng: np.random.Generator, num_samples: int, sample_rate_hz: int) -> np.ndarray:
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


def barks(rng: np.random.Generator, num_samples: int, sample_rate_hz: int) -> np.ndarray:
    """A dog: short harsh calls with falling pitch and one broad resonance, in groups."""
    duration_s = num_samples / sample_rate_hz
    f0_hz, resonance_hz = log_uniform(rng, 180, 700), log_uniform(rng, 600, 1600)
    call_s, roughness = log_uniform(rng, 0.08, 0.3), rng.uniform(0.1, 0.6)
    numbers = np.arange(1, 25)
    t = make.times_s(int(call_s * sample_rate_hz), sample_rate_hz)
    calls = []
    for _ in range(4):
        course_hz = f0_hz * rng.normal(1, 0.06) * (1 + 0.5 * np.sin(np.pi * np.minimum(t / call_s + 0.2, 1)))
        amplitudes = make.band_pass(resonance_hz, 0.6)(numbers * f0_hz) + 0.02
        voice = make.harmonic_tone(course_hz, amplitudes, sample_rate_hz)
        breath = make.filtered_noise(rng, len(t), sample_rate_hz, make.band_pass(1.5 * resonance_hz, 0.7))
        attack = np.minimum(t / 0.01, 1) * np.exp(-3 * t / call_s)
        calls.append(make.faded((voice / voice.std() + roughness * breath) * attack, sample_rate_hz, fade_s=0.01))
    onsets = make.regular_times_s(rng, log_uniform(rng, 1.2, 4), duration_s, jitter=0.1)
    onsets = np.append(onsets[rng.uniform(size=len(onsets)) < rng.uniform(0.6, 1)], rng.uniform(0, 0.2))
    choices, sizes = rng.integers(len(calls), size=len(onsets)), rng.uniform(0.6, 1, len(onsets))
    mixture = make.scatter(onsets, calls, choices, sizes, num_samples=num_samples, sample_rate_hz=sample_rate_hz)
    return make.in_background(rng, mixture, sample_rate_hz, exponent=1.0, level=(0.005, 0.05))


def purring(rng: np.random.Generator, num_samples: int, sample_rate_hz: int) -> np.ndarray:
    """A cat that purrs, a frog or a growl: a low rattle of twenty to sixty pulses per second, swelling in turns."""
    duration_s = num_samples / sample_rate_hz
    rate_hz = log_uniform(rng, 18, 60)
    band = make.band_pass(log_uniform(rng, 100, 500), rng.uniform(0.6, 1.1))
    pulses = [make.noise_burst(rng, rng.uniform(0.6, 1.2) / rate_hz, sample_rate_hz, band) for _ in range(16)]
    onsets = make.regular_times_s(rng, rate_hz, duration_s, jitter=0.06)
    turns = np.sin(2 * np.pi * (log_uniform(rng, 0.4, 1.5) * onsets + rng.uniform()))
    sizes = (1 + rng.uniform(0.2, 0.9) * turns) * rng.uniform(0.7, 1, len(onsets))
    choices = rng.integers(len(pulses), size=len(onsets))
    mixture = make.scatter(onsets, pulses, choices, sizes, num_samples=num_samples, sample_rate_hz=sample_rate_hz)
    return make.in_background(rng, mixture, sample_rate_hz, exponent=1.0, level=(0.01, 0.1))
