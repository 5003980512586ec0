"""The compressive power law of the cochleagram, with the published rule for its gradient."""

from typing import Any

import torch
from torch import Tensor

POWER = 0.3  # Tuckute, Feather et al. 2023: exponent of the compression
OFFSET = 1e-8  # added before the power, so that the gradient at silence is finite
MAX_DERIVATIVE = 5.0  # bound on the derivative in the backward pass


class _ClippedPower(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, power: float, offset: float, max_derivative: float) -> Tensor:
        base = x.clamp(min=0.0).add_(offset)
        if not ctx.needs_input_grad[0]:
            return _power(base, power, out=base)
        result = _power(base, power, out=torch.empty_like(base))
        ctx.save_for_backward(base, result)
        ctx.power, ctx.offset, ctx.max_derivative = power, offset, max_derivative
        return result

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        base, result = ctx.saved_tensors
        # d/dx base ** p = p * base ** (p - 1) = p * result / base, clipped.
        derivative = (ctx.power * result).div_(base)
        if not ctx.offset:
            derivative.nan_to_num_(nan=torch.inf)  # 0 / 0: the limit is infinite
        derivative.clamp_(max=ctx.max_derivative)
        return derivative.mul_(grads[0]), None, None, None


def _power(base: Tensor, power: float, out: Tensor) -> Tensor:
    """Compute `base ** power` as `2 ** (power * log2(base))`, on CPUs twice as fast as `Tensor.pow`."""
    return torch.log2(base, out=out).mul_(power).exp2_()


def power_compression(
    x: Tensor, *, power: float = POWER, offset: float = OFFSET, max_derivative: float = MAX_DERIVATIVE
) -> Tensor:
    """Compress elementwise: `(max(x, 0) + offset) ** power`.

    The backward pass treats the maximum as the identity and clips the derivative `power * (x + offset) ** (power - 1)`
    to at most `max_derivative`, as the software published with Feather et al. 2023 does.

    Args:
        x: Envelopes of any shape.
        power: Exponent.
        offset: Added after the maximum.
        max_derivative: Bound on the derivative.

    Returns:
        Compressed envelopes of the same shape and type.
    """
    result: Tensor = _ClippedPower.apply(x, power, offset, max_derivative)
    return result
