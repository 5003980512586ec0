"""Where a module that trains a network has it: an attribute, or what a function makes of the module."""

from collections.abc import Callable
from typing import Any

from torch import nn

from networks.named_objects import load_object, parse_object_name
from networks.user_code import kind_of, user_code

TRAINED_NETWORK = "network"
"""Where the LightningModule of this project has its network."""

AVERAGED_NETWORK = "ema.network"
"""Where it has the average of its weights, if it keeps one; that is scored as well."""

_NEEDED = ("stages", "stage_modules", "sample_rate_hz", "num_samples")

NetworkPlace = str | Callable[[Any], nn.Module]


def find_averaged(module: nn.Module, place: NetworkPlace) -> nn.Module | None:
    """Find the average of the network's weights that the LightningModule of this project may keep."""
    found = _attribute(module, AVERAGED_NETWORK) if place == TRAINED_NETWORK else None
    return found if isinstance(found, nn.Module) else None


def is_built(module: nn.Module, place: NetworkPlace) -> bool:
    """Whether a module has the attribute where its network should be; False for functions, which may need all of it."""
    if callable(place) or parse_object_name(place) is not None:
        return False
    return _attribute(module, place) is not None


def find_network(module: nn.Module, place: NetworkPlace) -> Any:
    """Find the network that a module trains.

    Args:
        module: Module that trains, such as a LightningModule.
        place: Path of attributes, or a function of the module, which may be named as `package.module:function`.

    Returns:
        The network with stages; it shares its parameters with the module.

    Raises:
        TypeError: There is no such attribute, or it has no stages; the message says how to add them.
        ValueError: The function cannot be imported, raises an error, or makes a network with other parameters.
    """
    what = type(module).__name__
    if not isinstance(place, str) or parse_object_name(place) is not None:
        function = load_object(place) if isinstance(place, str) else place
        name = place if isinstance(place, str) else getattr(place, "__qualname__", "a function")
        if not callable(function):
            raise TypeError(f"BrainScoreCallback expected network={place!r} to be a function, got {kind_of(function)}")
        with user_code(f"BrainScoreCallback: network={name}"):
            network = function(module)
        found = f"network={name} to return"
    else:
        network = _attribute(module, place)
        found = f"{what}.{place} to be"
        if network is None:
            children = [name for name, _ in module.named_children()]
            raise TypeError(
                f"BrainScoreCallback expected {found} a network with named stages, but {what} has no such attribute; "
                f"its modules are: {', '.join(children) or 'none'}. Name the attribute with the network, as in "
                f"BrainScoreCallback(network='backbone.encoder'), or {_adding_stages((*children, 'encoder')[0])}"
            )
    # Not `isinstance(network, HasStages)`, which does not see through the modules of `torch.compile`.
    if not isinstance(network, nn.Module) or not all(hasattr(network, name) for name in _NEEDED):
        raise TypeError(
            f"BrainScoreCallback expected {found} a network with named stages, such as networks.AuditoryNetwork, got "
            f"{kind_of(network)}: {_adding_stages(place if isinstance(place, str) else 'encoder')}"
        )
    own = {id(parameter) for parameter in module.parameters()}
    if own and not any(id(parameter) in own for parameter in network.parameters()):
        raise ValueError(
            f"BrainScoreCallback expected {found} a network with parameters of {what}, got others, which training does "
            "not change: wrap the module itself, not a copy"
        )
    return network


def _attribute(module: nn.Module, path: str) -> Any:
    """Follow a path of attributes; None if one is missing. Numbers are items of an `nn.Sequential`."""
    found: Any = module
    for name in path.split("."):
        found = getattr(found, name, None)
    return found


def _adding_stages(path: str) -> str:
    return (
        f"add stages to a module: network=lambda module: networks.StagedNetwork(module.{path}, stages=[...], "
        "sample_rate_hz=..., num_samples=...)"
    )
