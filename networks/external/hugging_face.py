"""AST, Wav2Vec2 and Speech2Text, classes of the package transformers, which is only in the extra "models"."""

import importlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import nn

from networks.external.speech_features import (
    NUM_SAMPLES,
    SAMPLE_RATE_HZ,
    ASTInput,
    NormalisedWaveform,
    Speech2TextInput,
)
from networks.external.stage_paths import numbered
from networks.external.staged import StagedNetwork
from networks.installation import InstallationError
from networks.weights.strict import NAMES_SHOWN, CheckpointError

# Mean and standard deviation of AudioSet's filter banks (Gong et al. 2021).
AUDIOSET_MEAN, AUDIOSET_DEVIATION = -4.2677393, 4.5689974
# Used in training alone, and missing in some folders.
_ONLY_FOR_TRAINING = "masked_spec_embed"


def ast(folder: str | Path | None = None, *, num_samples: int = NUM_SAMPLES, **config: Any) -> StagedNetwork:
    """Audio Spectrogram Transformer (Gong et al. 2021): the patches' embeddings and each layer.

    Activations are averaged over tokens: the two class tokens and the patches of all bands and times, those of the
    silence that fills up the input among them.

    Args:
        folder: folder with ``config.json`` and weights as transformers' ``save_pretrained`` writes them, not the name
            of something to download; None makes an untrained network.
        num_samples: samples of a sound at 16 kHz.
        config: settings of transformers' ``ASTConfig`` for an untrained network.

    Returns:
        The network, in evaluation mode.

    Raises:
        InstallationError: if transformers is not installed.
        FileNotFoundError: if there is no such folder.
        CheckpointError: if its files do not fit.
    """
    model = _model("AST", "ASTModel", folder, config)
    settings = _preprocessor(folder)
    normalises = settings.get("do_normalize", True)
    preprocess = ASTInput(
        num_frames=model.config.max_length,
        num_bands=model.config.num_mel_bins,
        mean=settings.get("mean", AUDIOSET_MEAN) if normalises else 0.0,
        deviation=settings.get("std", AUDIOSET_DEVIATION) if normalises else 0.5,
    )
    layers = "layers" if hasattr(model, "layers") else "encoder.layer"  # so in the first releases of transformers 5
    stages = {"embeddings": "embeddings"} | numbered("layer", layers, model)
    return _staged(model, stages, num_samples, preprocess, 1)


def wav2vec2(folder: str | Path | None = None, *, num_samples: int = NUM_SAMPLES, **config: Any) -> StagedNetwork:
    """Wav2Vec2 (Baevski et al. 2020): each convolution on the waveform, the projection, each transformer layer.

    Args:
        folder: see :func:`ast`.
        num_samples: samples of a sound at 16 kHz.
        config: settings of transformers' ``Wav2Vec2Config`` for an untrained network.

    Returns:
        The network, in evaluation mode.

    Raises:
        InstallationError: if transformers is not installed.
        FileNotFoundError: if there is no such folder.
        CheckpointError: if its files do not fit.
    """
    model = _model("Wav2Vec2", "Wav2Vec2Model", folder, config)
    preprocess = NormalisedWaveform() if _preprocessor(folder).get("do_normalize", True) else None
    stages = {
        **numbered("conv", "feature_extractor.conv_layers", model),
        "projection": "feature_projection",
        **numbered("layer", "encoder.layers", model),
    }
    return _staged(model, stages, num_samples, preprocess, {"conv*": 2, "*": 1})


def speech2text(folder: str | Path | None = None, *, num_samples: int = NUM_SAMPLES, **config: Any) -> StagedNetwork:
    """The encoder of Speech2Text (Wang et al. 2020): its convolutions and each layer.

    Args:
        folder: see :func:`ast`.
        num_samples: samples of a sound at 16 kHz.
        config: settings of transformers' ``Speech2TextConfig`` for an untrained network.

    Returns:
        The network, in evaluation mode.

    Raises:
        InstallationError: if transformers is not installed.
        FileNotFoundError: if there is no such folder.
        CheckpointError: if its files do not fit.
    """
    model = _model("Speech2Text", "Speech2TextModel", folder, config)
    preprocess = Speech2TextInput(num_bands=model.config.input_feat_per_channel)
    return _staged(
        model.encoder, {"conv": "conv"} | numbered("layer", "layers", model.encoder), num_samples, preprocess, 1
    )


def _staged(
    model: nn.Module, stages: dict[str, str], num_samples: int, preprocess: nn.Module | None, time_axis: Any
) -> StagedNetwork:
    network = StagedNetwork(
        model,
        stages,
        sample_rate_hz=SAMPLE_RATE_HZ,
        num_samples=num_samples,
        preprocess=preprocess,
        time_axis=time_axis,
    )
    return network.eval()


def _model(name: str, class_name: str, folder: str | Path | None, config: dict[str, Any]) -> Any:
    """Make a model: of a folder's files, never of downloaded ones, or untrained."""
    transformers = _transformers(name)
    if folder is None:
        settings = getattr(transformers, f"{name}Config")(**config)
        return getattr(transformers, class_name)(settings)
    if config:
        raise ValueError(f"expected a folder or settings, got both: {folder} and {', '.join(config)}")
    if not (Path(folder) / "config.json").is_file():
        raise FileNotFoundError(f"{folder}: expected a folder with {name}'s config.json and weights")
    try:
        with _without_bars(transformers):
            model, loading = getattr(transformers, class_name).from_pretrained(
                str(folder), local_files_only=True, output_loading_info=True
            )
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        line = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise CheckpointError(f"{folder}: transformers cannot load {class_name}: {line}") from error
    # transformers fills what is missing with random numbers.
    missing = sorted(key for key in loading["missing_keys"] if _ONLY_FOR_TRAINING not in key)
    if missing:
        raise CheckpointError(f"{folder}: weights of {class_name} are missing: {', '.join(missing[:NAMES_SHOWN])}")
    return model


@contextmanager
def _without_bars(transformers: ModuleType) -> Iterator[None]:
    """Keep transformers from drawing its progress bars, which fill a log with carriage returns."""
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
            f"{name} needs the package transformers, which is in an extra: pip install 'cochlearn[models]' ({error})"
        ) from error


def _preprocessor(folder: str | Path | None) -> dict[str, Any]:
    """Settings of a folder's feature extractor, empty where it has none."""
    path = Path(folder, "preprocessor_config.json") if folder is not None else None
    if path is None or not path.is_file():
        return {}
    try:
        settings = json.loads(path.read_text())
    except ValueError as error:
        raise CheckpointError(f"{path}: expected JSON, got something else: {error}") from error
    return settings if isinstance(settings, dict) else {}
