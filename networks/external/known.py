"""External networks by name: `external_network("VGGish", "vggish-10086976.pth")`."""

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from networks.named_objects import load_object, parse_object_name

if TYPE_CHECKING:
    from torch import Tensor, nn

EXTERNAL_NETWORKS = {
    "VGGish": "networks.external.published.vggish:vggish",
    "SepFormer": "networks.external.published.sepformer:sepformer",
    "DeepSpeech2": "networks.external.published.deepspeech2:deepspeech2",
    "VQVAE": "networks.external.published.vqvae:vqvae",
    "DCASE2020": "networks.external.published.dcase2020:dcase2020",
    "MetricGAN": "networks.external.published.metricgan:metricgan",
    "AST": "networks.external.hugging_face:ast",
    "Wav2Vec2": "networks.external.hugging_face:wav2vec2",
    "Speech2Text": "networks.external.hugging_face:speech2text",
    "TorchaudioWav2Vec2": "networks.external.torchaudio_models:torchaudio_wav2vec2",
    "HuggingFace": "networks.external.transformers_audio:hugging_face_encoder",
}
"""Builder of each known network as `module:function`, imported when it is used; the first nine are the paper's.

A builder is called as `builder(weights, gain=gain, **settings)`. It returns a network in evaluation mode with stages.
A new network is one builder and one entry in this table.
"""
DESCRIBED_BY_FOLDERS = frozenset({"HuggingFace"})
"""Networks whose architecture is in the folder of their weights: an untrained one needs it, too, and is made with
`trained=False`."""


def external_network(
    name: str,
    weights: "str | Path | Mapping[str, Tensor] | None" = None,
    *,
    gain: float | None = None,
    **settings: Any,
) -> "nn.Module":
    """Load a network of others so that it can be scored.

    ```python
    from networks import external_network

    net = external_network("VGGish", "vggish-10086976.pth")
    net.stages  # ("ReLU_1", "MaxPool2d_1", ..., "ReLU_9")
    untrained = external_network("Wav2Vec2")
    layers = external_network("AST", "weights/ast", stages="layers")  # a folder as `save_pretrained` writes it
    any_other = external_network("HuggingFace", "weights/whisper")  # whatever of transformers takes sounds
    own = external_network("my_package.my_module:make_network", "weights.pt")
    ```

    Args:
        name: Name of a known network (see `EXTERNAL_NETWORKS`), or a function or class as `package.module:function` or
            `path/file.py:function`. A custom function is called as `function(weights, gain=gain, **settings)`;
            weights and gain are omitted if they are not given. It returns a network with stages, such as a
            `StagedNetwork`.
        weights: File or folder of the weights, a state dict, or None for an untrained network. Nothing is downloaded.
            An untrained network is initialised from PyTorch's global random generator: call `torch.manual_seed`
            first.
        gain: Factor by which waveforms are multiplied. Evaluation presents sounds at an RMS of 0.1; the paper gave
            external networks an RMS of 0.01, so the default of known networks is 0.1. Custom functions have their own
            default.
        settings: Settings of the builder, such as `num_samples`.

    Returns:
        The network in evaluation mode.

    Raises:
        ValueError: The name is unknown, the function does not take these arguments, or it returns something that
            cannot be scored.
        InstallationError: The package that defines the network is not installed.
        FileNotFoundError: There are no weights at that path.
        CheckpointError: The weights cannot be read safely or do not fit.
    """
    from networks.stages import HasStages

    builder = _builder(name)
    positional = () if weights is None else (weights,)
    keywords = settings if gain is None else {"gain": gain, **settings}
    try:
        inspect.signature(builder).bind(*positional, **keywords)
    except TypeError as error:
        raise ValueError(
            f"{name} does not take these arguments ({error}): an external network is made by "
            "`builder(weights, gain=gain, **settings)`"
        ) from error
    network: nn.Module = builder(*positional, **keywords)
    if not isinstance(network, HasStages) or not hasattr(network, "eval"):
        raise ValueError(
            f"expected {name} to make a network with stages, sample_rate_hz, num_samples and stage_modules(), "
            f"got a {type(network).__name__}: networks.StagedNetwork gives these to any module"
        )
    return network.eval()


def _builder(name: str) -> Callable[..., Any]:
    target = EXTERNAL_NETWORKS.get(name, name)
    if parse_object_name(target) is None:
        raise ValueError(
            f"unknown external network {name!r}: expected {', '.join(EXTERNAL_NETWORKS)}, package.module:function or "
            "path/file.py:function"
        )
    builder: Callable[..., Any] = load_object(target)
    if not callable(builder):
        raise ValueError(f"expected {name} to be a function or class, got a {type(builder).__name__}")
    return builder
