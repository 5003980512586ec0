"""Acoustic features that drive the simulated primary cortex: band energy, modulation energy, pitch strength.

Letters in shapes: S stimuli, T samples, F bands, N frames, V units.
"""

from typing import NamedTuple

import numpy as np

from datamodules.audio import PUBLISHED_SAMPLE_RATE_HZ

_NUM_BANDS = 48
LOWEST_HZ, HIGHEST_HZ = 50.0, 9000.0
WINDOW_SAMPLES, HOP_SAMPLES = 512, 160
FRAME_RATE_HZ = PUBLISHED_SAMPLE_RATE_HZ / HOP_SAMPLES

COMPRESSION_EXPONENT = 0.3
"""Power law on amplitude, as in the cochlea and in the published cochleagrams (McDermott & Simoncelli 2011)."""

# Equivalent rectangular bandwidths, Glasberg & Moore 1990, Hear. Res. 47:103.
ERB_SLOPE_PER_HZ = 0.00437
ERBS_PER_DECADE = 21.4

MODULATION_WIDTH_OCTAVES = 0.6
"""Bandwidth of modulation tuning, of the order of one octave as in models of the cortex (Chi, Ru & Shamma 2005)."""

LOG_FLOOR = 1e-3
"""Added before the logarithm, as a fraction of the mean over sounds, so that silence is finite."""

PITCH_WINDOW_SAMPLES = 1024
PITCH_HZ = (70.0, 600.0)


def erb_number(frequency_hz: np.ndarray) -> np.ndarray:
    """ERB numbers of frequencies f in Hz, `21.4 log10(1 + 0.00437 f)`, of the same shape."""
    return ERBS_PER_DECADE * np.log10(1 + ERB_SLOPE_PER_HZ * frequency_hz)


def band_centres_hz() -> np.ndarray:
    """Centres (F,) of the bands in Hz, evenly spaced on the ERB scale."""
    edges = erb_number(np.array([LOWEST_HZ, HIGHEST_HZ]))
    numbers = np.linspace(edges[0], edges[1], _NUM_BANDS)
    return (10 ** (numbers / ERBS_PER_DECADE) - 1) / ERB_SLOPE_PER_HZ


def auditory_spectrogram(waveforms: np.ndarray) -> np.ndarray:
    """Compressed band amplitudes over time, (S, F, N) float64, of waveforms (S, T) at 20 kHz."""
    # Power spectra of 25.6 ms Hann windows every 8 ms, summed with Gaussian weights one ERB wide, to the power 0.15.
    weights = _band_weights()
    return np.stack([_compressed_bands(waveform, weights) for waveform in waveforms])


def band_energy(spectrum: np.ndarray, centres_hz: np.ndarray, widths_erb: np.ndarray) -> np.ndarray:
    """Energy (S, V) of time-averaged spectrograms (S, F) under Gaussian tuning curves: centre (V,), deviation (V,)."""
    distance = erb_number(band_centres_hz())[:, None] - erb_number(centres_hz)
    return spectrum @ np.exp(-0.5 * (distance / widths_erb) ** 2)


class ModulationSpectrum(NamedTuple):
    """Energy (S, K, N) of spectrograms at spectral scales (K,) in cycles/ERB and temporal rates (N,) in Hz."""

    energy: np.ndarray
    scales_cycles_per_erb: np.ndarray
    rates_hz: np.ndarray


def modulation_spectrum(spectrogram: np.ndarray) -> ModulationSpectrum:
    """Squared magnitude of the two-dimensional Fourier transform of demeaned spectrograms (S, F, N)."""
    num_bands, num_frames = spectrogram.shape[1:]
    centred = spectrogram - spectrogram.mean(axis=(1, 2), keepdims=True)
    scales = np.fft.rfftfreq(num_bands, np.ptp(erb_number(band_centres_hz())) / (num_bands - 1))
    scales[0] = scales[1] / 2  # modulations common to all bands count as the coarsest scale
    return ModulationSpectrum(
        np.abs(np.fft.rfft2(centred, axes=(2, 1))) ** 2,
        scales,
        np.abs(np.fft.fftfreq(num_frames, 1 / FRAME_RATE_HZ)),
    )


def modulation_energy(
    spectrum: ModulationSpectrum,
    rates_hz: np.ndarray,
    scales_cycles_per_erb: np.ndarray,
    *,
    width_octaves: float = MODULATION_WIDTH_OCTAVES,
) -> np.ndarray:
    """Spectrotemporal modulation energy under tuning curves, Gaussian in log rate and log scale, for both directions.

    Args:
        spectrum: Result of `modulation_spectrum`.
        rates_hz: (V,) best temporal modulation rates.
        scales_cycles_per_erb: (V,) best spectral modulations.
        width_octaves: Standard deviation of the tuning, in octaves.

    Returns:
        (S, V) logarithm of the energy.
    """
    by_rate = _log_gaussian(spectrum.rates_hz, rates_hz, width_octaves)  # (N, V)
    by_scale = _log_gaussian(spectrum.scales_cycles_per_erb, scales_cycles_per_erb, width_octaves)  # (K, V)
    tuned = np.einsum("skn,nv,kv->sv", spectrum.energy, by_rate, by_scale, optimize=True)
    return np.log(tuned + LOG_FLOOR * tuned.mean(axis=0))


def pitch_strength(waveforms: np.ndarray) -> np.ndarray:
    """Periodicity (S,) from 0 to about 1 of waveforms (S, T) at 20 kHz: maximum normalised autocorrelation."""
    return np.array([_periodicity(waveform) for waveform in waveforms])


def _band_weights() -> np.ndarray:
    """Weights (F, WINDOW_SAMPLES // 2 + 1) that sum power spectra to bands."""
    frequencies = np.fft.rfftfreq(WINDOW_SAMPLES, 1 / PUBLISHED_SAMPLE_RATE_HZ)
    distance = erb_number(frequencies) - erb_number(band_centres_hz())[:, None]
    weights = np.exp(-0.5 * distance**2)
    return weights / weights.sum(axis=1, keepdims=True)


def _compressed_bands(waveform: np.ndarray, weights: np.ndarray) -> np.ndarray:
    frames = np.lib.stride_tricks.sliding_window_view(waveform, WINDOW_SAMPLES)[::HOP_SAMPLES]  # (N, window)
    power = np.abs(np.fft.rfft(frames * np.hanning(WINDOW_SAMPLES), axis=1)) ** 2
    return (weights @ power.T) ** (COMPRESSION_EXPONENT / 2)


def _log_gaussian(values: np.ndarray, centres: np.ndarray, width_octaves: float) -> np.ndarray:
    """Gaussian of log2(values / centres), of values (K,) and centres (V,) -> (K, V); 0 for the value 0."""
    octaves = np.log2(np.maximum(values, 1e-9)[:, None] / centres)
    return np.exp(-0.5 * (octaves / width_octaves) ** 2)


def _periodicity(waveform: np.ndarray) -> float:
    """Largest normalised autocorrelation at lags of 70-600 Hz, averaged over frames weighted by amplitude."""
    windows = np.lib.stride_tricks.sliding_window_view(waveform, PITCH_WINDOW_SAMPLES)
    frames = windows[:: PITCH_WINDOW_SAMPLES // 2].astype(np.float64)
    frames = frames - frames.mean(axis=1, keepdims=True)
    spectra = np.abs(np.fft.rfft(frames, 2 * PITCH_WINDOW_SAMPLES, axis=1)) ** 2
    correlation = np.fft.irfft(spectra, axis=1)
    first, last = (round(PUBLISHED_SAMPLE_RATE_HZ / hz) for hz in PITCH_HZ[::-1])
    # The overlap decreases with the lag: divide by its fraction of the window.
    overlap = 1 - np.arange(first, last) / PITCH_WINDOW_SAMPLES
    power = correlation[:, 0]
    strength = (correlation[:, first:last] / overlap).max(axis=1) / np.maximum(power, 1e-12)
    amplitude = np.sqrt(power)
    return float((strength * amplitude).sum() / max(amplitude.sum(), 1e-12))
