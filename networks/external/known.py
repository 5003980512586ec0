"""Networks of other packages by name: `external_network("AST", "weights/ast")`."""

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from networks.named_objects import load_object, parse_object_name

if TYPE_CHECKING:
    from torch import Tensor, nn

EXTERNAL_NETWORKS = {
    "AST": "networks.external.hugging_face:ast",
    "Wav2Vec2": "networks.external.hugging_face:wav2vec2",
    "Speech2Text": "networks.external.hugging_face:speech2text",
    "TorchaudioWav2Vec2": "networks.external.torchaudio_models:torchaudio_wav2vec2",
}
"""Builder of each known network as `module:function`, imported when it is used.

A builder is called as `builder(weights, gain=gain, **settings)`. It returns a network in evaluation mode with stages.
A new network is one builder and one entry in this table.
"""


def external_network(
    name: str, weights: "str | Path | Mapping[str, Tensor] | None" = None, *, gain: float = 1.0, **settings: Any
) -> "nn.Module":
    """Load a network from another package so that it can be scored.

    ```python
    from networks import external_network

    net = external_network("AST", "weights/ast", gain=0.1)  # a folder as `save_pretrained` writes it
    net.stages  # ("embeddings", "layer0", ..., "layer11")
    untrained = external_network("Wav2Vec2")
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
        gain: Factor by which waveforms are multiplied. Sounds are presented at an RMS of 0.1; the published
            evaluation of external networks used an RMS of 0.01, hence `gain=0.1`.
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
    keywords = settings if gain == 1.0 else {"gain": gain, **settings}
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
