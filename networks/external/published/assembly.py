"""What the published networks have in common: loading their files strictly, and naming their stages."""

from collections.abc import Mapping
from typing import NamedTuple

from torch import nn

from networks.external.staged import StagedNetwork
from networks.external.weight_files import StateDict
from networks.weights.strict import load_weights

# Buffers that follow from the sizes of a network (positions, probabilities), which some files lack.
_COMPUTED = ("pe", "prob")


class Stage(NamedTuple):
    """Where a stage is.

    Attributes:
        path: Path of its module in the network.
        layout: Axes of the module's output, see `networks.external.stage_layouts.parse_layout`.
    """

    path: str
    layout: str


def assemble(
    module: nn.Module,
    stages: Mapping[str, Stage],
    *,
    weights: StateDict | None,
    preprocess: nn.Module,
    sample_rate_hz: int,
    num_samples: int,
    min_samples: int,
    gain: float,
) -> StagedNetwork:
    """Load weights into a published network and name its stages.

    Args:
        module: The network, with the layer names of the published file.
        stages: Its stages, in order.
        weights: Weights by name; computed buffers, `pe` and `prob`, may be missing. None leaves it untrained.
        preprocess: Computes the input of the module from waveforms (B, T).
        sample_rate_hz: Sample rate of the waveforms in Hz.
        num_samples: Samples of a waveform, T.
        min_samples: Samples that it needs.
        gain: Factor on the waveforms.

    Returns:
        The network, in evaluation mode.

    Raises:
        ValueError: Waveforms are too short, or the gain is not positive.
        CheckpointError: Names or shapes differ; the message lists missing, unexpected and misshapen tensors.
    """
    if num_samples < min_samples:
        raise ValueError(f"{type(module).__name__} needs at least {min_samples} samples, got num_samples={num_samples}")
    if weights is not None:
        computed = {
            name: tensor for name, tensor in module.state_dict().items() if name.rpartition(".")[2] in _COMPUTED
        }
        load_weights(module, computed | dict(weights.tensors), source=weights.source)
    network = StagedNetwork(
        module,
        {name: stage.path for name, stage in stages.items()},
        sample_rate_hz=sample_rate_hz,
        num_samples=num_samples,
        preprocess=preprocess,
        layout={name: stage.layout for name, stage in stages.items()},
        gain=gain,
    )
    return network.eval()
