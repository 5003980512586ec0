"""Wav2Vec2 as torchaudio has it, which needs no other package."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from networks.external.speech_features import NUM_SAMPLES, SAMPLE_RATE_HZ, NormalisedWaveform
from networks.external.stage_paths import numbered
from networks.external.staged import StagedNetwork
from networks.installation import load_torchaudio
from networks.weights.strict import CheckpointError, load_weights
from networks.weights.tensor_files import read_tensor_file

FILES = ("*.pt", "*.pth")
_BASE_UNITS = 768  # in the layers of the base model (Baevski et al. 2020); the large ones have 1024
_PROJECTION = "encoder.feature_projection.projection.weight"
_SECOND_NORM = "feature_extractor.conv_layers.1.layer_norm.weight"


def torchaudio_wav2vec2(
    source: str | Path | None = None, *, num_samples: int = NUM_SAMPLES, **config: Any
) -> StagedNetwork:
    """Wav2Vec2 (Baevski et al. 2020) of torchaudio: each convolution, the projection, each transformer layer.

    Args:
        source: file of a state dict of torchaudio's ``Wav2Vec2Model``, as its pipelines download them, or a folder
            with one; base, large and large-lv60k are told apart by their weights. None makes an untrained base model.
        num_samples: samples of a sound at 16 kHz.
        config: settings of ``torchaudio.models.wav2vec2_model`` for another untrained network, all of them.

    Returns:
        The network, in evaluation mode.

    Raises:
        InstallationError: if torchaudio does not load.
        FileNotFoundError: if there is no such file.
        CheckpointError: if the file cannot be read safely or its weights do not fit.
    """
    normalises = False
    if source is None:
        models = load_torchaudio().models
        model: nn.Module = models.wav2vec2_model(**config) if config else models.wav2vec2_base()
    else:
        if config:
            raise ValueError(f"expected weights or settings, got both: {source} and {', '.join(config)}")
        path = _file(Path(source))
        weights = read_tensor_file(path)
        if not isinstance(weights, Mapping) or not isinstance(weights.get(_PROJECTION), Tensor):
            raise CheckpointError(f"{path}: expected weights of torchaudio's Wav2Vec2, {_PROJECTION!r} among them")
        # The large-lv60k models alone normalise after every convolution, and were trained on normalised waveforms.
        normalises = _SECOND_NORM in weights
        model = _architecture(weights)(aux_num_out=_num_outputs(weights))
        load_weights(model, weights, source=str(path))
    network = StagedNetwork(
        model,
        {
            **numbered("conv", "feature_extractor.conv_layers", model),
            "projection": "encoder.feature_projection",
            **numbered("layer", "encoder.transformer.layers", model),
        },
        sample_rate_hz=SAMPLE_RATE_HZ,
        num_samples=num_samples,
        preprocess=NormalisedWaveform() if normalises else None,
        time_axis={"conv*": 2, "*": 1},
    )
    return network.eval()


def _file(path: Path) -> Path:
    if not path.is_dir():
        return path
    found = sorted(file for pattern in FILES for file in path.glob(pattern))
    if len(found) != 1:
        raise FileNotFoundError(f"{path}: expected one file of weights ({' or '.join(FILES)}), found {len(found)}")
    return found[0]


def _architecture(weights: Mapping[str, Tensor]) -> Callable[..., nn.Module]:
    models = load_torchaudio().models
    if len(weights[_PROJECTION]) == _BASE_UNITS:
        base: Callable[..., nn.Module] = models.wav2vec2_base
        return base
    large: Callable[..., nn.Module] = models.wav2vec2_large_lv60k if _SECOND_NORM in weights else models.wav2vec2_large
    return large


def _num_outputs(weights: Mapping[str, Tensor]) -> int | None:
    return len(weights["aux.weight"]) if "aux.weight" in weights else None
