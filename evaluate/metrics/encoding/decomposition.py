"""Orthogonal decompositions of features, shared by all targets and penalties of a ridge regression."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Decomposition:
    """Thin singular value decomposition of centred training features, free of the constant direction.

    Attributes:
        mean: (D,) mean of the training features.
        basis: (n, r) left singular vectors Q, orthogonal to the constant to rounding.
        singular_values: (r,) in descending order, all above rounding.
        axes: (D, r) right singular vectors.
        outside: (n,) share of each stimulus that lies in no direction of the features, or None if r = n - 1.
    """

    mean: Tensor
    basis: Tensor
    singular_values: Tensor
    axes: Tensor
    outside: Tensor | None

    @property
    def eigenvalues(self) -> Tensor:
        """(r,) non-zero eigenvalues of the centred Gram (and of the covariance) matrix."""
        return self.singular_values.square()


def decompose(features: Tensor) -> Decomposition:
    """Decompose the features of the training stimuli.

    A reflection that maps the constant vector onto the first axis takes the intercept out before the
    decomposition, so that a mean much larger than the deviations costs no accuracy. Singular values below
    `s_max * max(n, D) * 2.2e-16` are rounding and dropped: constant columns, duplicates and other rank deficiency
    have the well-defined limit of the smallest-norm solution. It works on the CPU: the matrix is small.

    Args:
        features: (n, D) float64, finite.

    Returns:
        The decomposition, on the device of `features`.
    """
    device, num_train = features.device, features.shape[0]
    features = features.to("cpu", torch.float64)
    mean = features.mean(dim=0)
    reflected = _reflect_constant(features - mean)[1:]
    left, singular_values, axes_t = torch.linalg.svd(reflected, full_matrices=False)
    smallest = singular_values.max() * max(features.shape) * torch.finfo(torch.float64).eps
    rank = int((singular_values > smallest).sum())
    basis = _reflect_constant(torch.nn.functional.pad(left[:, :rank], (0, 0, 1, 0)))
    outside = None
    if rank < num_train - 1:
        outside = 1.0 - 1.0 / num_train - basis.square().sum(dim=1)
        # A stimulus that alone drives some feature has nothing outside; what rounding leaves must not be divided by.
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
    """Rotate features into at most S dimensions that hold the same inner products between stimuli.

    With F' = O R the QR decomposition of the (demeaned) transposed features, ridge regression on R' (S, S) gives
    the predictions of ridge regression on F (S, D): the penalty does not see a rotation. A backward-stable QR
    keeps small singular values that a Gram matrix loses, costs as little, and is done once for all splits. It is
    taken over blocks of columns, each appended to the triangle so far, so that memory does not grow with D.

    Args:
        features: (S, D) floating point, finite.
        device: Where to compute.
        memory_limit_gib: Working memory beyond the features, in GiB.

    Returns:
        (S, min(S, D)) float64 on `device`, mean 0.
    """
    num_stimuli, num_features = features.shape
    # A block is held three times: as float64, demeaned, and by the QR.
    block = max(num_stimuli, int(memory_limit_gib * 2**30 / (3 * 8 * num_stimuli)) - num_stimuli)
    triangle = None
    for start in range(0, num_features, block):
        part = torch.as_tensor(features[:, start : start + block]).to(device, torch.float64)
        part = part - part.mean(dim=0)
        if num_features <= num_stimuli:
            return part
        stacked = part.T if triangle is None else torch.cat([triangle, part.T])
        triangle = torch.linalg.qr(stacked, mode="r").R
    assert triangle is not None
    return triangle.T.contiguous()
