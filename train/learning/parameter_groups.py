"""Which weight decay and learning rate each parameter has: groups of an optimiser."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from torch import nn
from torch.nn import Parameter
from torch.optim import Optimizer

from networks import AuditoryNetwork
from train.errors import TrainingError
from train.learning.warm_start import NUM_PARTS_LISTED

BACKBONE, FRONT_END, HEADS = "backbone", "front_end", "heads"


@dataclass(frozen=True)
class GroupRules:
    """How parameters differ in their weight decay and rate; by default, they do not.

    Args:
        decay_norms_and_biases: Whether weight decay also pulls on parameters with fewer than two dimensions: biases,
            the weights of normalisation, and learnt weights of tasks.
        layer_rate_decay: Factor of the rate from each layer of the backbone to the layer below it, see `layer_depths`.
        rate_factors: Factor of the rate by part of the network ("backbone", "backbone.conv*"); if several parts contain
            a parameter, the last one counts.

    Raises:
        TrainingError: A factor is negative or, between layers, 0 or above 1.
    """

    decay_norms_and_biases: bool = True
    layer_rate_decay: float = 1.0
    rate_factors: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not 0 < self.layer_rate_decay <= 1:
            raise TrainingError(f"layer_rate_decay must be above 0 and at most 1, got {self.layer_rate_decay}")
        for part, factor in self.rate_factors.items():
            if not factor >= 0:
                raise TrainingError(f"rate_factors: the factor of {part!r} must be at least 0, got {factor}")

    @property
    def is_uniform(self) -> bool:
        """Whether all parameters are treated alike."""
        return self == GroupRules()


class ParameterGroups:
    """Trained parameters of a module, divided by weight decay and rate.

    Args:
        module: Module that trains `network`, and may have further parameters.
        network: The network.
        rules: How parameters differ.

    Raises:
        TrainingError: There is nothing to train, or a part with a rate of its own does not exist.
    """

    def __init__(self, module: nn.Module, network: AuditoryNetwork, rules: GroupRules) -> None:
        names = {id(parameter): name for name, parameter in network.named_parameters()}
        trained = [parameter for parameter in module.parameters() if parameter.requires_grad]
        if not trained:
            raise TrainingError("`freeze` leaves nothing to train: leave out a part of the network, such as a head")
        self._is_uniform = rules.is_uniform
        self._trained = trained
        _check_parts(rules.rate_factors, names.values())
        depths = layer_depths(network)
        groups: dict[tuple[float, bool], list[Parameter]] = {}
        for parameter in trained:
            name = names.get(id(parameter), "")
            decayed = rules.decay_norms_and_biases or parameter.ndim > 1
            groups.setdefault((_factor(name, depths, rules), decayed), []).append(parameter)
        self._groups = groups

    @property
    def for_optimizer(self) -> list[Any]:
        """What an optimiser is made from: parameters or, if they differ, groups of them."""
        if self._is_uniform:
            return self._trained
        undecayed: dict[str, Any] = {"weight_decay": 0.0}
        return [
            {"params": parameters} | ({} if decayed else undecayed) for (_, decayed), parameters in self._groups.items()
        ]

    def scale_rates(self, optimizer: Optimizer) -> None:
        """Multiply the rates of the groups of an optimiser that was made from `for_optimizer` by their factors."""
        if self._is_uniform:
            return
        for group, (factor, _) in zip(optimizer.param_groups, self._groups, strict=True):
            group["lr"] = group["lr"] * factor


def layer_depths(network: AuditoryNetwork) -> dict[str, int]:
    """Count how far each part of a network is from its heads.

    The layers of a backbone are its children with a weight of two or more dimensions (a convolution, a dense layer, a
    block of a ResNet), in the order in which they are defined; if it has a single one, the children of that. What has
    only vectors, such as normalisation, belongs to the layer before it, and at the beginning to the first.

    Args:
        network: The network.

    Returns:
        Number of steps down from the heads, by prefix of the names of parameters: 1 for the last layer of the backbone;
        the front end is below the first.
    """
    inside, children = f"{BACKBONE}.", _with_parameters(network.backbone)
    while len(children) == 1 and _with_parameters(next(iter(children.values()))):
        ((name, child),) = children.items()
        inside, children = f"{inside}{name}.", _with_parameters(child)
    layer, layers = 0, {}
    has_begun = False
    for name, child in children.items():
        if any(parameter.ndim > 1 for parameter in child.parameters()):
            layer, has_begun = layer + has_begun, True
        layers[f"{inside}{name}."] = layer
    num_layers = layer + 1
    depths = {prefix: num_layers - place for prefix, place in layers.items()}
    # Parameters of the backbone itself, such as embeddings of positions, are those of its input.
    return depths | {f"{BACKBONE}.": num_layers, f"{FRONT_END}.": num_layers + 1}


def _with_parameters(module: nn.Module) -> dict[str, nn.Module]:
    return {name: child for name, child in module.named_children() if any(True for _ in child.parameters())}


def _factor(name: str, depths: Mapping[str, int], rules: GroupRules) -> float:
    """Factor of the rate of a parameter of the network; that of other modules, without a name, is 1."""
    depth = next((depth for prefix, depth in depths.items() if name.startswith(prefix)), 0)
    factor = 1.0
    for part, own in rules.rate_factors.items():
        if _is_in(name, part):
            factor = own
    return float(factor * rules.layer_rate_decay**depth)


def _is_in(name: str, part: str) -> bool:
    return fnmatchcase(name, part) or fnmatchcase(name, f"{part}.*")


def _check_parts(parts: Iterable[str], names: Iterable[str]) -> None:
    names = list(names)
    for part in parts:
        if not any(_is_in(name, part) for name in names):
            modules = list(dict.fromkeys(name.rpartition(".")[0] for name in names))
            shown = ", ".join(modules[:NUM_PARTS_LISTED])
            raise TrainingError(f"rate_factors: no parameter is in {part!r}; available parts include {shown}, ...")
