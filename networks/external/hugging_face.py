"""AST, Wav2Vec2 and Speech2Text of the package transformers, which is in the extra `models`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

from torch import Tensor

from networks.external.speech_features import (
    NUM_SAMPLES,
    PAPER_GAIN,
    SAMPLE_RATE_HZ,
    ASTInput,
    NormalisedWaveform,
    Speech2TextInput,
)
from networks.external.stage_paths import numbered
from networks.external.staged import StagedNetwork
from networks.external.transformers_files import (
    EXTRACTOR_FILE,
    ONLY_FOR_TRAINING,
    architectures,
    check_complete,
    import_transformers,
    load_pretrained,
    read_config,
    read_settings,
)
from networks.external.weight_files import Weights, read_state_dict
from networks.weights.strict import load_weights

# Mean and standard deviation of AudioSet's filter banks (Gong et al. 2021).
AUDIOSET_MEAN, AUDIOSET_DEVIATION = -4.2677393, 4.5689974
StageNames = Literal["paper", "layers"]
"""Stages as in Tuckute, Feather et al. 2023, or the outputs of all convolutions and layers."""
# Classes of transformers with and without a head.
_CLASSES = {
    "AST": ("ASTForAudioClassification", "ASTModel"),
    "Wav2Vec2": ("Wav2Vec2ForCTC", "Wav2Vec2Model"),
    "Speech2Text": ("Speech2TextForConditionalGeneration", "Speech2TextModel"),
}
# The published networks' settings, where they are not the defaults of transformers.
_SETTINGS: dict[str, dict[str, int]] = {
    "AST": {"num_labels": 527},
    "Wav2Vec2": {},
    "Speech2Text": {
        "d_model": 1024,
        "conv_channels": 1024,
        **{f"{part}_attention_heads": 16 for part in ("encoder", "decoder")},
        **{f"{part}_ffn_dim": 4096 for part in ("encoder", "decoder")},
    },
}
# Settings that are the first size of a tensor.
_SIZES = {"classifier.dense.weight": "num_labels", "lm_head.weight": "vocab_size"}


def ast(
    weights: Weights | None = None,
    *,
    stages: StageNames = "paper",
    num_samples: int = NUM_SAMPLES,
    gain: float = PAPER_GAIN,
    **config: Any,
) -> StagedNetwork:
    """Audio Spectrogram Transformer (Gong et al. 2021), with the stages of Tuckute, Feather et al. 2023.

    - Embedding: the convolution of the patches alone, without class tokens and positions;
    - Encoder_1, ...: what the second linear layer of each block adds to the residual stream;
    - Final: logits of the classes, if the weights have a classifier.

    Activations are averaged over all tokens: the patches of every band and time, including those of the silence that
    the input is padded with, and, but for Embedding, the two class tokens.

    Args:
        weights: Folder with `config.json` and weights as `save_pretrained` of transformers writes them (not the name of
            a model to download); or, for a network with default settings or with those of `config`, the state dict of
            transformers' `ASTForAudioClassification` or `ASTModel`, as a dictionary or a file. None makes an untrained
            network with a classifier of AudioSet's 527 classes.
        stages: "paper" for the stages above; "layers" for `embeddings`, with class tokens and positions, and the
            outputs of the blocks, `layer0`, ...
        num_samples: Samples of a sound at 16 kHz.
        gain: Factor on the waveforms, see `PAPER_GAIN`.
        config: Settings of transformers' `ASTConfig`, not used with a folder.

    Returns:
        The network, in evaluation mode.

    Raises:
        ValueError: Both a folder and settings are given, or the stages are unknown.
        InstallationError: Transformers is not installed.
        FileNotFoundError: There is no such file or folder.
        CheckpointError: The files cannot be read or do not fit.
    """
    _check_stages(stages)
    model, base, has_head = _model("AST", weights, config)
    settings = _preprocessor(weights)
    normalises = settings.get("do_normalize", True)
    preprocess = ASTInput(
        num_frames=model.config.max_length,
        num_bands=model.config.num_mel_bins,
        mean=settings.get("mean", AUDIOSET_MEAN) if normalises else 0.0,
        deviation=settings.get("std", AUDIOSET_DEVIATION) if normalises else 0.5,
    )
    module: Any = model.get_submodule(base)
    # The first releases of transformers 5 have other names.
    layers, second = ("layers", "mlp.fc2") if hasattr(module, "layers") else ("encoder.layer", "output.dense")
    if stages == "layers":
        paths = {"embeddings": _joined(base, "embeddings")} | numbered("layer", _joined(base, layers), model)
    else:
        blocks = numbered("Encoder_", _joined(base, layers), model, first=1)
        paths = {"Embedding": _joined(base, "embeddings.patch_embeddings")}
        paths |= {stage: f"{path}.{second}" for stage, path in blocks.items()}
        paths |= {"Final": "classifier"} if has_head else {}
    network = StagedNetwork(
        model,
        paths,
        sample_rate_hz=SAMPLE_RATE_HZ,
        num_samples=num_samples,
        preprocess=preprocess,
        layout={stage: "batch features" if stage == "Final" else "batch tokens features" for stage in paths},
        gain=gain,
    )
    return network.eval()


def wav2vec2(
    weights: Weights | None = None,
    *,
    stages: StageNames = "paper",
    num_samples: int = NUM_SAMPLES,
    gain: float = PAPER_GAIN,
    **config: Any,
) -> StagedNetwork:
    """Wav2Vec2 (Baevski et al. 2020), with the stages of Tuckute, Feather et al. 2023.

    - Embedding: input of the first transformer layer, with positions (`hidden_states[0]` of transformers);
    - Encoder_1, ...: outputs of the transformer layers (`hidden_states[1]`, ...);
    - Final: logits of the letters, if the weights have a head for speech recognition.

    Args:
        weights: Folder with `config.json` and weights as `save_pretrained` of transformers writes them (not the name of
            a model to download); or, for a network with default settings or with those of `config`, the state dict of
            transformers' `Wav2Vec2ForCTC` or `Wav2Vec2Model`, as a dictionary or a file. None makes an untrained
            network with a head.
        stages: "paper" for the stages above; "layers" for the convolutions on the waveform, `conv0`, ...,
            `projection`, and the transformer layers, `layer0`, ...
        num_samples: Samples of a sound at 16 kHz.
        gain: Factor on the waveforms, see `PAPER_GAIN`.
        config: Settings of transformers' `Wav2Vec2Config`, not used with a folder.

    Returns:
        The network, in evaluation mode.

    Raises:
        ValueError: Both a folder and settings are given, or the stages are unknown.
        InstallationError: Transformers is not installed.
        FileNotFoundError: There is no such file or folder.
        CheckpointError: The files cannot be read or do not fit.
    """
    _check_stages(stages)
    model, base, has_head = _model("Wav2Vec2", weights, config)
    preprocess = NormalisedWaveform() if _preprocessor(weights).get("do_normalize", True) else None
    layers = _joined(base, "encoder.layers")
    if stages == "layers":
        paths = {
            **numbered("conv", _joined(base, "feature_extractor.conv_layers"), model),
            "projection": _joined(base, "feature_projection"),
            **numbered("layer", layers, model),
        }
    else:
        # The last module before the first layer.
        paths = {"Embedding": _joined(base, "encoder.dropout")} | numbered("Encoder_", layers, model, first=1)
        paths |= {"Final": "lm_head"} if has_head else {}
    network = StagedNetwork(
        model,
        paths,
        sample_rate_hz=SAMPLE_RATE_HZ,
        num_samples=num_samples,
        preprocess=preprocess,
        layout={stage: "batch features time" if stage.startswith("conv") else "batch time features" for stage in paths},
        gain=gain,
    )
    return network.eval()


def speech2text(
    weights: Weights | None = None,
    *,
    stages: StageNames = "paper",
    num_samples: int = NUM_SAMPLES,
    gain: float = PAPER_GAIN,
    **config: Any,
) -> StagedNetwork:
    """The encoder of Speech2Text (Wang et al. 2020), with the stages of Tuckute, Feather et al. 2023.

    - Embedding: input of the first layer, with positions (`hidden_states[0]` of transformers);
    - Encoder_1, ...: outputs of the layers, the last one after the final norm (`hidden_states[1]`, ...).

    Args:
        weights: Folder with `config.json` and weights as `save_pretrained` of transformers writes them (not the name of
            a model to download); or, for a network with default settings or with those of `config`, the state dict of
            transformers' `Speech2TextForConditionalGeneration` or `Speech2TextModel`, as a dictionary or a file. None
            makes an untrained network. The default settings are those of the large network.
        stages: "paper" for the stages above; "layers" for the convolutions, `conv`, and the outputs of the layers,
            `layer0`, ..., all without the final norm.
        num_samples: Samples of a sound at 16 kHz.
        gain: Factor on the waveforms, see `PAPER_GAIN`.
        config: Settings of transformers' `Speech2TextConfig`, not used with a folder.

    Returns:
        The network, in evaluation mode.

    Raises:
        ValueError: Both a folder and settings are given, or the stages are unknown.
        InstallationError: Transformers is not installed.
        FileNotFoundError: There is no such file or folder.
        CheckpointError: The files cannot be read or do not fit.
    """
    _check_stages(stages)
    model, base, _ = _model("Speech2Text", weights, config)
    encoder: Any = model.get_submodule(_joined(base, "encoder"))
    layout: dict[str, str] = {}
    if stages == "layers":
        paths = {"conv": "conv"} | numbered("layer", "layers", encoder)
        layout = dict.fromkeys(paths, "batch time features")
    else:
        # No module returns the input of the first layer: all stages are read from the output of the encoder.
        encoder.config.output_hidden_states = True
        names = ("Embedding", *(f"Encoder_{number + 1}" for number in range(len(encoder.layers))))
        paths = dict.fromkeys(names, "")
        layout = {stage: f"[hidden_states][{number}] batch time features" for number, stage in enumerate(names)}
    network = StagedNetwork(
        encoder,
        paths,
        sample_rate_hz=SAMPLE_RATE_HZ,
        num_samples=num_samples,
        preprocess=Speech2TextInput(num_bands=model.config.input_feat_per_channel),
        layout=layout,
        gain=gain,
    )
    return network.eval()


def _check_stages(stages: str) -> None:
    if stages not in get_args(StageNames):
        raise ValueError(f"expected stages to be one of {', '.join(get_args(StageNames))}, got {stages!r}")


def _joined(base: str, path: str) -> str:
    return f"{base}.{path}" if base else path


class _Model(NamedTuple):
    """A model of transformers, and where its base model is: "" if it is the model itself, which then has no head."""

    model: Any
    base: str
    has_head: bool


def _model(name: str, weights: Weights | None, config: dict[str, Any]) -> _Model:
    """Make a model, untrained or with weights. Nothing is downloaded."""
    transformers = import_transformers(name)
    with_head, without = (getattr(transformers, class_name) for class_name in _CLASSES[name])
    if not (weights is None or isinstance(weights, Mapping) or Path(weights).is_file()):
        if config:
            raise ValueError(f"expected a folder or settings, got both: {weights} and {', '.join(config)}")
        folder = Path(weights)
        cls = with_head if with_head.__name__ in architectures(read_config(folder, name)) else without
        model, missing, _ = load_pretrained(transformers, cls, folder)
        check_complete(missing, cls, folder)
    else:
        tensors, source = ({}, "") if weights is None else read_state_dict(weights)
        prefix = f"{with_head.base_model_prefix}."
        cls = with_head if weights is None or any(key.startswith(prefix) for key in tensors) else without
        sizes = {setting: len(tensors[key]) for key, setting in _SIZES.items() if _has_size(tensors.get(key))}
        model = cls(getattr(transformers, f"{name}Config")(**_SETTINGS[name] | sizes | config))
        if weights is not None:
            unused = {key: value for key, value in model.state_dict().items() if ONLY_FOR_TRAINING in key}
            load_weights(model, unused | dict(tensors), source=source)
    has_head = cls is with_head
    return _Model(model, cls.base_model_prefix if has_head else "", has_head)


def _has_size(value: object) -> bool:
    return isinstance(value, Tensor) and value.ndim > 0


def _preprocessor(weights: Weights | None) -> dict[str, Any]:
    """Settings of a folder's feature extractor; empty if there are none."""
    path = Path(weights, EXTRACTOR_FILE) if isinstance(weights, (str, Path)) else None
    return {} if path is None or not path.is_file() else read_settings(path)
