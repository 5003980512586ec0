"""Pearson correlation over stimuli for many units at once, with a defined result for constant values."""

import torch
from torch import Tensor

# A deviation below this fraction of the values is the rounding error of a constant (float64 has a precision of 2e-16).
_CONSTANT_TOLERANCE = 1e-14

# A prediction whose deviation is below this fraction of the response's counts as constant: its correlation would be
# that of rounding errors.
CONSTANT_PREDICTION = 1e-10


def column_sum(values: Tensor) -> Tensor:
    """Sum over the first axis, as a matrix product: twice as fast as `sum(dim=0)`."""
    ones = torch.ones((1, values.shape[0]), dtype=values.dtype, device=values.device)
    return (ones @ values.flatten(1)).view(values.shape[1:])


def column_norm(values: Tensor) -> Tensor:
    """Euclidean norm over the first axis, ten times as fast as `torch.linalg.vector_norm`."""
    return column_sum(values.square()).sqrt()


def deviation(values: Tensor) -> tuple[Tensor, Tensor]:
    """Deviations (S, ...) of values (S, ...) from their mean over S, and their norm (...), 0 for constant values."""
    mean = column_sum(values) / len(values)
    centred = values - mean
    return centred, varying_norm(centred, mean)


def varying_norm(centred: Tensor, mean: Tensor) -> Tensor:
    """Norm (...) of deviations (S, ...) from a mean (...), 0 if they are rounding errors of a constant."""
    norm = column_norm(centred)
    # Rounding errors of a constant c have a norm of about sqrt(S) * |c| * 2e-16.
    return torch.where(norm > _CONSTANT_TOLERANCE * len(centred) ** 0.5 * mean.abs(), norm, 0.0)


def correlation(dot: Tensor, predicted_norm: Tensor, measured_norm: Tensor) -> Tensor:
    """Pearson correlation (V,) = inner product of deviations / (norm * norm); NaN if one of the two is constant."""
    varies = (measured_norm > 0) & (predicted_norm > 0)
    is_defined = varies & (predicted_norm >= CONSTANT_PREDICTION * measured_norm)
    return torch.where(is_defined, (dot / (predicted_norm * measured_norm)).clamp(-1.0, 1.0), torch.nan)
