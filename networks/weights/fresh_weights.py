"""Random initial weights for modules of users, which have no description to be built from again."""

import copy
import math
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

Network = TypeVar("Network", bound=nn.Module)

_MAX_NAMED = 5
# By these names, layers of PyTorch and of users draw their initial weights.
_RESETS = ("reset_parameters", "_reset_parameters")


def reset_weights(network: Network, *, seed: int = 0) -> Network:
    """Copy a network and draw new initial weights for all of its layers.

    Every submodule with a method `reset_parameters` runs it, the innermost first, as all layers of PyTorch have it, and
    the parameters of parametrised weights, such as those of weight normalisation, are set to fit what it draws. A model
    of transformers is made again from its `config`. Parameters that are not trained (`requires_grad=False`), such as
    the filters of a spectrogram, are kept, unless nothing is trained; so are buffers that no layer resets.

    Args:
        network: A network on the CPU, which is not changed.
        seed: Seed of the initialisation. PyTorch's global generators are restored afterwards.

    Returns:
        A new network, in the same mode.

    Raises:
        ValueError: There are no parameters, or some that no layer draws. The message names them.
    """
    fresh = copy.deepcopy(network)
    parameters = dict(fresh.named_parameters())
    if not parameters:
        raise ValueError(f"expected a network with weights to initialise, but {type(network).__name__} has none")
    is_trained = any(each.requires_grad for each in parameters.values())
    fixed = {name: each.detach().clone() for name, each in parameters.items() if is_trained and not each.requires_grad}
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.default_generator.manual_seed(seed)
        for name, parameter in parameters.items():
            if name not in fixed and parameter.is_floating_point():
                parameter.fill_(math.nan)  # marks what no layer draws
        _reset(fresh)
        for name, value in fixed.items():
            parameters[name].copy_(value)
    if kept := [name for name, parameter in parameters.items() if _has_nan(parameter)]:
        more = f" and {len(kept) - _MAX_NAMED} more" if len(kept) > _MAX_NAMED else ""
        raise ValueError(
            f"no layer draws initial values of {', '.join(kept[:_MAX_NAMED])}{more}: give the module that holds them a "
            "method `reset_parameters`, or name a function of your own that makes the untrained network"
        )
    return fresh


def _reset(module: nn.Module) -> None:
    """Reset a module after all of its submodules, as it may change what they draw."""
    config = getattr(module, "config", None)
    if config is not None and hasattr(module, "_init_weights"):  # transformers' PreTrainedModel
        module.load_state_dict(type(module)(config).state_dict())
        return
    for child in module.children():
        _reset(child)
    for name in _RESETS:
        if callable(reset := getattr(module, name, None)):
            if parametrize.is_parametrized(module):
                _reset_parametrized(module, reset)
            else:
                reset()


def _reset_parametrized(module: nn.Module, reset: Callable[[], object]) -> None:
    """Reset a layer whose weight is computed from parameters, as by weight normalisation, and set these to fit."""
    parametrizations: Any = module.parametrizations
    with parametrize.cached():  # otherwise each access computes another tensor
        reset()
        weights = {name: getattr(module, name) for name in parametrizations}
    for name, weight in weights.items():
        with suppress(NotImplementedError, RuntimeError):  # it cannot be inverted, so its parameters stay undrawn
            setattr(module, name, weight)


def _has_nan(parameter: Tensor) -> bool:
    return parameter.is_floating_point() and bool(parameter.isnan().any())
