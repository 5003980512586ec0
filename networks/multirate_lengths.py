"""How long each band's inverse FFT must be: measured on clicks and noise when a multirate front end is made.

The magnitude of a band is not band-limited (its square is): it has cusps where the band passes near zero, and points
``M / T`` apart alias the cusps' spectrum into the low-pass. Between clicks an envelope is the filter's own impulse
response, with a cusp every ``1 / bandwidth`` seconds: its aliasing is all or nothing, as a harmonic of the bandwidth
does or does not fall near a multiple of the rate, and the compression makes much of the little energy that is there.
So more points are not always better, a rule of so many points per bin is poor, and the lengths are chosen by
measurement.
"""

import functools
import hashlib
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from networks.compression import compress
from networks.envelopes import magnitude
from networks.multirate_low_pass import Blocks

LEVEL_RMS = 0.1  # published level of the sounds (Feather et al. 2019), which the compression's offset refers to
CLICK_PERIODS = (2.5, 4, 5, 10, 20, 25, 50)  # of the calibration's trains, in frames: 80 to 4 Hz at 200 frames a second
SPACING = 1.07  # lengths closer than this are not worth a group of their own
SETTLED = 0.05  # a band is measured no further once its squared error is this part of its equal share
BANDS_AT_ONCE = 16  # bounds the memory of the measurement

Compression = Callable[[Tensor], Tensor]
_CHOSEN: dict[tuple[object, ...], NDArray[np.int64]] = {}  # measuring takes seconds: once in a process


def supports(responses: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First bin and number of bins of each band, from (F, K) responses."""
    nonzero = responses > 0
    lows = nonzero.argmax(axis=1)
    highs = responses.shape[1] - nonzero[:, ::-1].argmax(axis=1)
    return lows, highs - lows


def choose_lengths(
    responses: NDArray[np.float64],
    blocks: Blocks,
    *,
    tolerance: float,
    oversampling: float,
    power: float,
    offset: float,
) -> NDArray[np.int64]:
    """Length of each band's inverse FFT: the fewest points in all with the error asked for.

    Minimises ``sum of lengths + weight * sum of squared errors``, a band at a time, for the smallest weight whose
    total relative L2 error is at most ``tolerance`` on every calibration sound.

    Args:
        responses: (F, K) frequency responses.
        blocks: low-pass of the waveform.
        tolerance: relative L2 error of the compressed cochleagram of the calibration sounds.
        oversampling: least points per bin of a band.
        power: exponent of the compression in which errors are measured.
        offset: added before it.

    Returns:
        (F,) lengths, multiples of ``blocks.count``.
    """
    digest = hashlib.sha256(responses.tobytes()).digest()
    key = (digest, blocks.low_pass, blocks.num_samples, tolerance, oversampling, power, offset)
    if key not in _CHOSEN:
        compression = functools.partial(compress, power=power, offset=offset)
        with torch.inference_mode():
            _CHOSEN[key] = _choose(responses, blocks, tolerance, oversampling, compression)
    return _CHOSEN[key]


def _choose(
    responses: NDArray[np.float64], blocks: Blocks, tolerance: float, oversampling: float, compression: Compression
) -> NDArray[np.int64]:
    allowed = _allowed_lengths(blocks)
    _, widths = supports(responses)
    # More than twice the bins: the square of the magnitude is then free of aliasing.
    least = np.maximum(2 * widths + 2, np.minimum(np.ceil(oversampling * widths), blocks.num_samples))
    shares = _Calibration(responses, blocks, compression).shares(allowed, least, tolerance)
    worst = shares.max(axis=2)
    bands = np.arange(len(widths))
    low, high = -20.0, 60.0  # of the base-2 logarithm of the weight
    for _ in range(40):
        middle = (low + high) / 2
        chosen = (allowed + 2.0**middle * worst).argmin(axis=1)
        total = np.sqrt(shares[bands, chosen].sum(axis=0).max())
        low, high = (low, middle) if total <= tolerance else (middle, high)
    return allowed[(allowed + 2.0**high * worst).argmin(axis=1)]


def _allowed_lengths(blocks: Blocks) -> NDArray[np.int64]:
    """Whole points a block, small prime factors, up to the length of the waveform, and twice it for the widest."""
    chosen: list[int] = []
    for points in range(1, blocks.num_samples // blocks.count):
        if _largest_prime_factor(points) <= 5 and (not chosen or points >= SPACING * chosen[-1]):
            chosen.append(points)
    lengths = [points * blocks.count for points in chosen]
    return np.array([*lengths, blocks.num_samples, 2 * blocks.num_samples])


def _largest_prime_factor(number: int) -> int:
    factor, largest = 2, 1
    while number > 1:
        while number % factor == 0:
            number //= factor
            largest = factor
        factor += 1
    return largest


def _calibration_sounds(num_samples: int, stride: int) -> Tensor:
    """(sounds, T): clicks on and off the frames' grid, alone and in trains, and noise, at the published level."""
    rng = np.random.default_rng(0)
    sounds = np.zeros((len(CLICK_PERIODS) + 3, num_samples))
    for sound, strides in zip(sounds, CLICK_PERIODS, strict=False):
        sound[:: round(strides * stride)] = 1
    sounds[-3, num_samples // 2 // stride * stride + stride // 3] = 1
    sounds[-2, rng.choice(num_samples, 20, replace=False)] = rng.standard_normal(20)
    sounds[-1] = rng.standard_normal(num_samples)
    sounds *= LEVEL_RMS / np.sqrt(np.mean(sounds**2, axis=1, keepdims=True))
    return torch.tensor(sounds, dtype=torch.float32, device="cpu")


class _Calibration:
    """Errors of bands on the calibration sounds, for any length of their inverse FFTs."""

    def __init__(self, responses: NDArray[np.float64], blocks: Blocks, compression: Compression) -> None:
        self.responses, self.blocks, self.compression = responses, blocks, compression
        self.lows, self.widths = supports(responses)
        self.spectrum = torch.fft.rfft(_calibration_sounds(blocks.num_samples, blocks.low_pass.stride))
        self.reference = self._frames(np.arange(len(responses)), blocks.num_samples)
        self.totals = self.reference.square().sum(dim=(1, 2), dtype=torch.float64)  # one a sound

    def shares(self, allowed: NDArray[np.int64], least: NDArray[np.float64], tolerance: float) -> NDArray[np.float64]:
        """Squared errors (F, lengths, sounds) as shares of a sound's total; infinite where a length is too short."""
        num_bands = len(self.responses)
        shares = np.full((num_bands, len(allowed), len(self.spectrum)), np.inf)
        settled = np.zeros(num_bands, dtype=bool)
        for index, length in enumerate(allowed):
            bands = np.flatnonzero((length >= least) & ~settled)
            if len(bands) == 0:
                continue
            if length % self.blocks.num_samples == 0:
                shares[bands, index] = 0.0
            else:
                errors = (self._frames(bands, int(length)) - self.reference[:, bands]).square().sum(dim=2)
                shares[bands, index] = (errors / self.totals[:, None]).T.numpy()
            settled[bands] = shares[bands, index].max(axis=1) <= SETTLED * tolerance**2 / num_bands
        return shares

    def _frames(self, bands: NDArray[np.int64], length: int) -> Tensor:
        """(C, bands, N) compressed frames from inverse FFTs of ``length`` points."""
        weights = torch.tensor(self.blocks.weights(length).T.copy(), dtype=torch.float32, device="cpu")
        parts = []
        for some in np.split(bands, range(BANDS_AT_ONCE, len(bands), BANDS_AT_ONCE)):
            offsets = np.arange(self.widths[some].max())
            bins = np.minimum(self.lows[some, None] + offsets, self.responses.shape[1] - 1)
            inside = offsets < self.widths[some, None]
            responses = np.where(inside, np.take_along_axis(self.responses[some], bins, axis=1), 0.0)
            gains = torch.tensor(responses / self.blocks.num_samples, dtype=torch.float32, device="cpu")
            taken = self.spectrum[:, torch.as_tensor(bins)] * gains
            envelopes = magnitude(torch.fft.ifft(taken, n=length, norm="forward"))
            sums = envelopes.new_zeros(
                self.blocks.frames, *envelopes.shape[:2], self.blocks.count + self.blocks.pieces - 1
            )
            self.blocks.add(envelopes, weights, sums)
            parts.append(self.compression(self.blocks.frames_in_order(sums)))
        return torch.cat(parts, dim=1)
