"""The encoder of the VQ-VAE of van Niekerk et al. 2020, trained to reconstruct speech (ZeroSpeech challenge)."""

import torch
from torch import Tensor, nn

from networks.external.published.assembly import Stage, assemble
from networks.external.published.spectra import Spectrum, peak_normalised, slaney_mel_filters
from networks.external.speech_features import NUM_SAMPLES, PAPER_GAIN, SAMPLE_RATE_HZ
from networks.external.staged import StagedNetwork
from networks.external.weight_files import Weights, read_state_dict

_PEAK = 0.999
_PRE_EMPHASIS = 0.97
_NUM_FFT, _HOP, _WINDOW = 2048, 160, 400
_NUM_BANDS, _LOW_HZ, _HIGH_HZ = 80, 50.0, 8000.0
_MIN_MAGNITUDE = 1e-5
_RANGE_DB = 80.0
# Kernel, stride and padding of each convolution.
_CONVOLUTIONS = ((3, 1, 0), (3, 1, 1), (4, 2, 1), (3, 1, 1), (3, 1, 1))


class VQVAEInput(nn.Module):
    """Log mel spectrogram from 0 at 80 dB below the sound's maximum to 1 at 0 dB.

    The sound is scaled to a peak of 0.999 and pre-emphasised, `y[t] = x[t] - 0.97 x[t - 1]`. With M, the magnitude in
    80 bands from 50 to 8000 Hz: `d = 20 log10(max(1e-5, M))`, then `max(d, max(d) - 80) / 80 + 1`.
    """

    def __init__(self) -> None:
        super().__init__()
        self.spectrum = Spectrum(num_fft=_NUM_FFT, hop=_HOP, window=torch.hann_window, num_window=_WINDOW)
        filters = slaney_mel_filters(
            _NUM_BANDS, num_fft=_NUM_FFT, low_hz=_LOW_HZ, high_hz=_HIGH_HZ, sample_rate_hz=SAMPLE_RATE_HZ
        )
        self.register_buffer("filters", filters, persistent=False)

    def forward(self, waveform: Tensor) -> Tensor:
        """(B, T) at 16 kHz -> (B, 80, N)."""
        x = _PEAK * peak_normalised(waveform)
        x = torch.cat([x[:, :1], x[:, 1:] - _PRE_EMPHASIS * x[:, :-1]], dim=1)
        bands = self.get_buffer("filters") @ self.spectrum(x).abs()
        level_db = 20 * bands.clamp(min=_MIN_MAGNITUDE).log10()
        floor_db = level_db.amax(dim=(1, 2), keepdim=True) - _RANGE_DB
        return torch.maximum(level_db, floor_db) / _RANGE_DB + 1


class Codebook(nn.Module):
    """The codes, which no stage depends on.

    Args:
        num_codes: Number of codes.
        num_units: Units of a code.
    """

    def __init__(self, num_codes: int, num_units: int) -> None:
        super().__init__()
        self.register_buffer("embedding", torch.zeros(num_codes, num_units))
        self.register_buffer("ema_count", torch.zeros(num_codes))
        self.register_buffer("ema_weight", torch.zeros(num_codes, num_units))


class Jitter(nn.Module):
    """Probabilities that a code is replaced by its neighbour in training, which no stage depends on."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("prob", torch.tensor([0.25, 0.5, 0.25]))


class VQVAE(nn.Module):
    """The encoder: five convolutions over time, each with batch normalisation and ReLU, and a projection.

    The codebook is loaded but not used: no stage is behind it.

    Args:
        num_units: Units of each convolution.
        num_codes: Number of codes.
        code_units: Units of a code.
    """

    def __init__(self, *, num_units: int = 768, num_codes: int = 512, code_units: int = 64) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = _NUM_BANDS
        for kernel, stride, padding in _CONVOLUTIONS:
            convolution = nn.Conv1d(channels, num_units, kernel, stride=stride, padding=padding, bias=False)
            layers += [convolution, nn.BatchNorm1d(num_units), nn.ReLU()]
            channels = num_units
        self.encoder = nn.Sequential(*layers, nn.Conv1d(channels, code_units, 1))
        self.codebook = Codebook(num_codes, code_units)
        self.jitter = Jitter()

    def forward(self, bands: Tensor) -> Tensor:
        """(B, 80, N) -> (B, code_units, N / 2), before the codes."""
        projected: Tensor = self.encoder(bands)
        return projected


def vqvae(
    weights: Weights | None = None, *, num_samples: int = NUM_SAMPLES, gain: float = PAPER_GAIN, **sizes: int
) -> StagedNetwork:
    """The encoder of the VQ-VAE of van Niekerk et al. 2020: every ReLU, 5 stages, averaged over time.

    Args:
        weights: `model.ckpt-500000.pt`, a folder with it, or its state dict, under `encoder` or itself; None makes an
            untrained network.
        num_samples: Samples of a sound at 16 kHz, more than 1024.
        gain: Factor on the waveforms, see `PAPER_GAIN`; without effect, as sounds are divided by their peak.
        sizes: Sizes of `VQVAE` other than those of the published weights.

    Returns:
        The network, in evaluation mode.

    Raises:
        ValueError: Sounds are too short, or the gain is not positive.
        InstallationError: Torchaudio does not load.
        FileNotFoundError: There is no such file or folder.
        CheckpointError: The file cannot be read safely, or its weights do not fit.
    """
    module = VQVAE(**sizes)
    relus = [name for name, layer in module.encoder.named_children() if isinstance(layer, nn.ReLU)]
    return assemble(
        module,
        {f"ReLU_{k + 1}": Stage(f"encoder.{name}", "batch features time") for k, name in enumerate(relus)},
        weights=None
        if weights is None
        else read_state_dict(weights, file_name="model.ckpt-500000.pt", under="encoder"),
        preprocess=VQVAEInput(),
        sample_rate_hz=SAMPLE_RATE_HZ,
        num_samples=num_samples,
        min_samples=_NUM_FFT // 2 + 1,
        gain=gain,
    )
