"""Wav2Vec2 as torchaudio has it, which needs no other package."""

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor, nn

from networks.external.speech_features import NUM_SAMPLES, PAPER_GAIN, SAMPLE_RATE_HZ, NormalisedWaveform
from networks.external.stage_paths import numbered
from networks.external.staged import StagedNetwork
from networks.external.weight_files import Weights, read_state_dict
from networks.installation import load_torchaudio
from networks.weights.strict import CheckpointError, load_weights

_BASE_UNITS = 768  # in the layers of the base model (Baevski et al. 2020); the large ones have 1024
_PROJECTION = "encoder.feature_projection.projection.weight"
_SECOND_NORM = "feature_extractor.conv_layers.1.layer_norm.weight"


def torchaudio_wav2vec2(
    weights: Weights | None = None, *, num_samples: int = NUM_SAMPLES, gain: float = PAPER_GAIN, **config: Any
) -> StagedNetwork:
    """Wav2Vec2 (Baevski et al. 2020) of torchaudio: each convolution, the projection, each transformer layer.

    Args:
        weights: State dict of torchaudio's `Wav2Vec2Model`, as a dictionary, as a file that torchaudio's pipelines
            download, or as a folder with one such file. Base, large and large-lv60k are recognised by their weights.
            None makes an untrained base model.
        num_samples: Samples of a sound at 16 kHz.
        gain: Factor on the waveforms, see `PAPER_GAIN`.
        config: Settings of `torchaudio.models.wav2vec2_model` for another untrained network, all of them.

    Returns:
        The network, in evaluation mode.

    Raises:
        ValueError: Both weights and settings are given.
        InstallationError: Torchaudio does not load.
        FileNotFoundError: There is no such file.
        CheckpointError: The file cannot be read safely, or its weights do not fit.
    """
    if weights is None:
        models = load_torchaudio().models
        model: nn.Module = models.wav2vec2_model(**config) if config else models.wav2vec2_base()
        normalises = False
    elif config:
        raise ValueError(f"expected weights or settings, got both: weights and {', '.join(config)}")
    else:
        model, normalises = _with_weights(weights)
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
        layout={"conv*": "batch features time", "*": "batch time features"},
        gain=gain,
    )
    return network.eval()


def _with_weights(weights: Weights) -> tuple[nn.Module, bool]:
    """The network that the weights are of, and whether it takes normalised waveforms."""
    tensors, source = read_state_dict(weights)
    if not isinstance(tensors.get(_PROJECTION), Tensor):
        raise CheckpointError(f"{source}: expected weights of torchaudio's Wav2Vec2, including {_PROJECTION!r}")
    model = _architecture(tensors)(aux_num_out=_num_outputs(tensors))
    load_weights(model, tensors, source=source)
    # Only the large-lv60k models normalise after every convolution. They were trained on normalised waveforms.
    return model, _SECOND_NORM in tensors


def _architecture(weights: Mapping[str, Tensor]) -> Callable[..., nn.Module]:
    models = load_torchaudio().models
    if len(weights[_PROJECTION]) == _BASE_UNITS:
        base: Callable[..., nn.Module] = models.wav2vec2_base
        return base
    large: Callable[..., nn.Module] = models.wav2vec2_large_lv60k if _SECOND_NORM in weights else models.wav2vec2_large
    return large


def _num_outputs(weights: Mapping[str, Tensor]) -> int | None:
    return len(weights["aux.weight"]) if "aux.weight" in weights else None
