"""Groups of bands that are computed together: their numbers of points, and the bins of the spectrum that they take."""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from networks.front_ends.multirate.interpolation import Windows


class BandGroup(NamedTuple):
    """Bands that are computed together.

    Attributes:
        bands: Indices of the bands.
        length: Length of their inverse FFTs, M.
        num_points: Number of points of their envelopes, H.
        windows: How H points are interpolated from M points; None if H = M.
    """

    bands: tuple[int, ...]
    length: int
    num_points: int
    windows: Windows | None

    def matrix(self, widest: int) -> NDArray[np.float64] | None:
        """Make the matrix of the interpolation, given the number of bins of the widest band."""
        if self.windows is None:
            return None
        return self.windows.matrix(self.num_points * self.windows.size // self.length, widest / self.length)


def supports(responses: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Find the first bin and the number of bins of each band in (F, K) responses."""
    nonzero = responses > 0
    lows = nonzero.argmax(axis=1)
    highs = responses.shape[1] - nonzero[:, ::-1].argmax(axis=1)
    return lows, highs - lows


def bins_and_gains(
    responses: NDArray[np.float64], bands: tuple[int, ...], length: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Find the bins and gains that inverse FFTs of M points take from the spectrum, centred on 0: (bands, M) each.

    The magnitude of a band does not change when the band is shifted in frequency. So bin `low + width // 2` of the
    spectrum goes to frequency 0, the bins above it to positive frequencies, and those below it to negative ones.
    """
    chosen = list(bands)
    lows, widths = (values[chosen, None] for values in supports(responses))
    # Point m of an FFT has frequency m - M for m >= M / 2; `offsets` are the distances from the band's first bin.
    offsets = (np.arange(length) + length // 2) % length - length // 2 + widths // 2
    inside = (offsets >= 0) & (offsets < widths)
    bins = np.where(inside, lows + offsets, 0)
    return bins, np.where(inside, np.take_along_axis(responses[chosen], bins, axis=1), 0.0)


def rfft_adjoint(spectrum: Tensor, num_samples: int) -> Tensor:
    """(B, K) -> (B, T): the adjoint of `torch.fft.rfft`. Overwrites its argument."""
    # <rfft(x), s> = <x, y> with y[t] = Re sum_k s[k] exp(2 pi i k t / T) over K = T // 2 + 1 bins. irfft also adds the
    # conjugate bins, so that all bins but the first and, for even T, the last count twice: hence the factor 0.5.
    spectrum[:, 1 : (num_samples + 1) // 2] *= 0.5
    return torch.fft.irfft(spectrum, n=num_samples, norm="forward")
