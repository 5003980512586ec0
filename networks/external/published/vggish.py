"""VGGish (Hershey et al. 2017): convolutions on patches of a log mel spectrogram, trained on videos' labels."""

import itertools
import math
from collections import Counter

import torch
from torch import Tensor, nn

from networks.external.published.assembly import Stage, assemble
from networks.external.speech_features import NUM_SAMPLES, PAPER_GAIN, SAMPLE_RATE_HZ
from networks.external.staged import StagedNetwork
from networks.external.weight_files import Weights, read_state_dict

_WINDOW, _HOP, _NUM_FFT = 400, 160, 512  # samples: 25 ms, 10 ms
_NUM_BANDS, _LOW_HZ, _HIGH_HZ = 64, 125.0, 7500.0
_LOG_OFFSET = 0.01
_PATCH = 96  # frames
_MIN_SAMPLES = (_PATCH - 1) * _HOP + _WINDOW
# Output channels of the convolutions; a pooling layer follows each group.
_CHANNELS = ((64,), (128,), (256, 256), (512, 512))


class VGGishInput(nn.Module):
    """Patches of a log mel spectrogram: `ln(mel bands + 0.01)`, 96 frames each, without overlap.

    Frames of 25 ms every 10 ms without padding, a Hann window, the magnitude of a 512-point Fourier transform, and
    64 triangular filters from 125 to 7500 Hz, linear on the scale `1127 ln(1 + f / 700)`. Frames after the last
    complete patch are dropped.
    """

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("window", torch.hann_window(_WINDOW), persistent=False)
        self.register_buffer("filters", _mel_filters(), persistent=False)

    def forward(self, waveform: Tensor) -> Tensor:
        """(B, T) at 16 kHz -> (B * P, 1, 96, 64): P patches of time x mel, all of the first sound first."""
        frames = waveform.unfold(1, _WINDOW, _HOP) * self.get_buffer("window")
        magnitude = torch.fft.rfft(frames, n=_NUM_FFT).abs()
        bands = (magnitude @ self.get_buffer("filters") + _LOG_OFFSET).log()  # (B, N, 64)
        num_patches = bands.shape[1] // _PATCH
        return bands[:, : num_patches * _PATCH].reshape(-1, 1, _PATCH, _NUM_BANDS)


def _mel(frequency_hz: Tensor) -> Tensor:
    return 1127 * torch.log1p(frequency_hz / 700)


def _mel_filters() -> Tensor:
    """(257, 64) triangles of height 1; nothing of frequency 0."""
    lowest, highest = _mel(torch.tensor([_LOW_HZ, _HIGH_HZ], dtype=torch.float64))
    edges = torch.linspace(lowest.item(), highest.item(), _NUM_BANDS + 2, dtype=torch.float64)
    bins = _mel(torch.linspace(0, SAMPLE_RATE_HZ / 2, _NUM_FFT // 2 + 1, dtype=torch.float64))[:, None]
    low, centre, high = edges[:-2], edges[1:-1], edges[2:]
    filters = torch.minimum((bins - low) / (centre - low), (high - bins) / (high - centre)).clamp(min=0)
    filters[0] = 0
    return filters.float()


class VGGish(nn.Module):
    """The network: four groups of 3 x 3 convolutions, each followed by pooling, and three dense layers.

    Args:
        embedding_units: Units of the first two dense layers.
    """

    def __init__(self, *, embedding_units: int = 4096) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = 1
        for group in _CHANNELS:
            for width in group:
                layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
                channels = width
            layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)
        num_inputs = channels * (_PATCH * _NUM_BANDS) // math.prod((4,) * len(_CHANNELS))
        sizes = (num_inputs, embedding_units, embedding_units, 128)
        dense = [layer for pair in itertools.pairwise(sizes) for layer in (nn.Linear(*pair), nn.ReLU())]
        self.embeddings = nn.Sequential(*dense)

    def forward(self, patches: Tensor) -> Tensor:
        """(P, 1, 96, 64) -> (P, 128) for P patches."""
        x = self.features(patches).permute(0, 2, 3, 1)  # (P, time, mel, channel): channels vary fastest
        embedding: Tensor = self.embeddings(x.flatten(1))
        return embedding


def _stages(module: VGGish) -> dict[str, Stage]:
    """Name every ReLU and pooling layer by its number among its kind."""
    stages: dict[str, Stage] = {}
    numbers = Counter[str]()
    for part, layout in (("features", "(batch time) features time features"), ("embeddings", "(batch time) features")):
        for name, layer in module.get_submodule(part).named_children():
            if isinstance(layer, (nn.ReLU, nn.MaxPool2d)):
                kind = type(layer).__name__
                numbers[kind] += 1
                stages[f"{kind}_{numbers[kind]}"] = Stage(f"{part}.{name}", layout)
    return stages


def vggish(
    weights: Weights | None = None,
    *,
    num_samples: int = NUM_SAMPLES,
    gain: float = PAPER_GAIN,
    embedding_units: int = 4096,
) -> StagedNetwork:
    """VGGish: every ReLU and pooling layer, 13 stages, averaged over time within patches and over patches.

    A unit of a convolution is channel x mel band. Of a sound of 2 s, the two patches hear the first 1.92 s.

    Args:
        weights: `vggish-10086976.pth`, a folder with it, or its state dict; None makes an untrained network.
        num_samples: Samples of a sound at 16 kHz, at least 15 600 (one patch).
        gain: Factor on the waveforms, see `PAPER_GAIN`.
        embedding_units: Units of the first two dense layers; 4096 in the published weights.

    Returns:
        The network, in evaluation mode.

    Raises:
        ValueError: Sounds are too short, or the gain is not positive.
        FileNotFoundError: There is no such file or folder.
        CheckpointError: The file cannot be read safely, or its weights do not fit.
    """
    module = VGGish(embedding_units=embedding_units)
    return assemble(
        module,
        _stages(module),
        weights=None if weights is None else read_state_dict(weights, file_name="vggish-10086976.pth"),
        preprocess=VGGishInput(),
        sample_rate_hz=SAMPLE_RATE_HZ,
        num_samples=num_samples,
        min_samples=_MIN_SAMPLES,
        gain=gain,
    )
