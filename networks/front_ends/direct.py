"""Band envelopes at the frame rate by the definition: waveforms (B, T) to low-passed, decimated envelopes (B, F, N).

`networks.front_ends.multirate` computes the same from short FFTs. Compression comes afterwards.
"""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

KAISER_BETA = 5.0  # Tuckute, Feather et al. 2023: window of the low-pass kernel
MAGNITUDE_FLOOR = 1e-8  # Feather et al. 2023: minimum magnitude of a subband; the gradient is 0 there
DIRECT_BANDS_AT_ONCE = 16  # bands whose subbands are in memory at the same time


class LowPass(NamedTuple):
    """The decimating low-pass of the envelopes: `num_taps` taps, one frame every `stride` samples."""

    num_taps: int
    stride: int
    beta: float = KAISER_BETA

    def taps(self, positions: NDArray[np.floating]) -> NDArray[np.float64]:
        """Evaluate the kernel at positions 0 to num_taps - 1, fractional ones included; it is 0 outside.

        `kernel(p) = sinc((p - num_taps / 2) / stride) / stride * kaiser(p)`. The sinc of the published kernel is off
        centre by half a sample, which is kept for parity. The window is centred.
        """
        time = positions - self.num_taps / 2
        half = (self.num_taps - 1) / 2
        offset = (positions - half) / half
        inside = np.abs(offset) <= 1 + 1e-12
        # kaiser(p) = I0(beta * sqrt(1 - offset^2)) / I0(beta), with offset from -1 to 1 over the taps.
        window = np.i0(self.beta * np.sqrt(np.clip(1 - offset**2, 0, None))) / np.i0(self.beta)
        return np.where(inside, np.sinc(time / self.stride) / self.stride * window, 0.0)

    def num_frames(self, num_samples: int) -> int:
        """Number of frames that fit into `num_samples` samples without padding."""
        return (num_samples - self.num_taps) // self.stride + 1


class DirectEnvelopes(nn.Module):
    """Envelopes by the definition: a full inverse complex FFT of each band, then a strided correlation.

    Exact but slow and memory-hungry. The reference for other methods.

    Args:
        responses: (F, T / 2 + 1) frequency responses.
        num_samples: Samples of a waveform, T.
        low_pass: The decimating low-pass.
    """

    def __init__(self, responses: NDArray[np.float64], num_samples: int, low_pass: LowPass) -> None:
        super().__init__()
        self.num_samples, self.stride = num_samples, low_pass.stride
        taps = low_pass.taps(np.arange(low_pass.num_taps, dtype=np.float64))
        self.register_buffer("responses", torch.tensor(responses, dtype=torch.float32), persistent=False)
        self.register_buffer("taps", torch.tensor(taps, dtype=torch.float32)[None, None], persistent=False)

    def forward(self, waveform: Tensor) -> Tensor:
        """(B, T) -> (B, F, N)."""
        spectrum = torch.fft.rfft(waveform)  # (B, T / 2 + 1)
        frames = []
        for responses in self.get_buffer("responses").split(DIRECT_BANDS_AT_ONCE):
            # ifft pads the one-sided spectrum with zeros, so that the negative frequencies are 0: the analytic signal.
            subbands = torch.fft.ifft(spectrum[:, None] * responses, n=self.num_samples)
            # |subband|: (B, bands, T) -> (B * bands, 1, T)
            envelopes = subbands.abs().clamp(min=MAGNITUDE_FLOOR).flatten(0, 1)[:, None]
            # frame[n] = sum_p taps[p] * envelope[n * stride + p]
            low_passed = nn.functional.conv1d(envelopes, self.get_buffer("taps"), stride=self.stride)
            frames.append(low_passed.unflatten(0, (len(waveform), len(responses)))[:, :, 0])
        return torch.cat(frames, dim=1)
