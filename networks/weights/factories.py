"""Networks made by a user's own code: `package.module:function` and `file.py:function`."""

import torch
from torch import nn

from networks.named_objects import ObjectName, load_object
from networks.stages import HasStages


def make_network(name: ObjectName, *, seed: int = 0) -> nn.Module:
    """Import a module and call its factory. This runs the code in the module, whoever wrote it.

    Args:
        name: Function or class that returns a network when called without arguments.
        seed: Seed of PyTorch's random numbers within the factory, so that an untrained network is always the same. The
            random state is restored afterwards.

    Returns:
        The network, in evaluation mode.

    Raises:
        ValueError: The module or factory is not found, or its network cannot be scored.
    """
    factory = load_object(name)
    if not callable(factory):
        raise ValueError(f"expected {name} to be a function or class, got a {type(factory).__name__}")
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        network = factory()
    if not isinstance(network, nn.Module) or not isinstance(network, HasStages):
        raise ValueError(
            f"expected {name} to return a network with stages, sample_rate_hz, num_samples and "
            f"stage_modules(), got a {type(network).__name__}; networks.StagedNetwork adds these to any module"
        )
    return network.eval()
