"""The cochleagram's compressive power law, with the published rule for its gradient."""

from typing import Any

import torch
from torch import Tensor

POWER = 0.3  # Tuckute, Feather et al. 2023: exponent of the compression
OFFSET = 1e-8  # added before the power, so that silence stays finite
MAX_DERIVATIVE = 5.0  # the derivative is clipped here in the backward pass


class _ClippedPower(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, power: float, offset: float, max_derivative: float) -> Tensor:
        base = x.clamp(min=0.0).add_(offset)
        ctx.save_for_backward(base)
        ctx.power, ctx.max_derivative = power, max_derivative
        return base.pow(power)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        (base,) = ctx.saved_tensors
        derivative = (ctx.power * base.pow(ctx.power - 1)).clamp_(max=ctx.max_derivative)
        return grads[0] * derivative, None, None, None


def compress(
    x: Tensor, *, power: float = POWER, offset: float = OFFSET, max_derivative: float = MAX_DERIVATIVE
) -> Tensor:
    """Power-law compression ``(max(x, 0) + offset) ** power``, elementwise.

    In the backward pass the clamp counts as the identity and the derivative ``power * x ** (power - 1)`` is clipped
    to at most ``max_derivative``, as in the software published with Feather et al. 2023.

    Args:
        x: envelopes, any shape.
        power: exponent.
        offset: added after the clamp.
        max_derivative: largest derivative passed backward.

    Returns:
        Compressed envelopes, same shape and type.
    """
    result: Tensor = _ClippedPower.apply(x, power, offset, max_derivative)
    return result
