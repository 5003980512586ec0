"""People: sounds of hands, and of voices other than speech."""

import numpy as np

from datamodules.demo import primitives as make
from datamodules.demo.primitives import log_uniform

GASP_S = 0.3
"""Duration of the breath after a cry."""


def typing(rng: np.random.Generator, num_samples: int, sample_rate_hz: int) -> np.ndarray:
    """Keys pressed in runs: a click as each goes down, a softer one as it comes up, in uneven time."""
    duration_s = num_samples / sample_rate_hz
    band = make.band_pass(log_uniform(rng, 1200, 3500), rng.uniform(0.5, 1.0))
    plate_hz = np.array([log_uniform(rng, 180, 600)])
    keys = []
    for _ in range(8):
        click = make.noise_burst(rng, rng.uniform(0.008, 0.03), sample_rate_hz, band)
        (thump,) = make.damped_sines(plate_hz * rng.normal(1, 0.1), np.array([90.0]), sample_rate_hz)
        keys.append(make.layered([click, rng.uniform(0.1, 0.6) * thump]))
    gap_s, unevenness, pause = 1 / log_uniform(rng, 3.5, 9), rng.uniform(0.2, 0.5), rng.uniform(0.03, 0.15)
    gaps_s = gap_s * rng.lognormal(0, unevenness, int(4 * duration_s / gap_s) + 4)
    gaps_s += (rng.uniform(size=len(gaps_s)) < pause) * rng.uniform(0.2, 0.6)
    downs_s = np.cumsum(gaps_s) - gaps_s[0] + rng.uniform(0, 0.1)
    downs_s = downs_s[downs_s < duration_s]
    ups_s = downs_s + rng.uniform(0.06, 0.12, len(downs_s))
    onsets = np.concatenate([downs_s, ups_s])
    sizes = np.concatenate([rng.uniform(0.5, 1, len(downs_s)), rng.uniform(0.1, 0.4) * np.ones(len(ups_s))])
    within = onsets < duration_s
    choices = rng.integers(len(keys), size=int(within.sum()))
    mixture = make.scatter(
        onsets[within], keys, choices, sizes[within], num_samples=num_samples, sample_rate_hz=sample_rate_hz
    )
    return _somewhere(rng, mixture, sample_rate_hz)


def chopping(rng: np.random.Generator, num_samples: int, sample_rate_hz: int) -> np.ndarray:
    """A knife through vegetables onto a board: a crunch that swells, then the blow, at a steady pace."""
    duration_s = num_samples / sample_rate_hz
    crunch_band = make.band_pass(log_uniform(rng, 1500, 5000), 0.8)
    blade_band = make.high_pass(log_uniform(rng, 1000, 3000), 1)
    board_hz = log_uniform(rng, 120, 400) * np.array([1.0, 1.8, 2.9])
    crunch_s, crunchiness = rng.uniform(0.02, 0.09), rng.uniform(0.1, 0.8)
    cuts = []
    for _ in range(4):
        crunch = make.noise_burst(rng, 2 * crunch_s, sample_rate_hz, crunch_band)[: int(crunch_s * sample_rate_hz)]
        modes = make.damped_sines(board_hz, rng.uniform(40, 120, 3), sample_rate_hz)
        blow = make.layered([*modes, make.noise_burst(rng, 0.02, sample_rate_hz, blade_band)])
        cuts.append(np.concatenate([crunchiness * crunch[::-1], blow]))
    period_s = 1 / log_uniform(rng, 1.8, 7)
    onsets = np.arange(rng.uniform(0, 0.1), duration_s, period_s)
    onsets[1:] += rng.uniform(0.03, 0.12) * period_s * rng.uniform(-1, 1, len(onsets) - 1)
    onsets = onsets[onsets < duration_s]
    choices, sizes = rng.integers(len(cuts), size=len(onsets)), rng.uniform(0.5, 1, len(onsets))
    mixture = make.scatter(onsets, cuts, choices, sizes, num_samples=num_samples, sample_rate_hz=sample_rate_hz)
    return _somewhere(rng, mixture, sample_rate_hz)


def writing(rng: np.random.Generator, num_samples: int, sample_rate_hz: int) -> np.ndarray:
    """A pen, brush or fingernail: strokes of friction noise back and forth, rough and brighter the faster they go."""
    t = make.times_s(num_samples, sample_rate_hz)
    pace = make.slow_modulator(rng, num_samples, sample_rate_hz, 1.0)
    phase = np.pi * np.cumsum(log_uniform(rng, 3, 11) * (0.7 + 0.6 * pace)) / sample_rate_hz
    speed = np.abs(np.sin(phase + rng.uniform(0, np.pi))) ** rng.uniform(0.7, 2)
    touching = make.slow_modulator(rng, num_samples, sample_rate_hz, rng.uniform(1, 3)) > rng.uniform(0.1, 0.35)
    touching |= t < rng.uniform(0.15, 0.4)
    contact = np.convolve(touching, np.hanning(int(0.02 * sample_rate_hz)), "same")
    centre_hz = make.below_nyquist(log_uniform(rng, 1800, 5500), sample_rate_hz)
    slow, fast = (
        make.filtered_noise(rng, num_samples, sample_rate_hz, make.band_pass(factor * centre_hz, 0.7))
        for factor in (0.7, 1.3)
    )
    grain = 1 + rng.uniform(0, 0.8) * np.sin(2 * np.pi * log_uniform(rng, 40, 120) * t)
    mixture = contact * grain * (speed * slow + speed**2 * fast)
    return _somewhere(rng, mixture, sample_rate_hz)


def breathing(rng: np.random.Generator, num_samples: int, sample_rate_hz: int) -> np.ndarray:
    """Breath in and out, calm or panting: noise through an open mouth, the two directions of different colour."""
    drift = make.slow_modulator(rng, num_samples, sample_rate_hz, 0.5)
    cycles = np.cumsum(log_uniform(rng, 0.4, 4) * (0.9 + 0.2 * drift)) / sample_rate_hz + rng.uniform()
    phase = cycles % 1.0
    turn, pause = rng.uniform(0.35, 0.55), rng.uniform(0.0, 0.15)
    inward = np.clip(np.sin(np.pi * phase / turn), 0, None) * (phase < turn)
    outward = np.clip(np.sin(np.pi * (phase - turn) / (1 - turn - pause)), 0, None) * (phase >= turn)
    outward *= phase < 1 - pause
    mixture = np.zeros(num_samples)
    for flow, size in ((inward, rng.uniform(0.3, 1)), (outward, 1.0)):
        mouth_hz = log_uniform(rng, 400, 1200) * np.array([1.0, 2.4, 4.3])
        for resonance_hz, strength in zip(mouth_hz, rng.uniform(0.3, 1, 3), strict=True):
            band = make.band_pass(make.below_nyquist(resonance_hz, sample_rate_hz), 0.35)
            mixture += size * strength * flow**1.5 * make.filtered_noise(rng, num_samples, sample_rate_hz, band)
    return _somewhere(rng, mixture, sample_rate_hz)


def laughing(rng: np.random.Generator, num_samples: int, sample_rate_hz: int) -> np.ndarray:
    """Laughter: runs of short breathy calls, four to seven per second, falling in pitch and loudness."""
    duration_s = num_samples / sample_rate_hz
    rate_hz, f0_hz, formants_hz = log_uniform(rng, 3.8, 7), log_uniform(rng, 140, 500), _formants_hz(rng)
    breathiness, fading, sinking = rng.uniform(0.1, 0.6), rng.uniform(0.75, 0.97), rng.uniform(0.94, 0.99)
    t = make.times_s(int(rng.uniform(0.4, 0.7) / rate_hz * sample_rate_hz), sample_rate_hz)
    onsets: list[float] = []
    calls: list[np.ndarray] = []
    start_s = rng.uniform(0, 0.1)
    while start_s < duration_s:
        num_calls = int(rng.integers(4, 10))
        for number in range(num_calls):
            onset_s = start_s + number / rate_hz * rng.normal(1, 0.03)
            if 0 <= onset_s < duration_s:
                course_hz = f0_hz * sinking**number * rng.normal(1, 0.03) * (1.1 - 0.3 * t / max(t[-1], 1e-3))
                onsets.append(onset_s)
                calls.append(fading**number * _voice(rng, course_hz, formants_hz, breathiness, sample_rate_hz))
        start_s += num_calls / rate_hz + rng.uniform(0.1, 0.5)
    order = np.arange(len(calls))
    mixture = make.scatter(
        np.array(onsets), calls, order, np.ones(len(calls)), num_samples=num_samples, sample_rate_hz=sample_rate_hz
    )
    return _somewhere(rng, mixture, sample_rate_hz)


def crying(rng: np.random.Generator, num_samples: int, sample_rate_hz: int) -> np.ndarray:
    """A baby or a sobbing adult: long calls of a tense voice whose pitch arches and shakes, gasps between."""
    duration_s = num_samples / sample_rate_hz
    f0_hz, formants_hz = log_uniform(rng, 250, 650), 1.2 * _formants_hz(rng)
    call_s, breathiness = log_uniform(rng, 0.4, 1.4), rng.uniform(0.02, 0.3)
    period_s = call_s + GASP_S + rng.uniform(0, 0.5)
    gasp_band = make.band_pass(log_uniform(rng, 800, 2500), 0.5)
    t = make.times_s(int(call_s * sample_rate_hz), sample_rate_hz)
    calls = []
    for _ in range(3):
        arch = 1 + rng.uniform(0.1, 0.4) * np.sin(np.pi * t / call_s)
        shake = 1 + rng.uniform(0, 0.04) * np.sin(2 * np.pi * rng.uniform(5, 9) * t)
        cry = _voice(rng, f0_hz * rng.normal(1, 0.05) * arch * shake, formants_hz, breathiness, sample_rate_hz)
        gasp = rng.uniform(0.02, 0.2) * make.noise_burst(rng, GASP_S, sample_rate_hz, gasp_band, attack_s=0.08)
        calls.append(np.concatenate([cry, gasp]))
    onsets = np.arange(rng.uniform(0, 0.1), duration_s, period_s)
    choices, sizes = rng.integers(len(calls), size=len(onsets)), rng.uniform(0.6, 1, len(onsets))
    mixture = make.scatter(onsets, calls, choices, sizes, num_samples=num_samples, sample_rate_hz=sample_rate_hz)
    return _somewhere(rng, mixture, sample_rate_hz)


def _formants_hz(rng: np.random.Generator) -> np.ndarray:
    """Resonances of an open vowel: (3,) Hz."""
    return np.array([rng.uniform(500, 950), rng.uniform(1000, 1900), rng.uniform(2400, 3300)])


def _voice(
    rng: np.random.Generator, f0_hz: np.ndarray, formants_hz: np.ndarray, breathiness: float, sample_rate_hz: int
) -> np.ndarray:
    """A vowel on a moving pitch (K,), with breath of the same colour: (K,) float64, faded."""
    numbers = np.arange(1, 31)

    def resonance(frequencies_hz: np.ndarray) -> np.ndarray:
        bands = [
            make.band_pass(centre_hz, 0.25)(frequencies_hz) / number
            for number, centre_hz in enumerate(formants_hz, start=1)
        ]
        return np.sum(bands, axis=0) + 0.02

    tone = make.harmonic_tone(f0_hz, resonance(numbers * f0_hz.mean()), sample_rate_hz)
    breath = make.filtered_noise(rng, len(f0_hz), sample_rate_hz, resonance)
    return make.faded(tone / tone.std() + breathiness * breath, sample_rate_hz, fade_s=0.03)


def _somewhere(rng: np.random.Generator, mixture: np.ndarray, sample_rate_hz: int) -> np.ndarray:
    """Events in the quiet noise of some place."""
    return make.in_background(rng, mixture, sample_rate_hz, exponent=rng.uniform(0.8, 1.6), level=(0.005, 0.05))
