"""What published speech networks take instead of a waveform, made of waveforms as their authors did."""

import torch
from torch import Tensor, nn

from networks.installation import load_torchaudio

# Settings of Kaldi's filter banks in the software published with AST and Speech2Text: at 16 kHz, windows of 25 ms every
# 10 ms, without dither.
SAMPLE_RATE_HZ = 16_000
NUM_SAMPLES = 2 * SAMPLE_RATE_HZ  # the sounds of the benchmarks last 2 s
FRAME_SHIFT_MS = 10.0
PCM_SCALE = 2.0**15  # Speech2Text takes samples as 16-bit numbers
MIN_DEVIATION = 1e-10  # so that a silent sound stays finite


def filter_bank(waveform: Tensor, *, num_bands: int, window: str) -> Tensor:
    """Log mel filter bank of Kaldi.

    Args:
        waveform: (B, T) at 16 kHz.
        num_bands: Mel filters, F.
        window: "hanning" or "povey".

    Returns:
        (B, N, F).

    Raises:
        InstallationError: If torchaudio does not load.
    """
    kaldi = load_torchaudio().compliance.kaldi
    banks = [
        kaldi.fbank(
            sound[None],
            num_mel_bins=num_bands,
            sample_frequency=SAMPLE_RATE_HZ,
            frame_shift=FRAME_SHIFT_MS,
            window_type=window,
            dither=0.0,
        )
        for sound in waveform
    ]
    return torch.stack(banks)


class ASTInput(nn.Module):
    """Input of the Audio Spectrogram Transformer (Gong et al. 2021), as keyword arguments.

    Filter bank with a Hann window, zero frames behind it up to `num_frames` (or cut to it), then
    `(x - mean) / (2 * deviation)`, mean and deviation being those of AudioSet where the folder says nothing else.

    Args:
        num_frames: Frames that the network takes.
        num_bands: Mel filters.
        mean: Mean over the training set.
        deviation: Standard deviation over the training set.
    """

    def __init__(self, *, num_frames: int, num_bands: int, mean: float, deviation: float) -> None:
        super().__init__()
        self.num_frames, self.num_bands, self.mean, self.deviation = num_frames, num_bands, mean, deviation

    def forward(self, waveform: Tensor) -> dict[str, Tensor]:
        """(B, T) -> `input_values` (B, N, F)."""
        bank = filter_bank(waveform, num_bands=self.num_bands, window="hanning")
        bank = nn.functional.pad(bank, (0, 0, 0, self.num_frames - bank.shape[1]))  # a negative number cuts
        return {"input_values": (bank - self.mean) / (2 * self.deviation)}

    def extra_repr(self) -> str:
        """Settings."""
        return f"{self.num_frames}, {self.num_bands}, mean={self.mean}, deviation={self.deviation}"


class Speech2TextInput(nn.Module):
    """Input of Speech2Text (Wang et al. 2020), as keyword arguments: filter bank, each band normalised over time.

    Args:
        num_bands: Mel filters.
    """

    def __init__(self, *, num_bands: int) -> None:
        super().__init__()
        self.num_bands = num_bands

    def forward(self, waveform: Tensor) -> dict[str, Tensor]:
        """(B, T) -> `input_features` (B, N, F)."""
        bank = filter_bank(PCM_SCALE * waveform, num_bands=self.num_bands, window="povey")
        deviation = bank.std(dim=1, correction=0, keepdim=True).clamp(min=MIN_DEVIATION)
        return {"input_features": (bank - bank.mean(dim=1, keepdim=True)) / deviation}

    def extra_repr(self) -> str:
        """Settings."""
        return str(self.num_bands)


class NormalisedWaveform(nn.Module):
    """Waveforms with mean 0 and variance 1, each for itself; 1e-7 is added to the variance (Baevski et al. 2020)."""

    def forward(self, waveform: Tensor) -> Tensor:
        """(B, T) -> (B, T)."""
        variance = waveform.var(dim=1, correction=0, keepdim=True)
        return (waveform - waveform.mean(dim=1, keepdim=True)) / (variance + 1e-7).sqrt()
