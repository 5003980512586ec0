"""Building blocks of synthetic sounds: filtered noise, slow modulation, damped sinusoids, scattered grains.

Shapes: T samples, G grains, K samples of one grain.
"""

from collections.abc import Callable, Sequence

import numpy as np

GainCurve = Callable[[np.ndarray], np.ndarray]
"""Frequencies in Hz -> amplitude gain of the same shape."""

NYQUIST_MARGIN = 0.9
"""Tones stay below this fraction of half the sample rate."""

FADE_S = 0.002
"""Grains that would end abruptly are faded over this long."""


def log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    """Draw one number between two positive bounds, uniform in its logarithm."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def below_nyquist(frequency_hz: float, sample_rate_hz: int) -> float:
    """Limit a frequency to 0.9 of half the sample rate."""
    return min(frequency_hz, NYQUIST_MARGIN * sample_rate_hz / 2)


def times_s(num_samples: int, sample_rate_hz: int) -> np.ndarray:
    """Times of samples from 0, (T,) float64 in seconds."""
    return np.arange(num_samples) / sample_rate_hz


def filtered_noise(rng: np.random.Generator, num_samples: int, sample_rate_hz: int, gain: GainCurve) -> np.ndarray:
    """Make Gaussian noise with a given amplitude spectrum, in the frequency domain.

    Args:
        rng: Random generator.
        num_samples: T.
        sample_rate_hz: Sample rate in Hz.
        gain: Amplitude gain at each frequency; its overall scale does not matter.

    Returns:
        (T,) float64 with standard deviation 1 (0 if the gain is zero everywhere).
    """
    frequencies_hz = np.fft.rfftfreq(num_samples, 1 / sample_rate_hz)
    amplitudes = gain(frequencies_hz)
    amplitudes[0] = 0.0
    phases = rng.standard_normal((2, len(frequencies_hz)))
    noise = np.fft.irfft(amplitudes * (phases[0] + 1j * phases[1]), num_samples)
    deviation = noise.std()
    return noise / deviation if deviation > 0 else noise


def low_pass(cutoff_hz: float, order: int = 2) -> GainCurve:
    """Butterworth magnitude, 1 / sqrt(1 + (f / fc)^(2 order))."""
    return lambda f: 1 / np.sqrt(1 + (f / cutoff_hz) ** (2 * order))


def high_pass(cutoff_hz: float, order: int = 2) -> GainCurve:
    """Butterworth magnitude, 1 / sqrt(1 + (fc / f)^(2 order)); 0 at 0 Hz."""
    return lambda f: 1 / np.sqrt(1 + (cutoff_hz / np.maximum(f, 1e-9)) ** (2 * order))


def band_pass(centre_hz: float, bandwidth_octaves: float) -> GainCurve:
    """Gaussian in log frequency, with the given width (standard deviation) in octaves."""
    return lambda f: np.exp(-0.5 * (np.log2(np.maximum(f, 1e-9) / centre_hz) / bandwidth_octaves) ** 2)


def power_law(exponent: float, lowest_hz: float = 40.0) -> GainCurve:
    """Power falling as f^-exponent (0 white, 1 pink, 2 brown), flat below `lowest_hz`."""
    return lambda f: np.maximum(f, lowest_hz) ** (-exponent / 2)


def slow_modulator(rng: np.random.Generator, num_samples: int, sample_rate_hz: int, rate_hz: float) -> np.ndarray:
    """Make a slow random curve between 0 and 1, with fluctuations up to about `rate_hz`.

    Random points are drawn `2 * rate_hz` times per second and joined by raised cosines.

    Returns:
        (T,) float64 in [0, 1].
    """
    positions = times_s(num_samples, sample_rate_hz) * 2 * rate_hz + rng.uniform()
    points = rng.uniform(size=int(positions[-1]) + 2)
    index = positions.astype(np.int64)
    blend = 0.5 - 0.5 * np.cos(np.pi * (positions - index))
    return points[index] * (1 - blend) + points[index + 1] * blend


def random_times_s(rng: np.random.Generator, rate_hz: float, duration_s: float) -> np.ndarray:
    """Draw times of a Poisson process, at least one; (G,) float64 in seconds, in [0, duration_s)."""
    return rng.uniform(0.0, duration_s, size=max(1, int(rng.poisson(rate_hz * duration_s))))


def regular_times_s(rng: np.random.Generator, rate_hz: float, duration_s: float, *, jitter: float) -> np.ndarray:
    """Draw times of a regular pulse with random phase and a jitter in units of its period; (G,) in seconds."""
    beats = np.arange(-1, int(duration_s * rate_hz) + 2) + rng.uniform()
    times = (beats + jitter * rng.standard_normal(len(beats))) / rate_hz
    return times[(times >= 0) & (times < duration_s)]


def damped_sines(
    frequencies_hz: np.ndarray,
    decays_per_s: np.ndarray,
    sample_rate_hz: int,
    *,
    slopes_per_s: np.ndarray | float = 0.0,
    num_decays: float = 6.0,
) -> list[np.ndarray]:
    """Make decaying sinusoids exp(-d t) sin(2 pi f (1 + slope t / 2) t), one grain each.

    Args:
        frequencies_hz: (G,) starting frequencies f, limited to 0.9 of half the sample rate.
        decays_per_s: (G,) decay rates d.
        sample_rate_hz: Sample rate in Hz.
        slopes_per_s: (G,) relative rise of the frequency per second.
        num_decays: Each grain is cut after this many time constants 1 / d.

    Returns:
        G arrays, each (K,) float64.
    """
    slopes = np.broadcast_to(slopes_per_s, np.shape(frequencies_hz))
    grains = []
    for frequency_hz, decay_per_s, slope_per_s in zip(frequencies_hz, decays_per_s, slopes, strict=True):
        t = times_s(max(8, int(num_decays / decay_per_s * sample_rate_hz)), sample_rate_hz)
        cycles = below_nyquist(frequency_hz, sample_rate_hz) * (1 + 0.5 * slope_per_s * t) * t
        grains.append(np.exp(-decay_per_s * t) * np.sin(2 * np.pi * cycles))
    return grains


def noise_burst(
    rng: np.random.Generator, duration_s: float, sample_rate_hz: int, gain: GainCurve, *, attack_s: float = 0.0005
) -> np.ndarray:
    """Make filtered noise with a sharp attack that decays by 60 dB over its duration; (K,) float64."""
    num_samples = max(16, int(duration_s * sample_rate_hz))
    t = times_s(num_samples, sample_rate_hz)
    envelope = np.minimum(t / attack_s, 1.0) * np.exp(-np.log(1000.0) * t / duration_s)
    return 0.5 * filtered_noise(rng, num_samples, sample_rate_hz, gain) * envelope


def scatter(
    onsets_s: np.ndarray,
    grains: list[np.ndarray],
    choices: np.ndarray,
    amplitudes: np.ndarray,
    *,
    num_samples: int,
    sample_rate_hz: int,
) -> np.ndarray:
    """Add grains to silence at given times; what extends beyond the end is cut.

    Args:
        onsets_s: (E,) times of E events in seconds.
        grains: Bank of sounds, each (K,).
        choices: (E,) index of the grain of each event.
        amplitudes: (E,) amplitude of each event.
        num_samples: T.
        sample_rate_hz: Sample rate in Hz.

    Returns:
        (T,) float64.
    """
    mixture = np.zeros(num_samples)
    starts = (np.asarray(onsets_s) * sample_rate_hz).astype(np.int64)
    for start, choice, amplitude in zip(starts, choices, amplitudes, strict=True):
        grain = grains[choice][: num_samples - start]
        mixture[start : start + len(grain)] += amplitude * grain
    return mixture


def layered(sounds: Sequence[np.ndarray]) -> np.ndarray:
    """Add sounds that begin together, (K,) each; float64, as long as the longest, empty without sounds."""
    total = np.zeros(max((len(sound) for sound in sounds), default=0))
    for sound in sounds:
        total[: len(sound)] += sound
    return total


def in_background(
    rng: np.random.Generator,
    mixture: np.ndarray,
    sample_rate_hz: int,
    *,
    exponent: float,
    level: tuple[float, float],
) -> np.ndarray:
    """Add the background noise of a place to events.

    Args:
        rng: Random generator.
        mixture: (T,) events, not silent.
        sample_rate_hz: Sample rate in Hz.
        exponent: Exponent of the noise's power law, see `power_law`.
        level: Range of the noise's RMS relative to that of the events.

    Returns:
        (T,) float64.
    """
    place = filtered_noise(rng, len(mixture), sample_rate_hz, power_law(exponent))
    return mixture / mixture.std() + rng.uniform(*level) * place


def harmonic_tone(
    f0_hz: np.ndarray, amplitudes: np.ndarray, sample_rate_hz: int, *, start_phases: np.ndarray | None = None
) -> np.ndarray:
    """Make harmonics of a (moving) fundamental; those above 0.9 of half the sample rate are left out.

    Args:
        f0_hz: (K,) fundamental at each sample.
        amplitudes: (H,) amplitudes of harmonics 1..H.
        sample_rate_hz: Sample rate in Hz.
        start_phases: (H,) phases in radians; None is sine phase.

    Returns:
        (K,) float64.
    """
    phase = 2 * np.pi * np.cumsum(f0_hz) / sample_rate_hz
    num_audible = int(NYQUIST_MARGIN * sample_rate_hz / 2 / f0_hz.max())
    heard = np.asarray(amplitudes)[: max(1, num_audible)]
    phases = np.zeros(len(heard)) if start_phases is None else start_phases[: len(heard)]
    return _sum_of_harmonics(phase, heard, phases)


def _sum_of_harmonics(phase: np.ndarray, amplitudes: np.ndarray, start_phases: np.ndarray) -> np.ndarray:
    # Horner's scheme in exp(i phase): one complex product per harmonic rather than one sine.
    base = np.exp(1j * phase)
    weights = amplitudes * np.exp(1j * start_phases)
    total = np.full(len(phase), weights[-1], dtype=complex)
    for weight in weights[-2::-1]:
        total = total * base + weight
    return np.imag(total * base)


def faded(grain: np.ndarray, sample_rate_hz: int, fade_s: float = FADE_S) -> np.ndarray:
    """Fade a sound in and out by raised cosines; (K,) float64."""
    num_fade = min(int(fade_s * sample_rate_hz), len(grain) // 2)
    ramp = 0.5 - 0.5 * np.cos(np.pi * (np.arange(num_fade) + 0.5) / max(1, num_fade))
    result = np.array(grain, dtype=np.float64)
    result[:num_fade] *= ramp
    result[len(result) - num_fade :] *= ramp[::-1]
    return result
