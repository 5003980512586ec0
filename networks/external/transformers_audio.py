"""`HuggingFace:FOLDER`: the encoder of any model of the package transformers that takes sounds."""

import inspect
import json
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from networks.external.layer_taps import Frames, LayerTaps
from networks.external.speech_features import DURATION_S, PAPER_GAIN
from networks.external.staged import StagedNetwork
from networks.external.transformers_files import (
    EXTRACTOR_FILE,
    architectures,
    check_complete,
    check_num_layers,
    explained,
    import_transformers,
    load_pretrained,
    quietly,
    read_config,
)
from networks.weights.strict import NAMES_SHOWN, CheckpointError

NAME = "HuggingFace"
# What transformers calls waveforms and mel spectrograms.
_SOUNDS = ("input_values", "input_features")
# Arguments of models that generate text or sounds: only their encoders are of use.
_OF_DECODERS = ("decoder_", "input_ids")
_MASKS = ("attention_mask", "padding_mask")
_STEREO = 2
_NUMBER = re.compile(r"\.\d+\.")  # of a layer, in the name of a weight
_NUM_SOUNDS = 2  # in the pass that finds the layers


def hugging_face_encoder(
    folder: str | Path | None = None,
    *,
    trained: bool = True,
    duration_s: float = DURATION_S,
    gain: float = PAPER_GAIN,
) -> StagedNetwork:
    """The encoder of any model of transformers that takes sounds, with its layers as stages.

    Stages are `embeddings`, `layers.0`, `layers.1`, ... and, if it differs from the last layer, `output`: see
    `networks.external.layer_taps.LayerTaps`. Of an encoder with a decoder, only the encoder is run. Waveforms pass
    through the feature extractor of the folder, which resamples nothing: `sample_rate_hz` is its sampling rate. If it
    pads sounds, such as Whisper's to 30 s, only the frames of the sound are read.

    Args:
        folder: Folder with `config.json`, `preprocessor_config.json` and weights, as `save_pretrained` of transformers
            writes them, or as downloaded (not the name of a model to download). Code in it is not run.
        trained: Whether to load the weights; False initialises the architecture from PyTorch's global random
            generator.
        duration_s: Length of a sound in seconds.
        gain: Factor on the waveforms, see `PAPER_GAIN`.

    Returns:
        The network, in evaluation mode.

    Raises:
        ValueError: No folder is given.
        InstallationError: Transformers is not installed.
        FileNotFoundError: There is no such folder, or a file is missing in it.
        CheckpointError: The files cannot be read safely or do not fit, or the model does not take sounds.
    """
    if folder is None or not isinstance(folder, (str, Path)):
        raise ValueError(f"{NAME} needs a folder with config.json, preprocessor_config.json and weights")
    folder = Path(folder)
    transformers = import_transformers(NAME)
    cls = _model_class(transformers, folder)
    _check_takes_sounds(transformers, cls, folder)
    extractor = _extractor(transformers, folder)
    model, missing, unexpected = (
        load_pretrained(transformers, cls, folder) if trained else (_untrained(transformers, cls, folder), [], [])
    )
    _check_used(unexpected, model, folder)
    path = _encoder_path(transformers, model.eval())
    assert path is not None  # checked above, without weights
    encoder = model.get_submodule(path)
    check_complete([name for name in missing if not path or name.startswith(f"{path}.")], cls, folder)
    preprocess = FeatureExtractor(extractor, encoder)
    num_samples = round(duration_s * extractor.sampling_rate)
    noise = 0.1 * torch.randn(_NUM_SOUNDS, num_samples, generator=torch.Generator().manual_seed(0))
    with explained(f"{folder}: cannot run {type(encoder).__name__} on a sound of {duration_s} s"), torch.no_grad():
        taps = LayerTaps(
            encoder,
            preprocess(noise),
            num_sounds=_NUM_SOUNDS,
            method=preprocess.method,
            num_layers=getattr(encoder.config, "num_hidden_layers", None),
            frames=preprocess.frames(num_samples),
        )
    network = StagedNetwork(
        taps,
        taps.stage_paths(),
        sample_rate_hz=extractor.sampling_rate,
        num_samples=num_samples,
        preprocess=preprocess,
        layout=taps.layouts,
        gain=gain,
    )
    return network.eval()


class FeatureExtractor(nn.Module):
    """Input of an encoder, as keyword arguments, computed by the feature extractor of transformers on the CPU.

    Args:
        extractor: The feature extractor.
        encoder: The encoder; what it does not take is left out.
    """

    def __init__(self, extractor: Any, encoder: nn.Module) -> None:
        super().__init__()
        self.extractor = extractor
        # Codecs are encoders, quantisers and decoders in one.
        self.method = "encode" if callable(getattr(encoder, "encode", None)) else "forward"
        self.accepted = _parameters(getattr(encoder, self.method))

    def forward(self, waveform: Tensor) -> dict[str, Tensor]:
        """(B, T) -> the inputs of the encoder by name."""
        inputs = self._extracted(waveform)
        if "is_longer" in inputs:
            # CLAP's extractor marks one sound of the batch at random if none is longer than its input.
            is_longer = waveform.shape[1] > self.extractor.nb_max_samples
            inputs["is_longer"] = torch.full((len(waveform), 1), is_longer)
        return {
            # A band of silence has no deviation to be divided by.
            name: (value.float().nan_to_num(0.0, 0.0, 0.0) if value.is_floating_point() else value).to(waveform.device)
            for name, value in inputs.items()
            if name in self.accepted
        }

    def frames(self, num_samples: int) -> Frames:
        """How many of the frames or samples that the extractor returns are of the sound, not of its padding.

        They are those of its mask or, without one, those that differ between two sounds.
        """
        noise = 0.1 * torch.randn(_NUM_SOUNDS, num_samples, generator=torch.Generator().manual_seed(0))
        inputs = self._extracted(noise, return_attention_mask=True)
        mask = next((inputs[name][0] for name in _MASKS if name in inputs), None)
        if mask is None:
            values = next(inputs[name] for name in _SOUNDS if name in inputs)
            if values.ndim != 3 or len(values) != _NUM_SOUNDS:
                return Frames()
            mask = (values[0] != values[1]).any(dim=1)
        return Frames(int(mask.sum()), len(mask))

    def _extracted(self, waveform: Tensor, **options: bool) -> dict[str, Tensor]:
        sounds = list(waveform.detach().cpu().numpy())
        if getattr(self.extractor, "feature_size", 1) == _STEREO:
            sounds = [np.stack([sound] * _STEREO) for sound in sounds]
        if not set(options) <= _parameters(self.extractor.__call__):
            options = {}
        rate = self.extractor.sampling_rate
        with np.errstate(divide="ignore", invalid="ignore"):
            return dict(self.extractor(sounds, sampling_rate=rate, return_tensors="pt", **options))

    def extra_repr(self) -> str:
        """List the settings."""
        return json.dumps(self.extractor.to_dict(), sort_keys=True, default=str)


def _model_class(transformers: ModuleType, folder: Path) -> Any:
    """The class of transformers whose weights a folder has.

    Raises:
        CheckpointError: There is none.
    """
    settings = read_config(folder, "a model")
    names = architectures(settings)
    cls = getattr(transformers, names[0], None) if names else None
    if isinstance(cls, type) and issubclass(cls, transformers.PreTrainedModel):
        return cls
    kind = settings.get("model_type")
    try:
        config = transformers.CONFIG_MAPPING[kind]
        return transformers.MODEL_MAPPING[config]
    except KeyError:
        own = ", and code in a folder is not run (auto_map)" if "auto_map" in settings else ""
        raise CheckpointError(
            f"{folder}: transformers {transformers.__version__} has no model of the model_type {kind!r} and the "
            f"architectures {names}{own}"
        ) from None


def _config(cls: Any, folder: Path) -> Any:
    with explained(f"{folder}: transformers cannot read config.json"):
        config = cls.config_class.from_pretrained(str(folder), local_files_only=True)
        check_num_layers(config.to_dict())
        return config


def _untrained(transformers: ModuleType, cls: Any, folder: Path) -> Any:
    config = _config(cls, folder)
    with explained(f"{folder}: transformers cannot make {cls.__name__}"), quietly(transformers):
        return cls(config)


def _check_takes_sounds(transformers: ModuleType, cls: Any, folder: Path) -> None:
    config = _config(cls, folder)
    with explained(f"{folder}: transformers cannot make {cls.__name__}"), torch.device("meta"), quietly(transformers):
        model = cls(config)  # without values
    if _encoder_path(transformers, model) is None:
        raise CheckpointError(
            f"{folder}: expected a model that takes sounds ({' or '.join(_SOUNDS)}), but {cls.__name__} takes "
            f"{cls.main_input_name}"
        )


def _encoder_path(transformers: ModuleType, model: nn.Module) -> str | None:
    """Path of the outermost part that takes sounds and nothing of a decoder, but has no head; None if there is none."""
    for path, module in _parts(model):
        if isinstance(module, transformers.PreTrainedModel) and module.main_input_name in _SOUNDS:
            parameters = _parameters(module.forward)
            is_whole = any(name.startswith(_OF_DECODERS) for name in parameters)
            has_head = module.base_model is not module
            if module.main_input_name in parameters and not is_whole and not has_head:
                return path
    return None


def _parts(model: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """All modules, outer ones first."""
    return iter(sorted(model.named_modules(), key=lambda item: item[0].count(".") + bool(item[0])))


def _parameters(function: Any) -> set[str]:
    return set(inspect.signature(function).parameters)


def _extractor(transformers: ModuleType, folder: Path) -> Any:
    """The feature extractor of a folder.

    Raises:
        FileNotFoundError: The folder has none.
        CheckpointError: It cannot be made.
    """
    if not any((folder / name).is_file() for name in (EXTRACTOR_FILE, "processor_config.json")):
        raise FileNotFoundError(
            f"{folder}: expected {EXTRACTOR_FILE}, the settings of the feature extractor, next to config.json; "
            "feature_extractor.save_pretrained(FOLDER) of transformers writes it"
        )
    with explained(f"{folder}: transformers cannot make the feature extractor"), quietly(transformers):
        extractor = transformers.AutoFeatureExtractor.from_pretrained(
            str(folder), local_files_only=True, trust_remote_code=False
        )
    rate = getattr(extractor, "sampling_rate", None)
    if not (isinstance(rate, int) and rate > 0):
        raise CheckpointError(f"{folder}: expected a sampling_rate in Hz in {EXTRACTOR_FILE}, got {rate!r}")
    return extractor


def _check_used(unexpected: list[str], model: nn.Module, folder: Path) -> None:
    """Check that there are no weights of more layers than the model has; those of another head do not matter.

    Raises:
        CheckpointError: There are.
    """
    numbered = {_NUMBER.sub(".0.", name) for name in model.state_dict()}
    left = [name for name in unexpected if _NUMBER.search(name) and _NUMBER.sub(".0.", name) in numbered]
    if left:
        raise CheckpointError(
            f"{folder}: config.json describes fewer layers than there are weights of, such as "
            f"{', '.join(left[:NAMES_SHOWN])}"
        )
