"""Initialisation of weights by name, for configurations."""

from typing import Literal, get_args

from torch import nn

Initialization = Literal["pytorch", "kaiming"]


def initialize(module: nn.Module, scheme: Initialization) -> None:
    """Initialise convolutions and dense layers in place.

    Args:
        module: Network whose layers are initialised. Batch norms keep weight 1 and bias 0.
        scheme: "pytorch" keeps PyTorch's default, as in the published CochCNN9 (Kaiming uniform with a = sqrt(5)).
            "kaiming" draws normal weights with variance `2 / fan_in` and sets biases to zero (He et al. 2015), so that
            small networks learn from the first step.

    Raises:
        ValueError: If the scheme is another one.
    """
    if scheme not in get_args(Initialization):
        raise ValueError(f"expected initialization to be one of {get_args(Initialization)}, got {scheme!r}")
    if scheme == "pytorch":
        return
    for layer in module.modules():
        if isinstance(layer, (nn.Conv1d, nn.Conv2d, nn.Linear)):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
