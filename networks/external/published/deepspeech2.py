"""DeepSpeech2 (Amodei et al. 2016), trained to recognise speech."""

import torch
from torch import Tensor, nn

from networks.external.published.assembly import Stage, assemble
from networks.external.published.spectra import Spectrum, nonzero
from networks.external.speech_features import NUM_SAMPLES, PAPER_GAIN, SAMPLE_RATE_HZ
from networks.external.staged import StagedNetwork
from networks.external.weight_files import Weights, read_state_dict

_NUM_FFT, _HOP = 320, 160
_CHANNELS = 32
_NUM_FREQUENCIES = 41  # after two convolutions of stride 2 on 161 frequencies
_NUM_LAYERS = 5
_NUM_LETTERS = 29
# Names of what the published file holds in addition to weights: settings (OmegaConf), the training software's classes,
# and how Python 3.6 pickles the types of both. None of it is created.
_NOT_WEIGHTS = (
    "omegaconf.*",
    "deepspeech_pytorch.*",
    "pytorch_lightning.*",
    "typing.*",
    "builtins.int",
    "builtins.float",
    "builtins.str",
    "builtins.bool",
    "builtins.list",
    "builtins.dict",
    "builtins.tuple",
    "builtins.Ellipsis",
    "_operator.getitem",
    "torch.nn.modules.rnn.LSTM",
    "torch.nn.modules.rnn.RNN",
    "torch.nn.modules.rnn.GRU",
)


class DeepSpeech2Input(nn.Module):
    """Log spectrum, `log1p(magnitude)`, normalised by mean and standard deviation over all bins of a sound."""

    def __init__(self) -> None:
        super().__init__()
        self.spectrum = Spectrum(num_fft=_NUM_FFT, hop=_HOP, window=torch.hamming_window)

    def forward(self, waveform: Tensor) -> Tensor:
        """(B, T) at 16 kHz -> (B, 1, 161, N)."""
        bins = self.spectrum(waveform).abs().log1p().unsqueeze(1)
        deviation, mean = torch.std_mean(bins, dim=(2, 3), keepdim=True)
        return (bins - mean) / nonzero(deviation)


class FrameByFrame(nn.Module):
    """Layers that take frames, applied to all frames of all sounds.

    Args:
        module: Maps (frames, D) to (frames, D').
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, x: Tensor) -> Tensor:
        """(B, N, D) -> (B, N, D')."""
        frames: Tensor = self.module(x.flatten(0, 1))
        return frames.unflatten(0, x.shape[:2])


class RecurrentLayer(nn.Module):
    """An LSTM in both directions, whose outputs are added; normalised before, but for the first layer.

    Args:
        num_inputs: Units of the input.
        num_units: Units in each direction.
        normalises: Whether the input is normalised.
    """

    def __init__(self, num_inputs: int, num_units: int, *, normalises: bool) -> None:
        super().__init__()
        if normalises:
            self.batch_norm = FrameByFrame(nn.BatchNorm1d(num_inputs))
        self.normalises = normalises
        self.rnn = nn.LSTM(num_inputs, num_units, batch_first=True, bidirectional=True)

    def forward(self, x: Tensor) -> Tensor:
        """(B, N, D) -> (B, N, num_units)."""
        x, _ = self.rnn(self.batch_norm(x) if self.normalises else x)
        forward, backward = x.chunk(2, dim=-1)
        return forward + backward


class DeepSpeech2(nn.Module):
    """The network: two convolutions over frequency and time, five recurrent layers, letters.

    Args:
        num_units: Units of each recurrent layer.
    """

    def __init__(self, *, num_units: int = 1024) -> None:
        super().__init__()
        layers = nn.Sequential(
            nn.Conv2d(1, _CHANNELS, (41, 11), stride=(2, 2), padding=(20, 5)),
            nn.BatchNorm2d(_CHANNELS),
            nn.Hardtanh(0, 20),
            nn.Conv2d(_CHANNELS, _CHANNELS, (21, 11), stride=(2, 1), padding=(10, 5)),
            nn.BatchNorm2d(_CHANNELS),
            nn.Hardtanh(0, 20),
        )
        self.conv = nn.ModuleDict({"seq_module": layers})
        first = RecurrentLayer(_CHANNELS * _NUM_FREQUENCIES, num_units, normalises=False)
        others = (RecurrentLayer(num_units, num_units, normalises=True) for _ in range(_NUM_LAYERS - 1))
        self.rnns = nn.Sequential(first, *others)
        letters = nn.Sequential(nn.BatchNorm1d(num_units), nn.Linear(num_units, _NUM_LETTERS, bias=False))
        self.fc = nn.Sequential(FrameByFrame(letters))

    def forward(self, bins: Tensor) -> Tensor:
        """(B, 1, 161, N) -> (B, N / 2, 29), before the softmax."""
        x = self.conv["seq_module"](bins)  # (B, 32, 41, N / 2)
        letters: Tensor = self.fc(self.rnns(x.flatten(1, 2).transpose(1, 2)))
        return letters


_STAGES = {
    "Tanh_1": Stage("conv.seq_module.2", "batch features features time"),
    "Tanh_2": Stage("conv.seq_module.5", "batch features features time"),
    # The last cell states, (directions, B, D).
    **{f"LSTM_{k + 1}-cell": Stage(f"rnns.{k}.rnn", "[1][1] features batch features") for k in range(_NUM_LAYERS)},
    "Linear": Stage("fc.0", "batch time features"),
}


def deepspeech2(
    weights: Weights | None = None, *, num_samples: int = NUM_SAMPLES, gain: float = PAPER_GAIN, num_units: int = 1024
) -> StagedNetwork:
    """DeepSpeech2: both convolutions averaged over time, last cell states of the LSTMs, letters averaged over time.

    Args:
        weights: `librispeech_pretrained_v3.ckpt`, a folder with it, or its state dict, under `state_dict` or itself;
            None makes an untrained network. Settings and other objects in the file are skipped, not created.
        num_samples: Samples of a sound at 16 kHz, more than 160.
        gain: Factor on the waveforms, see `PAPER_GAIN`.
        num_units: Units of each recurrent layer; 1024 in the published weights.

    Returns:
        The network, in evaluation mode.

    Raises:
        ValueError: Sounds are too short, or the gain is not positive.
        FileNotFoundError: There is no such file or folder.
        CheckpointError: The file cannot be read safely, or its weights do not fit.
    """
    return assemble(
        DeepSpeech2(num_units=num_units),
        _STAGES,
        weights=None
        if weights is None
        else read_state_dict(
            weights, file_name="librispeech_pretrained_v3.ckpt", under="state_dict", skipped=_NOT_WEIGHTS
        ),
        preprocess=DeepSpeech2Input(),
        sample_rate_hz=SAMPLE_RATE_HZ,
        num_samples=num_samples,
        min_samples=_NUM_FFT // 2 + 1,
        gain=gain,
    )
