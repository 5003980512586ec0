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
        At most one text each for missing, unexpected and misshapen tensors, and for what is no tensor or one of another
        kind, such as sparse or complex, with their names; empty if all match.
    """
    missing = [name for name in expected if name not in weights]
    unexpected = [str(name) for name in weights if name not in expected]
    common = [name for name in expected if name in weights]
    strange = [f"{name} is {_kind(weights[name])}" for name in common if not _is_usable(weights[name], expected[name])]
    misshapen = [
        f"{name} {tuple(weights[name].shape)} instead of {tuple(expected[name].shape)}"
        for name in common
        if isinstance(weights[name], Tensor) and expected[name].shape != weights[name].shape
    ]
    problems = []
    kinds = (("missing", missing), ("unexpected", unexpected), ("misshapen", misshapen), ("no plain tensors", strange))
    for what, names in kinds:
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


def _is_usable(value: object, expected: Tensor) -> bool:
    """Whether a value from a file can be copied into a tensor."""
    if not isinstance(value, Tensor):
        return False
    is_plain = value.layout == torch.strided and not value.is_quantized and not value.is_meta
    return is_plain and value.is_complex() == expected.is_complex()


def _kind(value: object) -> str:
    """What a value is, in words."""
    if not isinstance(value, Tensor):
        return f"a {type(value).__name__}"
    if value.is_meta:
        return "a tensor without values"
    layout = "" if value.layout == torch.strided else f"{str(value.layout).removeprefix('torch.')} "
    return f"a {layout}tensor of {str(value.dtype).removeprefix('torch.')}"
