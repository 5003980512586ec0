"""Leading eigenvectors of a large symmetric matrix, in memory or only known by its products."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

BASIS_SIZE = 10
"""About the largest number of vectors in a basis, for each one wanted; smaller matrices are decomposed completely."""

# Vectors in addition to the wanted ones, from which a basis is restarted.
_NUM_EXTRA = 32
# The first residuals are computed at this size of the basis, for each one wanted: it is rarely enough before.
_FIRST_CHECK = 7
_MAX_RESTARTS = 40
# Residuals relative to the smallest wanted eigenvalue, and their floor relative to the largest (rounding).
_TOLERANCE = 1e-10
_ROUNDING = 1e-14


class Eigenpairs(NamedTuple):
    """The K largest eigenvalues, descending, and their orthonormal eigenvectors."""

    values: Tensor  # (K,)
    vectors: Tensor  # (n, K)


def leading_eigenpairs(matrix: Tensor, num_wanted: int) -> Eigenpairs:
    """Find the largest eigenvalues of a positive semi-definite matrix in memory, and their eigenvectors.

    Args:
        matrix: (n, n) float64.
        num_wanted: Number of eigenvalues; at most n are returned.
    """
    size = len(matrix)
    if matrix.device.type == "cpu" and size > BASIS_SIZE * num_wanted:
        return leading_subspace(matrix.__matmul__, size, num_wanted, matrix.device)
    values, vectors = torch.linalg.eigh(matrix)
    return Eigenpairs(values.flip(0)[:num_wanted], vectors.flip(1)[:, :num_wanted])


def leading_subspace(apply: Callable[[Tensor], Tensor], size: int, num_wanted: int, device: torch.device) -> Eigenpairs:
    """Find the largest eigenvalues of a positive semi-definite matrix A, and their eigenvectors.

    Block Lanczos with full orthogonalisation and restarts (Golub & Underwood 1977): the basis holds b random vectors,
    then A times the last block, orthogonalised, until the residuals `|A v - l v|` of the wanted eigenvectors (within
    the basis) are below 1e-10 of the smallest wanted eigenvalue, or are rounding errors. Narrow blocks need a smaller
    basis, wide ones are multiplied faster: b is half of the wanted number, at first.

    Args:
        apply: Returns A Q (size, b) for Q (size, b), float64.
        size: Number of rows of A.
        num_wanted: Number of eigenvalues; at most `size` are returned.
        device: Where to compute.
    """
    num_wanted = min(num_wanted, size)
    width = min(max(num_wanted // 2, _NUM_EXTRA), size)
    largest_basis = max(BASIS_SIZE * num_wanted, 8 * width)
    bases = torch.empty(size, min(largest_basis + width, size), dtype=torch.float64, device=device)
    # A within the basis, Q' A Q.
    within = torch.empty(bases.shape[1], bases.shape[1], dtype=torch.float64, device=device)
    # The result does not depend on the start; the seed makes its rounding reproducible, too.
    generator = torch.Generator().manual_seed(0)
    latest = torch.linalg.qr(torch.randn(size, width, dtype=torch.float64, generator=generator).to(device)).Q
    for _ in range(_MAX_RESTARTS):
        used, next_check = 0, min(_FIRST_CHECK * num_wanted, size)
        while True:
            added = slice(used, used + latest.shape[1])
            bases[:, added] = latest
            used = added.stop
            basis = bases[:, :used]
            image = apply(latest)
            products = basis.T @ image
            within[:used, added], within[added, :used] = products, products.T
            if used >= next_check:
                values, vectors = _largest(within[:used, :used], num_wanted)
                pairs = Eigenpairs(values, basis @ vectors[:, :num_wanted])
                residual = torch.linalg.vector_norm(apply(pairs.vectors) - pairs.vectors * values, dim=0)
                allowed = max(_TOLERANCE * float(values[-1]), _ROUNDING * float(values[0]))
                if residual.max() <= allowed or used == size:
                    return pairs
                if used >= largest_basis:
                    break
                next_check = min(used + num_wanted, size)
            latest = _orthonormal(image, basis)[:, : size - used]
        latest = torch.linalg.qr(basis @ vectors).Q
    return pairs


def _largest(matrix: Tensor, num_wanted: int) -> tuple[Tensor, Tensor]:
    """The largest eigenvalues, and their eigenvectors and a few more."""
    values, vectors = torch.linalg.eigh(matrix)
    return values[-num_wanted:].flip(0), vectors[:, -(num_wanted + _NUM_EXTRA) :].flip(1)


def _orthonormal(vectors: Tensor, basis: Tensor) -> Tensor:
    """Orthonormalise vectors among each other and against a basis; twice, as once leaves rounding errors."""
    for _ in range(2):
        vectors = torch.linalg.qr(vectors - basis @ (basis.T @ vectors)).Q
    return vectors
