"""Networks that a user's own code makes: `package.module:function` and `file.py:function`."""

from typing import Any, Protocol, runtime_checkable

import torch
from torch import nn

from networks.named_objects import ObjectName, load_object


@runtime_checkable
class Scorable(Protocol):
    """What a network needs to be scored, beside being a module; :class:`networks.StagedNetwork` has it."""

    stages: Any
    sample_rate_hz: Any
    num_samples: Any

    def stage_modules(self) -> dict[str, nn.Module]:
        """Stage name -> submodule."""
        ...


def make_network(name: ObjectName, *, seed: int = 0) -> nn.Module:
    """Import a module and call its factory: this runs the code of whoever wrote it.

    Args:
        name: Function or class that makes a network when called without arguments.
        seed: of PyTorch's random numbers within the factory, so that an untrained network is the same every time.
            Outside of it they are left as they were.

    Returns:
        The network, in evaluation mode.

    Raises:
        ValueError: if the module or factory is not found, or what it makes cannot be scored.
    """
    factory = load_object(name)
    if not callable(factory):
        raise ValueError(f"expected {name} to be a function or class, got a {type(factory).__name__}")
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        network = factory()
    if not isinstance(network, nn.Module) or not isinstance(network, Scorable):
        raise ValueError(
            f"expected {name} to make a network with stages, sample_rate_hz, num_samples and "
            f"stage_modules(), got a {type(network).__name__}; networks.StagedNetwork gives these to any module"
        )
    return network.eval()
