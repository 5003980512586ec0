"""Filters: augmentations that are a convolution, in the loader or on the device."""

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

import numpy as np
import scipy.fft
import torch
from torch import Tensor

from datamodules.batches.augmentation.augmentation import Parameters, SoundAugmentation


class Filtering(SoundAugmentation):
    """A filter with a random impulse response. A subclass needs `draw`, `kernel` and `num_taps`.

    Each sample of the result is y[n] = sum over k of h[k] x[n + latency - k], with K taps h. What is before and after
    the stretch is taken from the clip, so that a stretch is the same as if the whole clip had been filtered.
    """

    runs_on_device: ClassVar[bool] = True

    @abstractmethod
    def kernel(self, sample_rate_hz: int, **parameters: Any) -> np.ndarray:
        """Impulse response h of what `draw` returned, (K,) float32."""

    @abstractmethod
    def num_taps(self, sample_rate_hz: int) -> int:
        """Length K of every impulse response."""

    def latency(self, sample_rate_hz: int) -> int:
        """Tap at which a sound stays in its place: by default the middle one, as for symmetrical filters."""
        return self.num_taps(sample_rate_hz) // 2

    def margins(self, sample_rate_hz: int) -> tuple[int, int]:
        """Samples before and after a stretch that its change depends on."""
        latency = self.latency(sample_rate_hz)
        return self.num_taps(sample_rate_hz) - 1 - latency, latency

    def apply(self, waveform: np.ndarray, sample_rate_hz: int, **parameters: Any) -> np.ndarray:
        """Filter (T + K - 1,) samples; returns the T that depend on no others."""
        num_samples = len(waveform) - self.num_taps(sample_rate_hz) + 1
        return filtered(waveform, self.response_to(num_samples, sample_rate_hz, **parameters))

    def response_to(self, num_samples: int, sample_rate_hz: int, **parameters: Any) -> "FrequencyResponse":
        """Frequency response of what `draw` returned, for T samples."""
        return frequency_response(self.kernel(sample_rate_hz, **parameters), num_samples)

    def values_for_device(self, sample_rate_hz: int, parameters: Parameters | None) -> np.ndarray:
        """The impulse response; a single 1 at the latency leaves a sound as it is."""
        if parameters is not None:
            return self.kernel(sample_rate_hz, **parameters)
        taps = np.zeros(self.num_taps(sample_rate_hz), dtype=np.float32)
        taps[self.latency(sample_rate_hz)] = 1.0
        return taps

    def apply_to_batch(self, waveforms: Tensor, values: Tensor) -> Tensor:
        """Filter (B, T + K - 1) samples with (B, K) taps; returns (B, T)."""
        length = waveforms.shape[1]
        size = scipy.fft.next_fast_len(length, real=True)
        spectrum = torch.fft.rfft(waveforms, size) * torch.fft.rfft(values, size)
        return torch.fft.irfft(spectrum, size)[:, values.shape[1] - 1 : length]


class FrequencyResponse(NamedTuple):
    """A filter, as it is applied to T samples.

    Args:
        num_samples: Length T of the result.
        num_taps: Taps up to the last that is not 0, at least 1.
        size: Number of points of the FFT, at least T + num_taps - 1.
        spectrum: (size // 2 + 1,) complex64.
    """

    num_samples: int
    num_taps: int
    size: int
    spectrum: np.ndarray


def frequency_response(taps: np.ndarray, num_samples: int) -> FrequencyResponse:
    """Prepare a filter.

    Args:
        taps: (K,) float32; zeros at the end cost nothing.
        num_samples: Samples that will be wanted.
    """
    heard = np.flatnonzero(taps)
    num_taps = int(heard[-1]) + 1 if len(heard) else 1
    # scipy's FFT is computed by one thread: the result does not depend on their number, as MKL's might.
    size = scipy.fft.next_fast_len(num_samples + num_taps - 1, real=True)
    return FrequencyResponse(num_samples, num_taps, size, scipy.fft.rfft(taps[:num_taps], size))


def filtered(waveform: np.ndarray, response: FrequencyResponse) -> np.ndarray:
    """Convolve the end of (T + K - 1,) float32 samples with K taps at most; returns the last T samples."""
    num_samples, num_taps, size, spectrum = response
    needed = num_samples + num_taps - 1
    product = scipy.fft.rfft(waveform[len(waveform) - needed :], size)
    product *= spectrum
    # The first K - 1 samples of the circular convolution are wrapped around.
    result: np.ndarray = scipy.fft.irfft(product, size, overwrite_x=True)[num_taps - 1 : needed]
    return result


def symmetric_kernel(gain: Callable[[np.ndarray], np.ndarray], num_taps: int, sample_rate_hz: int) -> np.ndarray:
    """Design a symmetrical filter, which delays all frequencies alike, by sampling its gain.

    Args:
        gain: Frequencies in Hz -> amplitude gain of the same shape, at least 0.
        num_taps: Number of taps K, odd.
        sample_rate_hz: Sample rate in Hz.

    Returns:
        (K,) float32, with its middle at K // 2.
    """
    taps = scipy.fft.irfft(gain(scipy.fft.rfftfreq(num_taps, 1 / sample_rate_hz)), num_taps)
    return (np.roll(taps, num_taps // 2) * np.hanning(num_taps + 2)[1:-1]).astype(np.float32)


def odd_taps(duration_s: float, sample_rate_hz: int) -> int:
    """The odd number of taps nearest to a duration, at least 3."""
    return max(3, 2 * round(duration_s * sample_rate_hz / 2) + 1)
