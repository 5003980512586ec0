r"""Principal components of a stage in time bins, for the training sounds of one split after another.

With the weights B (bins, frames) of a stage's frames in the bins inside the sound, the rows of a sound's bins are B Z.
If a stage has fewer frames than there are bins, these rows repeat themselves: with an orthonormal basis Q of the
columns of B, `Q' B Z` has fewer rows, and the same singular values and right singular vectors. The mean over bins has
the weights c = Q' 1 there, and centring is the projection that removes c.

All inner products of these rows are computed once for all splits, if they fit into memory. With the eigenvectors U and
eigenvalues l of those of a split's centred rows X, all sounds have the scores `Y X' U / sqrt(l)`, which are products of
inner products, too. But these square the singular values and lose half of the digits of small ones. So if the last of
the components is small, or if inner products do not fit into memory, the components come from the rows projected onto
the subspace of U.
"""

from collections.abc import Iterator
from functools import partial

import numpy as np
import torch
from torch import Tensor

from evaluate.benchmarks.time_bins import TimeBins
from evaluate.metrics.temporal.inner_products import InnerProducts, bytes_of_products
from evaluate.metrics.temporal.leading_subspace import BASIS_SIZE, Eigenpairs, leading_eigenpairs, leading_subspace

SMALLEST_RATIO = 1e-6
"""Components with a smaller singular value, relative to the largest, are left out."""

# Inner products have relative errors of about 1e-15: with eigenvalues down to this fraction of the largest, scores are
# accurate to 1e-9.
_ACCURATE_RATIO = 1e-6
# Up to this many features per component, all components are computed.
_ALL_COMPONENTS = 4
# Sounds, or features of all sounds, converted to float64 at a time, in bytes.
_BLOCK_BYTES = 2**26


class SoundComponents:
    """A stage's features in time bins, and their principal components over training sounds.

    Args:
        features: (S, D, N) features of S sounds in N frames.
        bins: Time bins.
        duration_s: Length of the sounds in seconds.
        max_components: Maximum number of components.
        device: Device to compute on, in float64.
        memory_limit_gib: Working memory to use for inner products and features in float64, in GiB.

    Attributes:
        inside: (T,) bins inside the sound.
        num_bytes: Memory that is held.
        bytes_per_split: Working memory of `project`.

    Raises:
        ValueError: No bin is inside the sound.
    """

    def __init__(
        self,
        features: np.ndarray,
        bins: TimeBins,
        duration_s: float,
        *,
        max_components: int,
        device: torch.device,
        memory_limit_gib: float,
    ) -> None:
        weights = bins.weights(features.shape[2], duration_s)
        self.inside: np.ndarray = np.asarray(weights.sum(axis=1) > 0)
        if not self.inside.any():
            raise ValueError(
                f"no time bin is inside the sound: bins cover {bins.edges_s[0]:g} to {bins.edges_s[-1]:g} s, the sound "
                f"0 to {duration_s:g} s"
            )
        basis = _column_basis(weights[self.inside])
        self._inside = torch.as_tensor(np.flatnonzero(self.inside), device=device)
        self._basis = torch.as_tensor(basis, device=device)  # Q (bins, rows)
        self._from_frames = torch.as_tensor(basis.T @ weights[self.inside], device=device)  # Q' B (rows, frames)
        self._constant = self._basis.sum(dim=0)  # c (rows,)
        self._features, self._device, self._max_components = features, device, max_components
        num_sounds, num_features = features.shape[:2]
        self._num_rows = len(self._constant)
        self._uses_all = num_features <= _ALL_COMPONENTS * max_components
        limit = int(memory_limit_gib * 2**30)
        size = 8 * num_sounds * self._num_rows * num_features
        num_all_rows = num_sounds * self._num_rows
        size_products = bytes_of_products(num_all_rows)
        # About half of the sounds are training sounds, whose inner products are copied.
        size_of_train = 8 * (num_all_rows // 2) ** 2
        self._kept: Tensor | None = None
        self._products: InnerProducts | None = None
        self.num_bytes = 0
        if not self._uses_all and size_products + size_of_train <= limit:
            # The rows themselves are seldom needed any more.
            self._products = InnerProducts(self._centred_parts(), num_all_rows, device)
            self.num_bytes = size_products
        elif size <= limit / 3:
            kept = torch.empty(num_sounds, self._num_rows, num_features, dtype=torch.float64, device=device)
            for block, rows in self._blocks(range(num_sounds)):
                kept[block[0] : block[-1] + 1] = rows
            self._kept, self.num_bytes = kept, size
        # A basis of the training rows, and its image.
        size_of_bases = 2 * 8 * (num_all_rows // 2) * BASIS_SIZE * max_components
        self.bytes_per_split = size_of_bases + (size_of_train if self._products is not None else 0)

    def project(self, train: np.ndarray) -> Tensor:
        """Compute the components of the training sounds, and project all sounds onto them.

        Args:
            train: (n,) indices of the training sounds.

        Returns:
            (S, T, K) scores of all sounds and bins; 0 outside the sound.
        """
        if self._uses_all:
            return self._project_rows(train, None)
        if self._products is None:
            mean = self._mean(train)
            apply = partial(self._product, train, mean)
            pairs = leading_subspace(apply, len(train) * self._num_rows, self._max_components, self._device)
            return self._project_rows(train, pairs.vectors)
        pairs = leading_eigenpairs(self._train_products(train), self._max_components)
        if pairs.values[-1] > _ACCURATE_RATIO * pairs.values[0]:
            return self._project_products(train, pairs)
        return self._project_rows(train, pairs.vectors)

    def _project_rows(self, train: np.ndarray, subspace: Tensor | None) -> Tensor:
        """Components within a subspace (training rows, K) of left singular vectors, from the rows."""
        mean = self._mean(train)
        axes = self._axes(train, mean, subspace)
        scores = self._no_scores(axes.shape[1])
        for sounds, rows in self._blocks(range(len(scores))):
            scores[sounds[0] : sounds[-1] + 1, self._inside] = self._basis @ ((rows - self._offset(mean)) @ axes)
        return scores

    def _project_products(self, train: np.ndarray, pairs: Eigenpairs) -> Tensor:
        """Components of the eigenvectors of the training rows' inner products."""
        assert self._products is not None
        vectors, places = pairs.vectors / pairs.values.sqrt(), self._places(train)
        scores = self._no_scores(vectors.shape[1])
        by_sound = self._products.times(places, vectors).unflatten(0, (len(scores), self._num_rows))
        # The scores of the mean over the training sounds' bins, in every bin.
        mean = torch.tensordot(self._constant, by_sound[torch.as_tensor(train, device=self._device)].mean(dim=0), 1)
        mean /= int(self.inside.sum())
        scores[:, self._inside] = self._basis @ (by_sound - self._constant[:, None] * mean)
        return scores

    def _no_scores(self, num_components: int) -> Tensor:
        shape = len(self._features), len(self.inside), num_components
        return torch.zeros(shape, dtype=torch.float64, device=self._device)

    def _places(self, sounds: np.ndarray) -> Tensor:
        """Places of the rows of sounds among the rows of all."""
        first = torch.as_tensor(sounds, device=self._device)[:, None] * self._num_rows
        return (first + torch.arange(self._num_rows, device=self._device)).flatten()

    def _blocks(self, sounds: range | np.ndarray) -> Iterator[tuple[np.ndarray, Tensor]]:
        """Yield sounds and their rows Q' B Z (s, rows, D), a few sounds at a time."""
        num_features, num_frames = self._features.shape[1:]
        step = max(1, _BLOCK_BYTES // (8 * num_features * max(num_frames, self._num_rows)))
        for first in range(0, len(sounds), step):
            block = np.asarray(sounds[first : first + step])
            if self._kept is not None:
                yield block, self._kept[torch.as_tensor(block, device=self._device)]
            else:
                frames = torch.as_tensor(self._features[block]).to(self._device, torch.float64)  # (s, D, N)
                yield block, self._from_frames @ frames.transpose(1, 2)

    def _mean(self, train: np.ndarray) -> Tensor:
        """Mean (D,) over the training sounds' bins inside the sound."""
        total = torch.zeros(self._features.shape[1], dtype=torch.float64, device=self._device)
        for _, rows in self._blocks(train):
            total += self._constant @ rows.sum(dim=0)
        return total / (len(train) * int(self.inside.sum()))

    def _offset(self, mean: Tensor) -> Tensor:
        """Rows (rows, D) of a sound that equals the mean in every bin: c mean'."""
        return self._constant[:, None] * mean

    def _axes(self, train: np.ndarray, mean: Tensor, subspace: Tensor | None) -> Tensor:
        """Right singular vectors (D, K) of the training sounds' centred rows."""
        num_features = self._features.shape[1]
        start: Tensor | None = None
        if subspace is not None:
            start = torch.linalg.qr(self._transposed_product(train, mean, subspace)).Q  # (D, K)
        # R of the QR decomposition of the rows, projected onto the subspace, has their singular values.
        triangle = torch.empty(0, num_features if start is None else start.shape[1]).to(mean)
        for _, rows in self._blocks(train):
            centred = (rows - self._offset(mean)).flatten(0, 1)
            part = centred if start is None else centred @ start
            triangle = torch.linalg.qr(torch.cat([triangle, part]), mode="r").R
        _, singular_values, axes_t = torch.linalg.svd(triangle, full_matrices=False)
        num = int((singular_values[: self._max_components] > SMALLEST_RATIO * singular_values[0]).sum())
        axes = axes_t[:num].T
        return axes if start is None else start @ axes

    def _centred_parts(self) -> Iterator[Tensor]:
        """Yield all sounds' rows minus their mean (S rows, d), a few features at a time."""
        num_sounds, num_features, num_frames = self._features.shape
        step = max(1, _BLOCK_BYTES // (8 * num_sounds * max(num_frames, self._num_rows)))
        for first in range(0, num_features, step):
            frames = torch.from_numpy(self._features[:, first : first + step].astype(np.float64)).to(self._device)
            rows = self._from_frames @ frames.transpose(1, 2)
            # A mean much larger than the deviations would cost digits.
            mean = self._constant @ rows.sum(dim=0) / (num_sounds * int(self.inside.sum()))
            rows -= self._offset(mean)
            yield rows.flatten(0, 1)

    def _train_products(self, train: np.ndarray) -> Tensor:
        """Inner products of the training sounds' centred rows."""
        assert self._products is not None
        products = self._products.among(self._places(train))
        # Centring removes the direction of c from both sides.
        direction = self._constant.repeat(len(train))
        direction /= torch.linalg.vector_norm(direction)
        products.addr_(direction, direction @ products, alpha=-1)
        return products.addr_(products @ direction, direction, alpha=-1)

    def _product(self, train: np.ndarray, mean: Tensor, vectors: Tensor) -> Tensor:
        """Compute X X' Q (rows, b) with the centred rows X of the training sounds."""
        across = self._transposed_product(train, mean, vectors)
        return torch.cat([(rows - self._offset(mean)).flatten(0, 1) @ across for _, rows in self._blocks(train)])

    def _transposed_product(self, train: np.ndarray, mean: Tensor, vectors: Tensor) -> Tensor:
        """Compute X' Q (D, b) with the centred rows X of the training sounds."""
        total = torch.zeros(self._features.shape[1], vectors.shape[1], dtype=torch.float64, device=self._device)
        first = 0
        for _, rows in self._blocks(train):
            centred = (rows - self._offset(mean)).flatten(0, 1)
            total += centred.T @ vectors[first : first + len(centred)]
            first += len(centred)
        return total


def _column_basis(weights: np.ndarray) -> np.ndarray:
    """Orthonormal basis (bins, rows) of the columns of weights (bins, frames)."""
    left, singular_values, _ = np.linalg.svd(weights, full_matrices=False)
    rank = int((singular_values > 1e-10 * singular_values[0]).sum())
    # If it spans all bins, the rows can be the bins themselves.
    return np.eye(len(weights)) if rank == len(weights) else left[:, :rank]
