"""The cochlear filter bank: cosine filters, equally spaced on the ERB scale, with squared responses that sum to one.

Source: Feather et al. 2023 (Nat Neurosci) and Tuckute, Feather et al. 2023 (PLoS Biol 21(12): e3002366), section
"cochleagram". The ERB scale is that of Glasberg & Moore (1990).
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

ERB_EAR_Q = 9.265  # Glasberg & Moore: quality factor of the ear's filters at high frequencies
ERB_MIN_BANDWIDTH_HZ = 24.7  # Glasberg & Moore: bandwidth of the ear's filters towards 0 Hz


class FilterBank(NamedTuple):
    """Frequency responses of the filters on the grid of a real FFT.

    Attributes:
        responses: (F, N/2 + 1) amplitude responses, from the lowest band to the highest.
        center_freqs_hz: (F,) centre of each filter in Hz. The low-pass and high-pass filters at the ends continue the
            spacing of the band-pass filters.
    """

    responses: NDArray[np.float64]
    center_freqs_hz: NDArray[np.float64]


def hz_to_erb(frequency_hz: NDArray[np.float64] | float) -> NDArray[np.float64]:
    """ERB number of a frequency: `9.265 * ln(1 + f / (24.7 * 9.265))` (Glasberg & Moore 1990)."""
    return ERB_EAR_Q * np.log1p(np.asarray(frequency_hz, dtype=np.float64) / (ERB_MIN_BANDWIDTH_HZ * ERB_EAR_Q))


def erb_to_hz(erb: NDArray[np.float64] | float) -> NDArray[np.float64]:
    """Frequency in Hz of an ERB number: the inverse of `hz_to_erb`."""
    return ERB_MIN_BANDWIDTH_HZ * ERB_EAR_Q * np.expm1(np.asarray(erb, dtype=np.float64) / ERB_EAR_Q)


def num_bands(num_filters: int, sample_factor: int) -> int:
    """Number of bands of `erb_cosine_filters`: `s * (n + 1) - 1` band-pass filters and `s` at each end."""
    return sample_factor * (num_filters + 1) - 1 + 2 * sample_factor


def erb_cosine_filters(
    num_samples: int,
    *,
    sample_rate_hz: float = 20_000,
    num_filters: int = 50,
    sample_factor: int = 4,
    low_hz: float = 50.0,
    high_hz: float = 10_000.0,
) -> FilterBank:
    r"""Make half-cosine filters on the ERB scale, with low-pass and high-pass filters at the ends.

    With spacing `d` of the centres `c_i` on the ERB scale and sample factor `s`, band-pass filter `i` has the response

        H_i(f) = cos(pi * (erb(f) - c_i) / (2 s d))    for |erb(f) - c_i| < s d, else 0

    The `i`-th low-pass filter is `sqrt(1 - H_i^2)` below the centre of the `i`-th band-pass filter. The high-pass
    filters mirror this at the top. All are divided by `sqrt(s)`, so that the squared responses sum to one at every
    frequency.

    Args:
        num_samples: Samples T of the waveform, which set the frequency grid `linspace(0, rate / 2, T // 2 + 1)`.
        sample_rate_hz: Sample rate of the waveform in Hz.
        num_filters: Number of filters `n` before oversampling.
        sample_factor: Oversampling `s` of the bank.
        low_hz: Lower edge of the band-pass filters in Hz.
        high_hz: Upper edge of the band-pass filters in Hz, at most the Nyquist frequency.

    Returns:
        Responses and centres of `s * (n + 1) - 1 + 2 s` filters: low-pass filters 0 to s - 1, band-pass filters, then
        high-pass filters s - 1 to 0.

    Raises:
        ValueError: If the edges are out of order or above the Nyquist frequency, or the grid is too coarse for the
            filters.
    """
    nyquist_hz = sample_rate_hz / 2
    if not 0 < low_hz < high_hz <= nyquist_hz:
        raise ValueError(
            f"expected 0 < low_hz < high_hz <= {nyquist_hz} Hz (half the sample rate), got {low_hz} and {high_hz}"
        )
    if num_filters < 1 or sample_factor < 1:
        raise ValueError(f"expected at least one filter, got {num_filters=} and {sample_factor=}")
    grid_hz = np.linspace(0, nyquist_hz, num_samples // 2 + 1)
    num_bandpass = sample_factor * (num_filters + 1) - 1
    centers = np.linspace(hz_to_erb(low_hz), hz_to_erb(high_hz), num_bandpass + 2)
    spacing = centers[1] - centers[0]
    half_width = sample_factor * spacing
    centers = centers[1:-1]

    distance = hz_to_erb(grid_hz)[None, :] - centers[:, None]  # (bands, grid), in ERB
    bandpass = np.where(np.abs(distance) < half_width, np.cos(distance / (2 * half_width) * np.pi), 0.0)
    center_hz = erb_to_hz(centers)

    # H_lowpass^2 + H_bandpass^2 = 1 below the centre, so that the sum of squares stays constant at the ends.
    lowest, highest = bandpass[:sample_factor], bandpass[::-1][:sample_factor]
    below = grid_hz[None, :] < center_hz[:sample_factor, None]
    above = grid_hz[None, :] > center_hz[::-1][:sample_factor, None]
    lowpass = np.where(below, np.sqrt(1 - lowest**2), 0.0)
    highpass = np.where(above, np.sqrt(1 - highest**2), 0.0)[::-1]

    responses = np.concatenate([lowpass, bandpass, highpass]) / np.sqrt(sample_factor)
    empty = np.flatnonzero(~responses.any(axis=1))
    if len(empty):
        raise ValueError(
            f"{num_samples} samples at {sample_rate_hz} Hz resolve {sample_rate_hz / num_samples:.3g} Hz, too coarse "
            f"for band {empty[0]} of {len(responses)}: use a longer waveform, fewer filters or a higher low_hz"
        )
    steps = np.arange(-sample_factor, num_bandpass + sample_factor)
    return FilterBank(responses, erb_to_hz(centers[0] + steps * spacing))
