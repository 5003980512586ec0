"""Gathering tensors from all processes, with gradients."""

from typing import Any

import torch
from torch import Tensor, distributed


class _Gathered(torch.autograd.Function):
    """All ranks' tensors in the order of ranks; the gradient of each is the sum of what all ranks compute for it."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        ctx.size = len(values)
        parts = [torch.empty_like(values) for _ in range(distributed.get_world_size())]
        distributed.all_gather(parts, values.contiguous())
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        total = gradients[0].contiguous().clone()
        distributed.all_reduce(total)
        first = distributed.get_rank() * ctx.size
        return total[first : first + ctx.size]


def gathered(values: Tensor) -> Tensor:
    """Concatenate tensors of all processes.

    If every process minimises the mean over its own examples of a loss that depends on all of them, and gradients are
    averaged over processes (DistributedDataParallel), the result is the gradient of the mean over all examples.

    Args:
        values: (B, D), of the same shape in all processes.

    Returns:
        (W B, D), in the order of ranks; `values` itself if there is a single process.
    """
    if not is_distributed():
        return values
    result: Tensor = _Gathered.apply(values)
    return result


def is_distributed() -> bool:
    """Whether several processes train together."""
    return distributed.is_available() and distributed.is_initialized() and distributed.get_world_size() > 1


def own_rank() -> int:
    """Index of this process among those that train together."""
    return distributed.get_rank() if is_distributed() else 0
