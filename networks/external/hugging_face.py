"""AST, Wav2Vec2 and Speech2Text of the package transformers, which is in the extra `models`."""

import importlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from networks.external.speech_features import (
    NUM_SAMPLES,
    SAMPLE_RATE_HZ,
    ASTInput,
    NormalisedWaveform,
    Speech2TextInput,
)
from networks.external.stage_paths import numbered
from networks.external.staged import StagedNetwork
from networks.external.weight_files import Weights, read_state_dict
from networks.installation import InstallationError
from networks.weights.strict import NAMES_SHOWN, CheckpointError, load_weights

# Mean and standard deviation of AudioSet's filter banks (Gong et al. 2021).
AUDIOSET_MEAN, AUDIOSET_DEVIATION = -4.2677393, 4.5689974
# Only used in training; some published folders lack it.
_ONLY_FOR_TRAINING = "masked_spec_embed"


def ast(
    weights: Weights | None = None, *, num_samples: int = NUM_SAMPLES, gain: float = 1.0, **config: Any
) -> StagedNetwork:
    """Audio Spectrogram Transformer (Gong et al. 2021): the embeddings of the patches and each layer.

    Activations are averaged over all tokens: the two class tokens and the patches of every band and time, including
    those of the silence that the input is padded with.

    Args:
        weights: Folder with `config.json` and weights as `save_pretrained` of transformers writes them (not the name of
            a model to download); or, for a network with default settings or with those of `config`, the state dict of
            transformers' `ASTModel`, as a dictionary or a file. None makes an untrained network.
        num_samples: Samples of a sound at 16 kHz.
        gain: Factor on the waveforms.
        config: Settings of transformers' `ASTConfig`, not used with a folder.

    Returns:
        The network, in evaluation mode.

    Raises:
        ValueError: Both a folder and settings are given.
        InstallationError: Transformers is not installed.
        FileNotFoundError: There is no such file or folder.
        CheckpointError: The files cannot be read or do not fit.
    """
    model = _model("AST", "ASTModel", weights, config)
    settings = _preprocessor(weights)
    normalises = settings.get("do_normalize", True)
    preprocess = ASTInput(
        num_frames=model.config.max_length,
        num_bands=model.config.num_mel_bins,
        mean=settings.get("mean", AUDIOSET_MEAN) if normalises else 0.0,
        deviation=settings.get("std", AUDIOSET_DEVIATION) if normalises else 0.5,
    )
    layers = "layers" if hasattr(model, "layers") else "encoder.layer"  # as in the first releases of transformers 5
    stages = {"embeddings": "embeddings"} | numbered("layer", layers, model)
    network = StagedNetwork(
        model,
        stages,
        sample_rate_hz=SAMPLE_RATE_HZ,
        num_samples=num_samples,
        preprocess=preprocess,
        time_axis=1,
        gain=gain,
    )
    return network.eval()


def wav2vec2(
    weights: Weights | None = None, *, num_samples: int = NUM_SAMPLES, gain: float = 1.0, **config: Any
) -> StagedNetwork:
    """Wav2Vec2 (Baevski et al. 2020): each convolution on the waveform, the projection, each transformer layer.

    Args:
        weights: Folder with `config.json` and weights as `save_pretrained` of transformers writes them (not the name of
            a model to download); or, for a network with default settings or with those of `config`, the state dict of
            transformers' `Wav2Vec2Model`, as a dictionary or a file. None makes an untrained network.
        num_samples: Samples of a sound at 16 kHz.
        gain: Factor on the waveforms.
        config: Settings of transformers' `Wav2Vec2Config`, not used with a folder.

    Returns:
        The network, in evaluation mode.

    Raises:
        ValueError: Both a folder and settings are given.
        InstallationError: Transformers is not installed.
        FileNotFoundError: There is no such file or folder.
        CheckpointError: The files cannot be read or do not fit.
    """
    model = _model("Wav2Vec2", "Wav2Vec2Model", weights, config)
    preprocess = NormalisedWaveform() if _preprocessor(weights).get("do_normalize", True) else None
    stages = {
        **numbered("conv", "feature_extractor.conv_layers", model),
        "projection": "feature_projection",
        **numbered("layer", "encoder.layers", model),
    }
    network = StagedNetwork(
        model,
        stages,
        sample_rate_hz=SAMPLE_RATE_HZ,
        num_samples=num_samples,
        preprocess=preprocess,
        time_axis={"conv*": 2, "*": 1},
        gain=gain,
    )
    return network.eval()


def speech2text(
    weights: Weights | None = None, *, num_samples: int = NUM_SAMPLES, gain: float = 1.0, **config: Any
) -> StagedNetwork:
    """The encoder of Speech2Text (Wang et al. 2020): its convolutions and each layer.

    Args:
        weights: Folder with `config.json` and weights as `save_pretrained` of transformers writes them (not the name of
            a model to download); or, for a network with default settings or with those of `config`, the state dict of
            transformers' `Speech2TextModel`, as a dictionary or a file. None makes an untrained network.
        num_samples: Samples of a sound at 16 kHz.
        gain: Factor on the waveforms.
        config: Settings of transformers' `Speech2TextConfig`, not used with a folder.

    Returns:
        The network, in evaluation mode.

    Raises:
        ValueError: Both a folder and settings are given.
        InstallationError: Transformers is not installed.
        FileNotFoundError: There is no such file or folder.
        CheckpointError: The files cannot be read or do not fit.
    """
    model = _model("Speech2Text", "Speech2TextModel", weights, config)
    preprocess = Speech2TextInput(num_bands=model.config.input_feat_per_channel)
    stages = {"conv": "conv"} | numbered("layer", "layers", model.encoder)
    network = StagedNetwork(
        model.encoder,
        stages,
        sample_rate_hz=SAMPLE_RATE_HZ,
        num_samples=num_samples,
        preprocess=preprocess,
        time_axis=1,
        gain=gain,
    )
    return network.eval()


def _model(name: str, class_name: str, weights: Weights | None, config: dict[str, Any]) -> Any:
    """Make a model, untrained or with weights. Nothing is downloaded."""
    transformers = _transformers(name)
    if not (weights is None or isinstance(weights, Mapping) or Path(weights).is_file()):
        if config:
            raise ValueError(f"expected a folder or settings, got both: {weights} and {', '.join(config)}")
        return _from_folder(transformers, name, class_name, Path(weights))
    model = getattr(transformers, class_name)(getattr(transformers, f"{name}Config")(**config))
    if weights is not None:
        tensors, source = read_state_dict(weights)
        unused = {key: value for key, value in model.state_dict().items() if _ONLY_FOR_TRAINING in key}
        load_weights(model, unused | dict(tensors), source=source)
    return model


def _from_folder(transformers: ModuleType, name: str, class_name: str, folder: Path) -> Any:
    if not (folder / "config.json").is_file():
        raise FileNotFoundError(f"{folder}: expected a folder with {name}'s config.json and weights")
    try:
        with _without_bars(transformers):
            model, loading = getattr(transformers, class_name).from_pretrained(
                str(folder), local_files_only=True, output_loading_info=True
            )
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        line = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise CheckpointError(f"{folder}: transformers cannot load {class_name}: {line}") from error
    # transformers fills in missing weights with random numbers.
    missing = sorted(key for key in loading["missing_keys"] if _ONLY_FOR_TRAINING not in key)
    if missing:
        raise CheckpointError(f"{folder}: weights of {class_name} are missing: {', '.join(missing[:NAMES_SHOWN])}")
    return model


@contextmanager
def _without_bars(transformers: ModuleType) -> Iterator[None]:
    """Turn off the progress bars of transformers, which fill a log with carriage returns."""
    settings = transformers.utils.logging
    was_enabled = settings.is_progress_bar_enabled()
    settings.disable_progress_bar()
    try:
        yield
    finally:
        if was_enabled:
            settings.enable_progress_bar()


def _transformers(name: str) -> ModuleType:
    try:
        return importlib.import_module("transformers")
    except ImportError as error:
        raise InstallationError(
            f"{name} needs the package transformers, in an extra: pip install 'cochlearn[models]' ({error})"
        ) from error


def _preprocessor(weights: Weights | None) -> dict[str, Any]:
    """Settings of a folder's feature extractor; empty if there are none."""
    path = Path(weights, "preprocessor_config.json") if isinstance(weights, (str, Path)) else None
    if path is None or not path.is_file():
        return {}
    try:
        settings = json.loads(path.read_bytes())  # as bytes, so that a byte order mark is understood
    except ValueError as error:
        raise CheckpointError(f"{path}: expected JSON, got something else: {error}") from error
    return settings if isinstance(settings, dict) else {}
