"""Random numbers that are functions of seed, epoch and position, computed on the device of the examples."""

import torch
from torch import Tensor

# Steele, Lea & Flood 2014 (SplitMix64): increment and multipliers, as signed 64-bit integers.
_INCREMENT = 0x9E3779B97F4A7C15 - 2**64
_MULTIPLIERS = (0xBF58476D1CE4E5B9 - 2**64, 0x94D049BB133111EB - 2**64)
_SHIFTS = (30, 27, 31)


def random_bits(draw: Tensor, num_values: int, *, seed: int) -> Tensor:
    """Draw integers for each example, the same on every device and for any number of processes.

    The numbers are those of SplitMix64 (Steele, Lea & Flood 2014), whose state is mixed from seed, epoch and position.

    Args:
        draw: (B, 2) int64, epoch and position.
        num_values: Numbers per example, P.
        seed: Seed of the run.

    Returns:
        (B, P) int64, uniform over all 64-bit integers.
    """
    state = _mixed(draw[:, 1] + _mixed(draw[:, 0] + _mixed(draw.new_full((1,), _signed(seed)))))  # (B,)
    counters = torch.arange(1, num_values + 1, device=draw.device)
    return _mixed(state[:, None] + counters * _INCREMENT)


def _mixed(values: Tensor) -> Tensor:
    """Mix the bits of (..., ) int64; products overflow on purpose."""
    for shift, multiplier in zip(_SHIFTS, (*_MULTIPLIERS, 1), strict=True):
        # The right shift of signed integers repeats the sign, which the mask removes.
        values = (values ^ ((values >> shift) & (2 ** (64 - shift) - 1))) * multiplier
    return values


def _signed(seed: int) -> int:
    return seed - 2**64 if seed >= 2**63 else seed
