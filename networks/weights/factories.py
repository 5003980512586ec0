"""Networks that a user's own code makes: `package.module:function` and `file.py:function`."""

import torch
from torch import nn

from networks.named_objects import ObjectName, load_object
from networks.stages import HasStages


def make_network(name: ObjectName, *, seed: int = 0) -> nn.Module:
    """Import a module and call its factory: this runs the code of whoever wrote it.

    Args:
        name: Function or class that makes a network when called without arguments.
        seed: Of PyTorch's random numbers within the factory, so that an untrained network is the same every time.
            Outside of it they are left as they were.

    Returns:
        The network, in evaluation mode.

    Raises:
        ValueError: If the module or factory is not found, or what it makes cannot be scored.
    """
    factory = load_object(name)
    if not callable(factory):
        raise ValueError(f"expected {name} to be a function or class, got a {type(factory).__name__}")
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        network = factory()
    if not isinstance(network, nn.Module) or not isinstance(network, HasStages):
        raise ValueError(
            f"expected {name} to make a network with stages, sample_rate_hz, num_samples and "
            f"stage_modules(), got a {type(network).__name__}; networks.StagedNetwork gives these to any module"
        )
    return network.eval()
