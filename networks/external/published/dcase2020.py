"""The baseline of DCASE 2020 task 6, trained to describe sounds in words (Drossos et al. 2020)."""

import torch
from torch import Tensor, nn

from networks.external.published.assembly import Stage, assemble
from networks.external.published.spectra import Spectrum, peak_normalised, slaney_mel_filters
from networks.external.speech_features import PAPER_GAIN
from networks.external.staged import StagedNetwork
from networks.external.weight_files import Weights, read_state_dict

_SAMPLE_RATE_HZ = 44_100
_NUM_SAMPLES = 2 * _SAMPLE_RATE_HZ
_NUM_FFT, _HOP = 1024, 512
_NUM_BANDS = 64
_LOG_OFFSET = 2.220446049250313e-16  # the resolution of 64-bit numbers
_NUM_STEPS = 22  # words of a caption, at most


class DCASE2020Input(nn.Module):
    """Log mel spectrogram of the sound divided by its peak: `ln(magnitude in 64 bands + 2.2e-16)`."""

    def __init__(self) -> None:
        super().__init__()
        self.spectrum = Spectrum(num_fft=_NUM_FFT, hop=_HOP, window=torch.hann_window)
        filters = slaney_mel_filters(
            _NUM_BANDS, num_fft=_NUM_FFT, low_hz=0.0, high_hz=_SAMPLE_RATE_HZ / 2, sample_rate_hz=_SAMPLE_RATE_HZ
        )
        self.register_buffer("filters", filters, persistent=False)

    def forward(self, waveform: Tensor) -> Tensor:
        """(B, T) at 44.1 kHz -> (B, N, 64)."""
        bands = self.get_buffer("filters") @ self.spectrum(peak_normalised(waveform)).abs()
        return (bands + _LOG_OFFSET).log().transpose(1, 2)


class DCASE2020(nn.Module):
    """Three recurrent layers in both directions, the last two residual, and a decoder without words as input.

    The decoder gets the last frame of the encoder at each of 22 steps.

    Args:
        num_units: Units of each layer in each direction.
        num_words: Size of the vocabulary.
    """

    def __init__(self, *, num_units: int = 256, num_words: int = 4367) -> None:
        super().__init__()
        layers = {
            f"gru_{number}": nn.GRU(num_inputs, num_units, batch_first=True, bidirectional=True)
            for number, num_inputs in enumerate((_NUM_BANDS, 2 * num_units, 2 * num_units), start=1)
        }
        self.encoder = nn.ModuleDict(layers)
        self.decoder = nn.ModuleDict(
            {
                "rnn": nn.GRU(2 * num_units, num_units, batch_first=True),
                "classifier": nn.Linear(num_units, num_words),
            }
        )

    def forward(self, bands: Tensor) -> Tensor:
        """(B, N, 64) -> (B, 22, num_words)."""
        x, _ = self.encoder["gru_1"](bands)
        x = x + self.encoder["gru_2"](x)[0]
        x = x + self.encoder["gru_3"](x)[0]
        steps, _ = self.decoder["rnn"](x[:, -1:].expand(-1, _NUM_STEPS, -1))
        words: Tensor = self.decoder["classifier"](steps)
        return words


_LAST_STATES = "[1] features batch features"  # (directions, B, D)
_STAGES = {
    "GRU_1": Stage("encoder.gru_1", _LAST_STATES),
    "GRU_2": Stage("encoder.gru_2", _LAST_STATES),
    "GRU_3": Stage("encoder.gru_3", _LAST_STATES),
    "GRU_4": Stage("decoder.rnn", _LAST_STATES),
    "Linear": Stage("decoder.classifier", "batch time features"),
}


def dcase2020(
    weights: Weights | None = None, *, num_samples: int = _NUM_SAMPLES, gain: float = PAPER_GAIN, **sizes: int
) -> StagedNetwork:
    """The baseline of DCASE 2020 task 6: last hidden states of the four GRUs, and the words averaged over steps.

    Args:
        weights: `dcase_model_baseline_pre_trained.pt`, a folder with it, or its state dict; None makes an untrained
            network.
        num_samples: Samples of a sound at 44.1 kHz, more than 512.
        gain: Factor on the waveforms, see `PAPER_GAIN`; without effect, as sounds are divided by their peak.
        sizes: Sizes of `DCASE2020` other than those of the published weights.

    Returns:
        The network, in evaluation mode.

    Raises:
        ValueError: Sounds are too short, or the gain is not positive.
        InstallationError: Torchaudio does not load.
        FileNotFoundError: There is no such file or folder.
        CheckpointError: The file cannot be read safely, or its weights do not fit.
    """
    return assemble(
        DCASE2020(**sizes),
        _STAGES,
        weights=None if weights is None else read_state_dict(weights, file_name="dcase_model_baseline_pre_trained.pt"),
        preprocess=DCASE2020Input(),
        sample_rate_hz=_SAMPLE_RATE_HZ,
        num_samples=num_samples,
        min_samples=_NUM_FFT // 2 + 1,
        gain=gain,
    )
