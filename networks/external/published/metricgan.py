"""The generator of MetricGAN+ (Fu et al. 2021), trained to enhance speech."""

import torch
from torch import Tensor, nn

from networks.external.published.assembly import Stage, assemble
from networks.external.published.spectra import Spectrum
from networks.external.speech_features import NUM_SAMPLES, PAPER_GAIN, SAMPLE_RATE_HZ
from networks.external.staged import StagedNetwork
from networks.external.weight_files import Weights, read_state_dict

_NUM_FFT, _HOP = 512, 256
_NUM_BINS = _NUM_FFT // 2 + 1
_MIN_POWER = 1e-14
_NEGATIVE_SLOPE = 0.3
_MAX_GAIN = 1.2


class MetricGANInput(nn.Module):
    """Log spectrum: `log1p(sqrt(power + 1e-14))`, with a Hamming window of 512 samples every 256."""

    def __init__(self) -> None:
        super().__init__()
        self.spectrum = Spectrum(num_fft=_NUM_FFT, hop=_HOP, window=torch.hamming_window, pad_mode="constant")

    def forward(self, waveform: Tensor) -> Tensor:
        """(B, T) at 16 kHz -> (B, N, 257)."""
        parts = torch.view_as_real(self.spectrum(waveform))
        return (parts.square().sum(-1) + _MIN_POWER).sqrt().log1p().transpose(1, 2)


class LearnableSigmoid(nn.Module):
    """The mask of each frequency f, `1.2 / (1 + exp(-slope_f x))`.

    Args:
        num_bins: Number of frequencies.
    """

    def __init__(self, num_bins: int) -> None:
        super().__init__()
        self.slope = nn.Parameter(torch.ones(num_bins))

    def forward(self, x: Tensor) -> Tensor:
        """(B, N, F) -> (B, N, F)."""
        return _MAX_GAIN * torch.sigmoid(self.slope * x)


class MetricGAN(nn.Module):
    """The generator: an LSTM of two layers in both directions, and two linear layers that give a mask.

    Args:
        num_units: Units of the LSTM in each direction.
        num_hidden: Units of the first linear layer.
    """

    def __init__(self, *, num_units: int = 200, num_hidden: int = 300) -> None:
        super().__init__()
        lstm = nn.LSTM(_NUM_BINS, num_units, num_layers=2, batch_first=True, bidirectional=True)
        self.blstm = nn.ModuleDict({"rnn": lstm})
        self.linear1 = nn.Linear(2 * num_units, num_hidden)
        self.activation = nn.LeakyReLU(_NEGATIVE_SLOPE)
        self.linear2 = nn.Linear(num_hidden, _NUM_BINS)
        self.Learnable_sigmoid = LearnableSigmoid(_NUM_BINS)

    def forward(self, spectrum: Tensor) -> Tensor:
        """(B, N, 257) -> (B, N, 257), the mask."""
        x, _ = self.blstm["rnn"](spectrum)
        mask: Tensor = self.Learnable_sigmoid(self.linear2(self.activation(self.linear1(x))))
        return mask


# The layers of the LSTM are in one module. Its cell states are (layers x directions, B, D).
_STAGES = {
    "LSTM_1-cell": Stage("blstm.rnn", "[1][1][0:2] features batch features"),
    "LSTM_2-cell": Stage("blstm.rnn", "[1][1][2:4] features batch features"),
    "Linear_1": Stage("activation", "batch time features"),
    "Linear_2": Stage("linear2", "batch time features"),
}


def metricgan(
    weights: Weights | None = None, *, num_samples: int = NUM_SAMPLES, gain: float = PAPER_GAIN, **sizes: int
) -> StagedNetwork:
    """The generator of MetricGAN+: last cell states of both LSTM layers, and both linear layers averaged over time.

    Linear_1 is read after its activation function, Linear_2 before the sigmoid.

    Args:
        weights: `enhance_model.ckpt`, a folder with it, or its state dict; None makes an untrained network.
        num_samples: Samples of a sound at 16 kHz.
        gain: Factor on the waveforms, see `PAPER_GAIN`.
        sizes: Sizes of `MetricGAN` other than those of the published weights.

    Returns:
        The network, in evaluation mode.

    Raises:
        ValueError: Sounds are too short, or the gain is not positive.
        FileNotFoundError: There is no such file or folder.
        CheckpointError: The file cannot be read safely, or its weights do not fit.
    """
    return assemble(
        MetricGAN(**sizes),
        _STAGES,
        weights=None if weights is None else read_state_dict(weights, file_name="enhance_model.ckpt"),
        preprocess=MetricGANInput(),
        sample_rate_hz=SAMPLE_RATE_HZ,
        num_samples=num_samples,
        min_samples=1,
        gain=gain,
    )
