"""Least-squares interpolation from the M points of a short inverse FFT to H points, window by window.

A subband centred on 0 is band-limited: its value anywhere follows from a few neighbouring points, if their rate is a
little above the bandwidth. One matrix product per window costs a fraction of the longer inverse FFT that would give the
same points.

For white noise of bandwidth `b` (a fraction of the rate of the points), two values `d` points apart have the
correlation `sinc(b d)`. With neighbours `p` and a position `t`, the weights of the least expected squared error are

    w = G^-1 c,    G[i, j] = sinc(b (p_i - p_j)),    c[i] = sinc(b (t - p_i))

and the relative squared error is `1 - 2 w c + w G w`.
"""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

POSITIONS_MEASURED = 8
MAX_HALF_TAPS = 16


def half_taps_for(band_share: float, error: float) -> int:
    """Find how many points on either side keep the interpolation error of white noise below a limit.

    Args:
        band_share: Bandwidth as a fraction of the rate of the points.
        error: Largest relative RMS error.

    Returns:
        Number of points on either side, at most `MAX_HALF_TAPS`.
    """
    positions = np.arange(POSITIONS_MEASURED) / POSITIONS_MEASURED
    for half_taps in range(2, MAX_HALF_TAPS):
        if _error(positions, half_taps, band_share) <= error:
            return half_taps
    return MAX_HALF_TAPS


class Windows(NamedTuple):
    """Windows of `size` points of a subband, extended by `half_taps - 1` points before and `half_taps` after.

    The interpolated points of a window are a linear function of its `K = size + 2 * half_taps - 1` points.
    """

    size: int
    half_taps: int

    @property
    def num_points(self) -> int:
        """Number of points that a window reads, K."""
        return self.size + 2 * self.half_taps - 1

    def matrix(self, num_outputs: int, band_share: float) -> NDArray[np.float64]:
        """Make the (K, num_outputs) weights of equally spaced points, the first of which is the window's first point.

        Args:
            num_outputs: Interpolated points per window.
            band_share: Bandwidth as a fraction of the rate of the points.
        """
        positions = np.arange(num_outputs) * self.size / num_outputs
        whole = np.floor(positions + 1e-9).astype(int)
        taps = _taps(positions - whole, self.half_taps, band_share)
        matrix = np.zeros((self.num_points, num_outputs))
        for output, first in enumerate(whole):
            matrix[first : first + 2 * self.half_taps, output] = taps[output]
        return matrix

    def interpolate(self, subbands: Tensor, matrix: Tensor) -> Tensor:
        """Interpolate (..., M) complex, periodic subbands: real and imaginary parts at H points, (2, ..., H)."""
        before, after = self.half_taps - 1, self.half_taps
        # A subband is periodic, so that its end precedes its beginning.
        around = torch.cat([subbands[..., subbands.shape[-1] - before :], subbands, subbands[..., :after]], dim=-1)
        parts = torch.view_as_real(around).movedim(-1, 0)  # (2, ..., before + M + after)
        read = parts.unfold(-1, self.num_points, self.size).reshape(-1, self.num_points)  # (all windows, K)
        return torch.mm(read, matrix).view(2, *subbands.shape[:-1], -1)

    def adjoint(self, parts: Tensor, transposed: Tensor) -> Tensor:
        """Apply the adjoint of `interpolate`: (2, ..., H) -> (..., M) complex.

        Args:
            parts: Real and imaginary parts at H points. Contiguous.
            transposed: Transposed matrix. Columns of zeros after its own are ignored.
        """
        before, after = self.half_taps - 1, self.half_taps
        num_outputs, num_columns = transposed.shape
        read = torch.mm(parts.view(-1, num_outputs), transposed).view(*parts.shape[:-1], -1, num_columns)
        # What a window adds to points outside of it belongs to the windows before and after it.
        inside = read[..., before : before + self.size]
        inside[..., self.size - before :] += read[..., :before].roll(-1, dims=-2)
        inside[..., :after] += read[..., before + self.size : self.num_points].roll(1, dims=-2)
        return torch.complex(inside[0], inside[1]).flatten(-2)


def magnitude(parts: Tensor) -> Tensor:
    """Compute magnitudes from real and imaginary parts: (2, ...) -> (...). Not differentiable.

    On CPUs, `torch.abs` of complex numbers takes four times as long.
    """
    return torch.mul(parts[0], parts[0]).addcmul_(parts[1], parts[1]).sqrt_()


def _taps(fractions: NDArray[np.float64], half_taps: int, band_share: float) -> NDArray[np.float64]:
    """Weights `w = G^-1 c` of the points at `1 - half_taps` to `half_taps`: (positions, 2 * half_taps)."""
    points = np.arange(1 - half_taps, half_taps + 1)
    gram = _correlation(points[:, None] - points, band_share)  # G
    targets = _correlation(fractions[:, None] - points, band_share)  # c, for every position
    # G is nearly singular for narrow bands; the diagonal keeps the weights bounded.
    return np.asarray(np.linalg.solve(gram + 1e-13 * np.eye(len(points)), targets.T).T, dtype=np.float64)


def _correlation(lags: NDArray, band_share: float) -> NDArray[np.float64]:
    """Autocorrelation of white noise of the band, `sinc(b d)`, at lags `d`."""
    result: NDArray[np.float64] = np.sinc(lags * band_share)
    return result


def _error(fractions: NDArray[np.float64], half_taps: int, band_share: float) -> float:
    """Relative RMS error of the interpolation, over positions between two points."""
    points = np.arange(1 - half_taps, half_taps + 1)
    taps = _taps(fractions, half_taps, band_share)
    gram = _correlation(points[:, None] - points, band_share)
    cross = _correlation(fractions[:, None] - points, band_share)
    # 1 - 2 w c + w G w for every position.
    squared = 1 - 2 * (taps * cross).sum(axis=1) + ((taps @ gram) * taps).sum(axis=1)
    return float(np.sqrt(np.maximum(squared, 0).mean()))
