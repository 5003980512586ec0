"""Load weights strictly: every name and shape must match, and errors list those that do not."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn


class CheckpointError(ValueError):
    """Weights or a checkpoint that cannot be used: damaged, unsafe, or of another architecture."""


NAMES_SHOWN = 5  # number of names that an error lists before it counts the others


def differences(expected: Mapping[str, Tensor], weights: Mapping[str, Tensor]) -> list[str]:
    """Describe differences in the names and shapes of weights.

    Args:
        expected: Tensors of the expected shapes, by name.
        weights: Tensors to load, by name.

    Returns:
        At most one text each for missing, unexpected and misshapen tensors, with their names; empty if all match.
    """
    missing = [name for name in expected if name not in weights]
    unexpected = [name for name in weights if name not in expected]
    misshapen = [
        f"{name} {tuple(weights[name].shape)} instead of {tuple(expected[name].shape)}"
        for name in expected
        if name in weights and expected[name].shape != weights[name].shape
    ]
    problems = []
    for what, names in (("missing", missing), ("unexpected", unexpected), ("misshapen", misshapen)):
        if names:
            rest = f" and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else ""
            problems.append(f"{what}: {', '.join(names[:NAMES_SHOWN])}{rest}")
    return problems


def load_weights(module: nn.Module, weights: Mapping[str, Tensor], *, source: str) -> None:
    """Copy weights into a module, which is not changed if they do not match.

    Args:
        module: Network to load into.
        weights: Tensors by parameter or buffer name.
        source: Name of their source, for the error.

    Raises:
        CheckpointError: Names or shapes differ; the message lists missing, unexpected and misshapen tensors.
    """
    problems = differences(module.state_dict(), weights)
    if problems:
        raise CheckpointError(
            f"{source}: weights of another architecture than {type(module).__name__}: {'; '.join(problems)}"
        )
    with torch.no_grad():
        module.load_state_dict(dict(weights))
