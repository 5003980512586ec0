"""Orthogonal decompositions of features, which all targets and penalties of a ridge regression share."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Decomposition:
    """Thin singular value decomposition of centred training features, without the constant direction.

    Attributes:
        mean: (D,) mean of the training features.
        basis: (n, r) left singular vectors Q, orthogonal to the constant vector up to rounding.
        singular_values: (r,) in descending order, all above rounding.
        axes: (D, r) right singular vectors.
        outside: (n,) fraction of each stimulus that the features do not span, or None if r = n - 1.
    """

    mean: Tensor
    basis: Tensor
    singular_values: Tensor
    axes: Tensor
    outside: Tensor | None

    @property
    def eigenvalues(self) -> Tensor:
        """Non-zero eigenvalues (r,) of the centred Gram matrix, `l = s^2`."""
        return self.singular_values.square()


def decompose(features: Tensor, smallest_ratio: float | None = None) -> Decomposition:
    """Decompose the features of the training stimuli.

    A reflection that maps the constant vector onto the first axis removes the intercept before the decomposition, so
    that a mean much larger than the deviations costs no accuracy. Singular values below `s_max * max(n, D) * 2.2e-16`
    are rounding errors and dropped: with constant or duplicate columns or any other rank deficiency, the result is
    that of the smallest-norm solution. The matrix is small and decomposed on the CPU.

    Args:
        features: (n, D) float64, finite.
        smallest_ratio: Smallest singular value to keep, relative to the largest; None for those above rounding.

    Returns:
        The decomposition, on the device of `features`.
    """
    device, num_train = features.device, features.shape[0]
    features = features.to("cpu", torch.float64)
    mean = features.mean(dim=0)
    # H X with the reflection H; its first row is the component along the constant vector.
    reflected = _reflect_constant(features - mean)[1:]
    left, singular_values, axes_t = torch.linalg.svd(reflected, full_matrices=False)
    if smallest_ratio is None:
        smallest_ratio = max(features.shape) * torch.finfo(torch.float64).eps
    rank = int((singular_values > smallest_ratio * singular_values.max()).sum())
    basis = _reflect_constant(torch.nn.functional.pad(left[:, :rank], (0, 0, 1, 0)))  # back to stimuli: (n, r)
    outside = None
    if rank < num_train - 1:
        # outside_i = 1 - 1/n - sum_j Q_ij^2. It is 0 for a stimulus that alone drives a feature; its rounding error
        # must not become a divisor.
        outside = 1.0 - 1.0 / num_train - basis.square().sum(dim=1)
        outside[outside < 8 * num_train * torch.finfo(torch.float64).eps] = 0.0
    return Decomposition(
        mean=mean.to(device),
        basis=basis.to(device),
        singular_values=singular_values[:rank].to(device),
        axes=axes_t[:rank].T.to(device),
        outside=None if outside is None else outside.to(device),
    )


def _reflect_constant(values: Tensor) -> Tensor:
    """Householder reflection (its own inverse) that swaps the constant unit vector and the first axis."""
    num = values.shape[0]
    direction = torch.full((num, 1), num**-0.5, dtype=values.dtype)
    direction[0] += 1.0
    direction /= torch.linalg.vector_norm(direction)
    return values - 2.0 * direction @ (direction.T @ values)


def compress(features: np.ndarray, *, device: torch.device | str = "cpu", memory_limit_gib: float = 2.0) -> Tensor:
    """Rotate features into at most S dimensions that preserve the inner products between stimuli.

    With F' = O R the QR decomposition of the centred, transposed features, ridge regression on R' (S, S) gives the
    same predictions as on F (S, D), since a rotation does not change the penalty. QR is backward stable: it keeps small
    singular values that a Gram matrix loses, at a similar cost, and is done once for all splits. It proceeds over
    blocks of columns, each appended to the triangle so far, so that memory does not grow with D.

    Args:
        features: (S, D) floating point, finite.
        device: Device to compute on.
        memory_limit_gib: Working memory in addition to the features, in GiB.

    Returns:
        (S, min(S, D)) float64 on `device`, with mean 0 over stimuli.
    """
    triangle = None
    for part, _ in _centred_blocks(features, device, memory_limit_gib):
        if features.shape[1] <= features.shape[0]:
            return part
        # R of [R_so_far; block'] is R of all columns so far.
        stacked = part.T if triangle is None else torch.cat([triangle, part.T])
        triangle = torch.linalg.qr(stacked, mode="r").R
    assert triangle is not None
    return triangle.T.contiguous()


class Compressed(NamedTuple):
    """Features (S, D) in P = min(S, D) dimensions: `rotated @ directions.T + mean`.

    Attributes:
        rotated: (S, P) result of `compress`.
        directions: (D, P) with orthonormal columns.
        mean: (D,) mean over stimuli.
    """

    rotated: Tensor
    directions: Tensor
    mean: Tensor


def compress_reversibly(
    features: np.ndarray, *, device: torch.device | str = "cpu", memory_limit_gib: float = 2.0
) -> Compressed:
    """Rotate features as `compress` does, to bitwise the same result, and keep the rotation.

    Args:
        features: (S, D) floating point, finite.
        device: Device to compute on.
        memory_limit_gib: Working memory in addition to features and result, in GiB.

    Returns:
        The rotated features, with all that gives the original ones again.
    """
    num_stimuli, num_features = features.shape
    factors: list[Tensor] = []
    means: list[Tensor] = []
    triangle = None
    for part, mean in _centred_blocks(features, device, memory_limit_gib):
        if num_features <= num_stimuli:
            return Compressed(part, torch.eye(num_features, dtype=torch.float64, device=part.device), mean)
        means.append(mean)
        stacked = part.T if triangle is None else torch.cat([triangle, part.T])
        factor, triangle = torch.linalg.qr(stacked, mode="reduced")
        factors.append(factor)
    assert triangle is not None
    # Block k is Q_k R_k, the upper rows of Q_k belong to the blocks before: O_k = Q_k[S:] Q_k+1[:S] ... Q_last[:S].
    directions: list[Tensor] = []
    later = torch.eye(num_stimuli, dtype=torch.float64, device=triangle.device)
    while factors:
        factor = factors.pop()
        own = factor[num_stimuli:] if factors else factor
        directions.insert(0, own @ later)
        later = factor[:num_stimuli] @ later
    return Compressed(triangle.T.contiguous(), torch.cat(directions), torch.cat(means))


def _centred_blocks(
    features: np.ndarray, device: torch.device | str, memory_limit_gib: float
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield blocks of columns (S, columns) in float64 minus their means, and the means; the first has at least S."""
    num_stimuli, num_features = features.shape
    # Three copies of a block are in memory: as float64, centred, and in the QR.
    block = max(num_stimuli, int(memory_limit_gib * 2**30 / (3 * 8 * num_stimuli)) - num_stimuli)
    for start in range(0, num_features, block):
        part = torch.as_tensor(features[:, start : start + block]).to(device, torch.float64)
        mean = part.mean(dim=0)
        yield part - mean, mean
