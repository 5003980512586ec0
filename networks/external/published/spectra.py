"""Spectra of waveforms, as the published networks take them."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from networks.installation import load_torchaudio


class Spectrum(nn.Module):
    """Complex short-time Fourier transform of frames centred at multiples of the hop.

    Args:
        num_fft: Points of each transform.
        hop: Samples from frame to frame.
        window: Makes the periodic window, such as `torch.hann_window`.
        num_window: Samples of the window, in the centre of each frame; None for all points.
        pad_mode: What comes before and after the sound: "reflect" or "constant" for zeros.
    """

    def __init__(
        self,
        *,
        num_fft: int,
        hop: int,
        window: Callable[[int], Tensor],
        num_window: int | None = None,
        pad_mode: str = "reflect",
    ) -> None:
        super().__init__()
        self.num_fft, self.hop, self.pad_mode = num_fft, hop, pad_mode
        self.register_buffer("window", window(num_window or num_fft), persistent=False)

    def forward(self, waveform: Tensor) -> Tensor:
        """(B, T) -> (B, num_fft // 2 + 1, N) complex."""
        window = self.get_buffer("window")
        return torch.stft(
            waveform,
            self.num_fft,
            self.hop,
            len(window),
            window,
            center=True,
            pad_mode=self.pad_mode,
            return_complex=True,
        )

    def extra_repr(self) -> str:
        """List the settings."""
        return f"{self.num_fft}, hop={self.hop}, pad_mode={self.pad_mode}"


def slaney_mel_filters(num_bands: int, *, num_fft: int, low_hz: float, high_hz: float, sample_rate_hz: int) -> Tensor:
    """Triangular filters on Slaney's mel scale, each of unit area (Slaney 1998).

    Args:
        num_bands: Number of filters, F.
        num_fft: Points of the Fourier transform.
        low_hz: Lower edge of the first filter in Hz.
        high_hz: Upper edge of the last filter in Hz.
        sample_rate_hz: Sample rate in Hz.

    Returns:
        (F, num_fft // 2 + 1).

    Raises:
        InstallationError: Torchaudio does not load.
    """
    filters: Tensor = load_torchaudio().functional.melscale_fbanks(
        num_fft // 2 + 1, low_hz, high_hz, num_bands, sample_rate_hz, norm="slaney", mel_scale="slaney"
    )
    return filters.T.contiguous()


def peak_normalised(waveform: Tensor) -> Tensor:
    """Divide each sound (B, T) by its largest absolute value; silence stays as it is."""
    return waveform / nonzero(waveform.abs().amax(dim=1, keepdim=True))


def nonzero(divisor: Tensor) -> Tensor:
    """Replace divisors of 0, those of silence, by 1."""
    return torch.where(divisor > 0, divisor, torch.ones_like(divisor))
