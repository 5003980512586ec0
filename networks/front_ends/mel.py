"""A mel spectrogram of the same shape as the cochleagram: the usual front end of audio networks, for comparison."""

import warnings
from typing import Literal

import torch
from torch import Tensor

from networks.front_ends.compression import OFFSET, POWER, power_compression
from networks.front_ends.front_end import FrontEnd, samples_per_frame
from networks.installation import load_torchaudio


class MelSpectrogram(FrontEnd):
    r"""Compressed mel spectrogram, by default of 211 bands x 390 frames like the published cochleagram.

    With the mel filters `M` and a Hann window `w`,

        spectrogram = compression(M @ |STFT(x)| / sum(w))

    A tone of amplitude 1 has the magnitude 0.5. The filters are triangles of height 1, equally spaced on the (HTK) mel
    scale `2595 log10(1 + f / 700)`. The waveform is not padded: frame n covers samples `n * stride` to
    `n * stride + window_samples`. The window is padded with zeros to the length of the transform, because the lowest
    filters are narrower than the resolution of the window. Computed with torchaudio in float32 with autocast off, and
    excluded from `torch.compile`, which does not support complex numbers. Differentiable.

    Args:
        sample_rate_hz: Sample rate of the waveforms in Hz.
        num_samples: Samples of a waveform, T; 40 000 is 2 s at 20 kHz.
        num_bands: Number of mel filters, F.
        low_hz: Lower edge of the lowest filter in Hz.
        high_hz: Upper edge of the highest filter in Hz, at most half the sample rate.
        frame_rate_hz: Frames per second. Must divide the sample rate.
        window_samples: Length of the window.
        fft_samples: Length of the transform, at least `window_samples`.
        compression: "power" for `(x + offset) ** power` with the published rule for its gradient (see
            `power_compression`), or "log" for `log(x + offset)`.
        power: Exponent of the power compression.
        offset: Added to the magnitudes before compression.

    Raises:
        InstallationError: If torchaudio does not load.
        ValueError: If the frame rate does not divide the sample rate, the waveform is shorter than the window, the
            edges are out of order, the transform is too short for the window or the lowest filters, or the compression
            is unknown.
    """

    def __init__(
        self,
        *,
        sample_rate_hz: int = 20_000,
        num_samples: int = 40_000,
        num_bands: int = 211,
        low_hz: float = 50.0,
        high_hz: float = 10_000.0,
        frame_rate_hz: float = 200.0,
        window_samples: int = 1001,
        fft_samples: int = 4096,
        compression: Literal["power", "log"] = "power",
        power: float = POWER,
        offset: float = OFFSET,
    ) -> None:
        super().__init__()
        stride = samples_per_frame(sample_rate_hz, frame_rate_hz)
        if not 1 <= window_samples <= min(num_samples, fft_samples):
            raise ValueError(
                f"expected a window of at most num_samples={num_samples} and fft_samples={fft_samples}, "
                f"got window_samples={window_samples}"
            )
        if compression not in ("power", "log"):
            raise ValueError(f"expected compression 'power' or 'log', got {compression!r}")
        self.sample_rate_hz, self.num_samples, self.frame_rate_hz = sample_rate_hz, num_samples, frame_rate_hz
        self.stride, self.window_samples, self.fft_samples = stride, window_samples, fft_samples
        self.compression, self.power, self.offset = compression, power, offset
        self.output_shape = (num_bands, (num_samples - window_samples) // stride + 1)
        filters = _mel_filters(fft_samples, sample_rate_hz, num_bands, low_hz, high_hz)
        self.register_buffer("filters", filters, persistent=False)  # (bins, F)
        self.register_buffer("window", torch.hann_window(window_samples), persistent=False)

    @torch.compiler.disable
    def forward(self, waveform: Tensor) -> Tensor:
        """Compute mel spectrograms of a batch of waveforms.

        Args:
            waveform: (B, T) at `sample_rate_hz`. The published inputs have mean 0 and RMS 0.1.

        Returns:
            (B, F, N) compressed magnitudes.

        Raises:
            ValueError: If the waveforms do not have `num_samples` samples each.
        """
        self.check_waveforms(waveform)
        window, filters = self.get_buffer("window"), self.get_buffer("filters")
        with torch.autocast(waveform.device.type, enabled=False):
            # torchaudio centres the window within the transform. With as many zeros around the waveform as around the
            # window, frame n has its window on samples n * stride to n * stride + window_samples.
            before = (self.fft_samples - self.window_samples) // 2
            after = self.fft_samples - self.window_samples - before
            magnitude: Tensor = load_torchaudio().functional.spectrogram(
                torch.nn.functional.pad(waveform.to(filters.dtype), (before, after)),
                pad=0,
                window=window,
                n_fft=self.fft_samples,
                hop_length=self.stride,
                win_length=self.window_samples,
                power=1.0,
                normalized=False,
                center=False,
            )  # (B, bins, N)
            # (B, N, bins) @ (bins, F) -> (B, N, F) -> (B, F, N)
            mel = (magnitude.transpose(1, 2) @ filters).transpose(1, 2) / window.sum()
            if self.compression == "log":
                return (mel + self.offset).log()
            return power_compression(mel, power=self.power, offset=self.offset)


def _mel_filters(fft_samples: int, sample_rate_hz: int, num_bands: int, low_hz: float, high_hz: float) -> Tensor:
    """Make triangular filters, (bins, F)."""
    if not 0 <= low_hz < high_hz <= sample_rate_hz / 2:
        raise ValueError(
            f"expected 0 <= low_hz < high_hz <= {sample_rate_hz / 2} Hz (half the sample rate), got {low_hz} and "
            f"{high_hz}"
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about empty filters, which are an error here
        filters: Tensor = load_torchaudio().functional.melscale_fbanks(
            fft_samples // 2 + 1, low_hz, high_hz, num_bands, sample_rate_hz, norm=None, mel_scale="htk"
        )
    empty = (filters.amax(dim=0) == 0).nonzero()
    if len(empty):
        raise ValueError(
            f"{fft_samples} points at {sample_rate_hz} Hz resolve {sample_rate_hz / fft_samples:.3g} Hz, too coarse "
            f"for mel filter {int(empty[0])} of {num_bands}: use more fft_samples, fewer bands or a higher low_hz"
        )
    return filters
