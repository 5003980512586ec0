"""Solutions of `(A + a I) X = B` for one symmetric matrix A and many penalties a."""

import torch
from torch import Tensor

# Width of the blocks: wide enough for fast products, narrow enough that a penalty costs little.
_BLOCK = 48


class ShiftedSystems:
    """Systems with the matrices `A + a I`, reduced once.

    With orthogonal Q, `A = Q T Q'`, where T is block tridiagonal. Q is a product of block Householder reflections
    `I - V U V'` (Dongarra, Sorensen & Hammarling 1989), each of which clears a block column, and `T + a I` has a block
    Cholesky factorisation that takes little time for each a. This is exact, as eigenvectors of A are, in a third of
    their time.

    A penalty that is too small for A to be solved in float64 is replaced by the smallest one that is not.

    Args:
        matrix: (p, p) positive semi-definite, float64; overwritten with the reflections, and kept.
        penalties: (A,) in descending order, positive.
    """

    def __init__(self, matrix: Tensor, penalties: Tensor) -> None:
        self._penalties = penalties
        self._diagonal, self._below, self._reflections = _reduce(matrix)

    def rotate(self, values: Tensor) -> Tensor:
        """Compute Q' B for B (p, M)."""
        values = values.clone()
        for start, vectors, middle in self._reflections:
            part = values[start:]
            part.addmm_(vectors, middle.T @ (vectors.T @ part), alpha=-1)
        return values

    def rotate_back(self, values: Tensor) -> Tensor:
        """Compute Q B for B (p, M)."""
        values = values.clone()
        for start, vectors, middle in reversed(self._reflections):
            part = values[start:]
            part.addmm_(vectors, middle @ (vectors.T @ part), alpha=-1)
        return values

    def solve(self, rotated: Tensor) -> Tensor:
        """Solve for every penalty: Q' X (A, p, M), of Q' B (p, M)."""
        if not len(rotated):
            return rotated.expand(len(self._penalties), *rotated.shape)
        factors, coupling = self._factors()
        blocks = rotated.split(_BLOCK)
        found: list[Tensor] = []
        for place, block in enumerate(blocks):
            values = block - coupling[place - 1].mT @ found[-1] if place else block
            found.append(_triangular(factors[place], values, upper=False))
        for place in reversed(range(len(found))):
            values = found[place]
            if place + 1 < len(found):
                values = values - coupling[place] @ found[place + 1]
            found[place] = _triangular(factors[place].mT, values, upper=True)
        return torch.cat(found, dim=1)

    def _factors(self) -> tuple[list[Tensor], list[Tensor]]:
        """Block Cholesky factors, which are much larger than the blocks they come from and quickly made."""
        while True:
            factors, coupling, failed = _factorised(self._diagonal, self._below, self._penalties)
            if not failed.any() or failed[0]:
                return factors, coupling
            self._penalties = torch.where(failed, self._penalties.roll(1), self._penalties)


def _reduce(matrix: Tensor) -> tuple[list[Tensor], list[Tensor], list[tuple[int, Tensor, Tensor]]]:
    """Reduce a matrix to blocks on and below the diagonal, in place: only its lower half is right at the end.

    Returns:
        Copies of the blocks on the diagonal and of those below it; and reflections `I - V U V'` of the rows from
        `start` on: start, V, which is where the matrix was, and U.
    """
    starts = range(_BLOCK, len(matrix), _BLOCK)
    below, reflections = [], []
    for start in starts:
        column = matrix[start:, start - _BLOCK : start]
        packed, scales = torch.geqrf(column)
        below.append(packed[:_BLOCK].triu())
        vectors = column[:, : len(scales)]  # all but in the last column, which may have fewer rows
        vectors.copy_(packed[:, : len(scales)].tril(-1))
        vectors.diagonal().fill_(1.0)
        # A scale of 0 is no reflection.
        is_reflection = scales != 0
        vectors *= is_reflection
        inverse = (vectors.T @ vectors).triu(1)
        inverse.diagonal().copy_(torch.where(is_reflection, 1.0 / scales, 1.0))
        middle = torch.linalg.inv(inverse)
        rest = matrix[start:, start:]
        product = rest @ (vectors @ middle)
        product -= vectors @ (0.5 * (middle.T @ (vectors.T @ product)))
        rest.addmm_(torch.cat([vectors, product], dim=1), torch.cat([product, vectors], dim=1).T, alpha=-1)
        reflections.append((start, vectors, middle))
    diagonal = [matrix[at : at + _BLOCK, at : at + _BLOCK].clone() for at in range(0, len(matrix), _BLOCK)]
    return diagonal, below, reflections


def _factorised(
    diagonal: list[Tensor], below: list[Tensor], penalties: Tensor
) -> tuple[list[Tensor], list[Tensor], Tensor]:
    """Block Cholesky factors (A, b, b) on the diagonal and next to it, and which penalties (A,) were too small."""
    factors: list[Tensor] = []
    coupling: list[Tensor] = []
    failed = torch.zeros(len(penalties), dtype=torch.bool, device=penalties.device)
    for place, block in enumerate(diagonal):
        shifted = block + torch.diag_embed(penalties[:, None].expand(-1, len(block)))
        if place:
            shifted -= coupling[-1].mT @ coupling[-1]
        factor, info = torch.linalg.cholesky_ex(shifted)
        failed |= info > 0
        factors.append(factor)
        if place < len(below):
            coupling.append(_triangular(factor, below[place].T, upper=False))
    return factors, coupling, failed


def _triangular(factors: Tensor, values: Tensor, *, upper: bool) -> Tensor:
    """Solve triangular systems (A, b, b) for values (A, b, M) or (b, M)."""
    return torch.linalg.solve_triangular(factors, values.expand(len(factors), *values.shape[-2:]), upper=upper)
