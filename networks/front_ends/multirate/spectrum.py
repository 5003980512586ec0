"""The adjoint of the real FFT, which both ways of computing the envelopes end their gradient with."""

import torch
from torch import Tensor


def rfft_adjoint(spectrum: Tensor, num_samples: int) -> Tensor:
    """(B, K) -> (B, T), the adjoint of ``torch.fft.rfft``; changes its argument."""
    # Bins but the first and (of an even length) the last appear twice in irfft, here once.
    spectrum[:, 1 : (num_samples + 1) // 2] *= 0.5
    return torch.fft.irfft(spectrum, n=num_samples, norm="forward")
