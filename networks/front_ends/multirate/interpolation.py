"""From the points of a short inverse FFT to more points: a least-squares interpolation, window by window.

A subband shifted to be centred on 0 is band-limited, so a few points of a little more than its bandwidth tell it
everywhere. One matrix product a window costs a fraction of the longer inverse FFT that would give the same points.
"""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

POSITIONS_MEASURED = 8
MAX_HALF_TAPS = 16


def half_taps_for(band_share: float, error: float) -> int:
    """Points on either side that an interpolation needs for a relative RMS error of white noise of the band.

    Args:
        band_share: Width of the band as a part of the rate of the points.
        error: Relative RMS error asked for.
    """
    positions = np.arange(POSITIONS_MEASURED) / POSITIONS_MEASURED
    for half_taps in range(2, MAX_HALF_TAPS):
        if _error(positions, half_taps, band_share) <= error:
            return half_taps
    return MAX_HALF_TAPS


class Windows(NamedTuple):
    """How subbands are cut into windows of `size` points, with `half_taps - 1` more before and `half_taps` after.

    `K = size + 2 * half_taps - 1` points of a window give the points that an interpolation puts into it.
    """

    size: int
    half_taps: int

    @property
    def num_points(self) -> int:
        """Points that a window reads, K."""
        return self.size + 2 * self.half_taps - 1

    def matrix(self, num_outputs: int, band_share: float) -> NDArray[np.float64]:
        """(K, num_outputs) weights that make equally spaced points, the first on the first of the window.

        They are those of the least squared error over a band as wide as `band_share` times the rate of the points.
        """
        positions = np.arange(num_outputs) * self.size / num_outputs
        whole = np.floor(positions + 1e-9).astype(int)
        taps = _taps(positions - whole, self.half_taps, band_share)
        matrix = np.zeros((self.num_points, num_outputs))
        for output, first in enumerate(whole):
            matrix[first : first + 2 * self.half_taps, output] = taps[output]
        return matrix

    def interpolate(self, subbands: Tensor, matrix: Tensor) -> Tensor:
        """(..., M) complex, periodic -> real and imaginary parts at more points, (2, ..., H)."""
        before, after = self.half_taps - 1, self.half_taps
        around = torch.cat([subbands[..., subbands.shape[-1] - before :], subbands, subbands[..., :after]], dim=-1)
        parts = torch.view_as_real(around).movedim(-1, 0)
        read = parts.unfold(-1, self.num_points, self.size).reshape(-1, self.num_points)
        return torch.mm(read, matrix).view(2, *subbands.shape[:-1], -1)

    def adjoint(self, parts: Tensor, transposed: Tensor) -> Tensor:
        """(2, ..., H) -> (..., M) complex, the adjoint of `interpolate`.

        Args:
            parts: Real and imaginary parts at H points, contiguous.
            transposed: The matrix transposed, with any number of columns of 0 after its own.
        """
        before, after = self.half_taps - 1, self.half_taps
        num_outputs, num_columns = transposed.shape
        read = torch.mm(parts.view(-1, num_outputs), transposed).view(*parts.shape[:-1], -1, num_columns)
        inside = read[..., before : before + self.size]
        inside[..., self.size - before :] += read[..., :before].roll(-1, dims=-2)
        inside[..., :after] += read[..., before + self.size : self.num_points].roll(1, dims=-2)
        return torch.complex(inside[0], inside[1]).flatten(-2)


def magnitude(parts: Tensor) -> Tensor:
    """(2, ...) real and imaginary parts -> (...), without a gradient of its own.

    On a CPU torch's own, of complex numbers, takes four times as long.
    """
    return torch.mul(parts[0], parts[0]).addcmul_(parts[1], parts[1]).sqrt_()


def _taps(fractions: NDArray[np.float64], half_taps: int, band_share: float) -> NDArray[np.float64]:
    """(positions, 2 * half_taps): weights of the points at `1 - half_taps` .. `half_taps`."""
    points = np.arange(1 - half_taps, half_taps + 1)
    gram = _correlation(points[:, None] - points, band_share)
    targets = _correlation(fractions[:, None] - points, band_share)
    return np.asarray(np.linalg.solve(gram + 1e-13 * np.eye(len(points)), targets.T).T, dtype=np.float64)


def _correlation(lags: NDArray, band_share: float) -> NDArray[np.float64]:
    """Correlation of white noise of that band with itself, `lags` points later."""
    result: NDArray[np.float64] = np.sinc(lags * band_share)
    return result


def _error(fractions: NDArray[np.float64], half_taps: int, band_share: float) -> float:
    points = np.arange(1 - half_taps, half_taps + 1)
    taps = _taps(fractions, half_taps, band_share)
    gram = _correlation(points[:, None] - points, band_share)
    cross = _correlation(fractions[:, None] - points, band_share)
    squared = 1 - 2 * (taps * cross).sum(axis=1) + ((taps @ gram) * taps).sum(axis=1)
    return float(np.sqrt(np.maximum(squared, 0).mean()))
