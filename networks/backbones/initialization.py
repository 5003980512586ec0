"""Initialisation of the weights by name, so that a configuration can choose it."""

from typing import Literal, get_args

from torch import nn

Initialization = Literal["pytorch", "kaiming"]


def initialize(module: nn.Module, scheme: Initialization) -> None:
    """Initialise convolutions and dense layers in place.

    Args:
        module: Network whose layers are initialised; batch norms keep weight 1 and bias 0.
        scheme: "pytorch" leaves PyTorch's default (Kaiming uniform with a = sqrt(5), the published CochCNN9);
            "kaiming" draws normal weights with variance `2 / fan_in` and zero biases (He et al. 2015), with which
            small networks learn from the first step.

    Raises:
        ValueError: For another scheme.
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
