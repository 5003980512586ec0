"""Inputs of published speech networks, computed from waveforms as their authors did."""

import torch
from torch import Tensor, nn

from networks.installation import load_torchaudio

# Settings of Kaldi's filter banks in the software of AST and Speech2Text: at 16 kHz, windows of 25 ms every 10 ms,
# without dither.
SAMPLE_RATE_HZ = 16_000
DURATION_S = 2.0  # of the sounds of the benchmarks
NUM_SAMPLES = round(DURATION_S * SAMPLE_RATE_HZ)
FRAME_SHIFT_MS = 10.0
PAPER_GAIN = 0.1
"""Evaluation presents sounds at an RMS of 0.1; Tuckute, Feather et al. 2023 gave external networks an RMS of 0.01."""
PCM_SCALE = 2.0**15  # Speech2Text expects the scale of 16-bit samples
MIN_DEVIATION = 1e-10  # keeps silence finite


def filter_bank(waveform: Tensor, *, num_bands: int, window: str) -> Tensor:
    """Compute the log mel filter bank of Kaldi.

    Args:
        waveform: (B, T) at 16 kHz.
        num_bands: Number of mel filters, F.
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

    A filter bank with a Hann window, padded with zeros or cut to `num_frames`, then `(x - mean) / (2 * deviation)`.
    Mean and deviation are those of AudioSet, unless the folder of the weights has others.

    Args:
        num_frames: Number of frames of the input.
        num_bands: Number of mel filters.
        mean: Mean over the training set.
        deviation: Standard deviation over the training set.
    """

    def __init__(self, *, num_frames: int, num_bands: int, mean: float, deviation: float) -> None:
        super().__init__()
        self.num_frames, self.num_bands, self.mean, self.deviation = num_frames, num_bands, mean, deviation

    def forward(self, waveform: Tensor) -> dict[str, Tensor]:
        """(B, T) -> `input_values` (B, N, F)."""
        bank = filter_bank(waveform, num_bands=self.num_bands, window="hanning")
        bank = nn.functional.pad(bank, (0, 0, 0, self.num_frames - bank.shape[1]))  # a negative number crops
        return {"input_values": (bank - self.mean) / (2 * self.deviation)}

    def extra_repr(self) -> str:
        """List the settings."""
        return f"{self.num_frames}, {self.num_bands}, mean={self.mean}, deviation={self.deviation}"


class Speech2TextInput(nn.Module):
    """Input of Speech2Text (Wang et al. 2020), as keyword arguments: a filter bank, each band normalised over time.

    Args:
        num_bands: Number of mel filters.
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
        """List the settings."""
        return str(self.num_bands)


class NormalisedWaveform(nn.Module):
    """Normalise each waveform to `(x - mean) / sqrt(variance + 1e-7)` (Baevski et al. 2020)."""

    def forward(self, waveform: Tensor) -> Tensor:
        """(B, T) -> (B, T)."""
        variance = waveform.var(dim=1, correction=0, keepdim=True)
        return (waveform - waveform.mean(dim=1, keepdim=True)) / (variance + 1e-7).sqrt()
