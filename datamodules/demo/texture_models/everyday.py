"""Machines, objects and crowds, as heard in houses and streets."""

import numpy as np

from datamodules.demo import primitives as make
from datamodules.demo.primitives import log_uniform


def applause(rng: np.random.Generator, num_samples: int, sample_rate_hz: int) -> np.ndarray:
    """A crowd: each person claps at their own steady rate, with their own hand shape and distance."""
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


def footsteps(rng: np.random.Generator, num_samples: int, sample_rate_hz: int) -> np.ndarray:
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
    onsets = np.append(onsets, rng.uniform(0, 0.1))  # short clips have a step, too
    choices, amplitudes = rng.integers(4, size=len(onsets)), rng.uniform(0.7, 1, len(onsets))
    mixture = make.scatter(onsets, steps, choices, amplitudes, num_samples=num_samples, sample_rate_hz=sample_rate_hz)
    return make.in_background(rng, mixture, sample_rate_hz, exponent=1.5, level=(0.005, 0.03))


def engine(rng: np.random.Generator, num_samples: int, sample_rate_hz: int) -> np.ndarray:
    """A low harmonic hum with wandering speed, the beat of its cylinders, and noise of its exhaust."""
    speed = make.slow_modulator(rng, num_samples, sample_rate_hz, log_uniform(rng, 0.2, 2))
    f0_hz = log_uniform(rng, 25, 110) * (1 + rng.uniform(0.02, 0.3) * (speed - 0.5))
    numbers = np.arange(1, 41)
    amplitudes = numbers ** -rng.uniform(0.6, 1.4) * rng.lognormal(0, 0.5, 40)
    hum = make.harmonic_tone(f0_hz, amplitudes, sample_rate_hz, start_phases=rng.uniform(0, 2 * np.pi, len(numbers)))
    beat = 0.5 + 0.5 * np.sin(2 * np.pi * np.cumsum(f0_hz) / 2 / sample_rate_hz)
    exhaust = make.filtered_noise(rng, num_samples, sample_rate_hz, make.low_pass(rng.uniform(200, 1500), 1))
    return hum / hum.std() + rng.uniform(0.1, 0.6) * beat * exhaust


def noise(rng: np.random.Generator, num_samples: int, sample_rate_hz: int) -> np.ndarray:
    """Steady noise between white and brown."""
    return make.filtered_noise(rng, num_samples, sample_rate_hz, make.power_law(rng.uniform(0, 2)))


def knocking(rng: np.random.Generator, num_samples: int, sample_rate_hz: int) -> np.ndarray:
    """Knocks on wood: a few low, strongly damped modes at once, in groups of two to six."""
    duration_s = num_samples / sample_rate_hz
    modes_hz = log_uniform(rng, 90, 350) * np.array([1.0, 1.7, 2.6, 4.1, 6.3]) * rng.normal(1, 0.08, 5)
    decays_per_s = rng.uniform(25, 70) * (modes_hz / modes_hz[0]) ** 0.5
    knuckle = make.band_pass(log_uniform(rng, 800, 3000), 0.6)
    knocks = []
    for _ in range(4):
        sounds = make.damped_sines(modes_hz, decays_per_s, sample_rate_hz)
        strengths = rng.uniform(0.3, 1, 5) / np.arange(1, 6)
        knock = make.layered([strength * sound for sound, strength in zip(sounds, strengths, strict=True)])
        click = 0.3 * make.noise_burst(rng, 0.01, sample_rate_hz, knuckle)
        knock[: len(click)] += click[: len(knock)]
        knocks.append(knock)
    rate_hz, pause_s = log_uniform(rng, 3, 9), rng.uniform(0.3, 1.0)
    onsets: list[float] = []
    start_s = rng.uniform(0, 0.2)
    while start_s < duration_s:
        group = start_s + np.arange(rng.integers(2, 7)) / rate_hz * rng.normal(1, 0.05)
        onsets.extend(group[group < duration_s])
        start_s = group[-1] + pause_s
    choices, sizes = rng.integers(4, size=len(onsets)), rng.uniform(0.6, 1, len(onsets))
    mixture = make.scatter(
        np.array(onsets), knocks, choices, sizes, num_samples=num_samples, sample_rate_hz=sample_rate_hz
    )
    return make.in_background(rng, mixture, sample_rate_hz, exponent=1.5, level=(0.005, 0.03))


def glass(rng: np.random.Generator, num_samples: int, sample_rate_hz: int) -> np.ndarray:
    """Clinking glasses and dishes: high inharmonic modes, bright and short, at random times."""
    duration_s = num_samples / sample_rate_hz
    clinks = []
    for _ in range(6):
        modes_hz = log_uniform(rng, 1200, 3500) * np.array([1.0, 1.52, 2.18, 2.9, 3.7]) * rng.normal(1, 0.05, 5)
        modes_hz = modes_hz[modes_hz < make.NYQUIST_MARGIN * sample_rate_hz / 2]
        sounds = make.damped_sines(modes_hz, rng.uniform(8, 60, len(modes_hz)), sample_rate_hz)
        clinks.append(make.layered([rng.uniform(0.2, 1) * sound for sound in sounds]))
    onsets = make.random_times_s(rng, log_uniform(rng, 2, 14), duration_s)
    onsets = np.append(onsets, rng.uniform(0, 0.1))
    choices, sizes = rng.integers(len(clinks), size=len(onsets)), rng.lognormal(0, 0.6, len(onsets))
    mixture = make.scatter(onsets, clinks, choices, sizes, num_samples=num_samples, sample_rate_hz=sample_rate_hz)
    room = make.filtered_noise(rng, num_samples, sample_rate_hz, make.power_law(1.0))
    return mixture + rng.uniform(0.002, 0.02) * room


def drill(rng: np.random.Generator, num_samples: int, sample_rate_hz: int) -> np.ndarray:
    """A small motor under load: a bright buzz whose pitch sags, with broadband noise at the same rate."""
    load = make.slow_modulator(rng, num_samples, sample_rate_hz, log_uniform(rng, 0.5, 4))
    f0_hz = log_uniform(rng, 120, 600) * (1 - rng.uniform(0.05, 0.4) * load)
    numbers = np.arange(1, 31)
    amplitudes = numbers ** -rng.uniform(0, 0.7) * rng.lognormal(0, 0.6, 30)
    whirr = make.harmonic_tone(f0_hz, amplitudes, sample_rate_hz, start_phases=rng.uniform(0, 2 * np.pi, 30))
    teeth = 0.5 + 0.5 * np.sin(2 * np.pi * np.cumsum(f0_hz) / sample_rate_hz)
    grinding = make.filtered_noise(rng, num_samples, sample_rate_hz, make.high_pass(rng.uniform(800, 3000), 1))
    return whirr / whirr.std() + rng.uniform(0.2, 1.2) * (0.3 + load) * teeth * grinding


def siren(rng: np.random.Generator, num_samples: int, sample_rate_hz: int) -> np.ndarray:
    """A warning tone that glides up and down, or jumps between two pitches, over street noise."""
    t = make.times_s(num_samples, sample_rate_hz)
    course = np.sin(2 * np.pi * (log_uniform(rng, 0.25, 4) * t + rng.uniform()))
    if rng.uniform() < 0.4:
        course = np.tanh(20 * course)
    f0_hz = log_uniform(rng, 400, 1200) * 2 ** (rng.uniform(0.15, 0.6) * course)
    tone = make.harmonic_tone(f0_hz, np.arange(1, 8) ** -rng.uniform(0.5, 2.0), sample_rate_hz)
    street = make.filtered_noise(rng, num_samples, sample_rate_hz, make.power_law(rng.uniform(1, 2)))
    return tone / tone.std() + rng.uniform(0.02, 0.3) * street


def ringing(rng: np.random.Generator, num_samples: int, sample_rate_hz: int) -> np.ndarray:
    """A telephone or alarm: steady high tones, trilled fast, on and off."""
    t = make.times_s(num_samples, sample_rate_hz)
    trill = 1 + rng.uniform(0.2, 1) * np.sign(np.sin(2 * np.pi * (log_uniform(rng, 8, 30) * t + rng.uniform())))
    pulse = np.sin(2 * np.pi * (log_uniform(rng, 0.4, 3) * t + rng.uniform(0, 0.1)))
    gate = 1 / (1 + np.exp(-60 * (pulse + rng.uniform(-0.3, 0.6))))
    tones = np.zeros(num_samples)
    for _ in range(int(rng.integers(1, 4))):
        frequency_hz = make.below_nyquist(log_uniform(rng, 600, 3200), sample_rate_hz)
        tones += make.harmonic_tone(
            np.full(num_samples, frequency_hz), np.arange(1, 5) ** -rng.uniform(0.5, 2), sample_rate_hz
        )
    room = make.filtered_noise(rng, num_samples, sample_rate_hz, make.power_law(1.0))
    return tones * trill * gate + rng.uniform(0.005, 0.05) * room


def dialling(rng: np.random.Generator, num_samples: int, sample_rate_hz: int) -> np.ndarray:
    """Keys of a telephone: each sounds the two tones of its row and column (ITU-T Q.23), one after the other."""
    rows_hz, columns_hz = (697, 770, 852, 941), (1209, 1336, 1477)
    tone_s, gap_s = rng.uniform(0.06, 0.25), rng.uniform(0.05, 0.35)
    t = make.times_s(int(tone_s * sample_rate_hz), sample_rate_hz)
    keys = []
    for row_hz in rows_hz:
        for column_hz in columns_hz:
            pair = np.sin(2 * np.pi * row_hz * t) + np.sin(2 * np.pi * column_hz * t)
            keys.append(make.faded(pair, sample_rate_hz, fade_s=0.004))
    most = int(num_samples / sample_rate_hz / tone_s) + 1
    steps_s = tone_s + gap_s * rng.lognormal(0, rng.uniform(0.02, 0.6), most)
    onsets = np.cumsum(steps_s) - steps_s[0] + rng.uniform(0, 0.1)
    onsets = onsets[onsets < num_samples / sample_rate_hz]
    choices, sizes = rng.integers(len(keys), size=len(onsets)), np.ones(len(onsets))
    mixture = make.scatter(onsets, keys, choices, sizes, num_samples=num_samples, sample_rate_hz=sample_rate_hz)
    line = make.filtered_noise(rng, num_samples, sample_rate_hz, make.band_pass(1000, 1.0))
    return mixture + rng.uniform(0.005, 0.1) * line
