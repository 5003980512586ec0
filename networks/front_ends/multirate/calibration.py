"""Which bands are computed together and at how many points each, measured on clicks, taps and noise.

The magnitude of a band is not band-limited, although its square is. It has cusps where the band passes near zero, and
sampling it at H points aliases their spectrum into the low-pass. Between clicks, an envelope is the impulse response of
the filter, with a cusp every `1 / bandwidth` seconds. Its aliasing is all or nothing: it depends on whether a harmonic
of the bandwidth falls near a multiple of the sampling rate, and the compression amplifies the little energy there. So
more points are not always better, a fixed number of points per bin works poorly, and H is chosen by measurement.
"""

import functools
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from networks.front_ends.compression import power_compression
from networks.front_ends.multirate.band_groups import BandGroup, bins_and_gains, supports
from networks.front_ends.multirate.fused_tables import POINTS_TOGETHER
from networks.front_ends.multirate.interpolation import Windows, half_taps_for, magnitude
from networks.front_ends.multirate.low_pass import Blocks

LEVEL_RMS = 0.1  # published level of the sounds (Feather et al. 2019), to which the offset of the compression refers
# Periods of the trains of clicks in frames: 80 to 4 Hz at 200 frames per second.
CLICK_PERIODS = (2.5, 3.1, 4, 5, 7.3, 10, 13.7, 20, 25, 37.9, 50)
CLICK_PLACES = (0, 1 / 3, 1 / 2)  # positions of the single clicks after a frame, in frames
# Decay times of the taps (bursts of decaying noise) in frames: 0.1 to 3.2 ms at 200 frames per second.
TAP_DECAYS = (0.02, 0.04, 0.08, 0.16, 0.32, 0.64)
SOUNDS_PER_TAP_DECAY, TAPS_PER_SOUND = 2, 8
INTERPOLATION_SHARE = 0.1  # error of the interpolation on noise, in tolerances; between clicks it is far larger
RATE_OVER_BANDWIDTH = 1.75  # minimum length of an inverse FFT per bin of its band
LARGEST_WINDOW = 20  # points of a window of the interpolation; larger ones multiply by more zeros
MOST_POINTS = 64  # interpolated points per point
LENGTH_SPACING = 1.05  # minimum ratio of consecutive lengths of inverse FFTs
POINTS_SPACING = 1.03  # minimum ratio of consecutive numbers of points that are measured
BANDS_MEASURED_TOGETHER = 12  # at most: bands of very different widths need very different numbers of points
POINTS_OF_A_GROUP = 20_000  # about, per sound: more groups cost overhead, but each band has its own best number
# Costs of a point of an envelope. The unit is one multiply-add of the interpolation, which needs one per point of the
# window for each of the real and imaginary parts.
COST_OF_MAGNITUDE_AND_LOW_PASS = 20.0
COST_OF_DIRECT_FFT = 150.0
SETTLED = 0.05  # stop measuring a group when its squared error is this fraction of its equal share

Compression = Callable[[Tensor], Tensor]


def measure_groups(
    responses: NDArray[np.float64],
    blocks: Blocks,
    *,
    tolerance: float,
    oversampling: float,
    power: float,
    offset: float,
) -> tuple[BandGroup, ...]:
    """Find the groups of bands with the lowest total cost that keep the error within the tolerance.

    For a weight `w`, each group minimises `sum of costs + w * sum of squared errors` by itself. The result is that of
    the smallest `w` for which the total relative L2 error is at most `tolerance` on every calibration sound.

    Args:
        responses: (F, K) frequency responses.
        blocks: Low-pass of the waveform.
        tolerance: Relative L2 error of the compressed cochleagram of the calibration sounds.
        oversampling: Minimum number of points per bin of a band.
        power: Exponent of the compression with which errors are measured.
        offset: Added before that compression.

    Returns:
        The groups.
    """
    compression = functools.partial(power_compression, power=power, offset=offset)
    with torch.inference_mode():
        return _measure(responses, blocks, tolerance, oversampling, compression)


def _measure(
    responses: NDArray[np.float64], blocks: Blocks, tolerance: float, oversampling: float, compression: Compression
) -> tuple[BandGroup, ...]:
    most_half_taps = half_taps_for(1 / RATE_OVER_BANDWIDTH, INTERPOLATION_SHARE * tolerance)
    calibration = _Calibration(responses, blocks, compression)
    measured = [
        calibration.measure(bands, length, oversampling, tolerance)
        for bands, length in _cut(responses, blocks, most_half_taps)
    ]
    low, high = -20.0, 60.0  # of log2(w); the error falls as w grows, hence the bisection
    for _ in range(40):
        middle = (low + high) / 2
        total = sum(each.squared_errors(each.choose(2.0**middle)) for each in measured)
        low, high = (low, middle) if np.sqrt(np.max(total)) <= tolerance else (middle, high)
    return tuple(group for each in measured for group in each.groups(each.choose(2.0**high)))


class _Measured(NamedTuple):
    """Bands with inverse FFTs of one length, at several numbers of points, the last of which has no error.

    Attributes:
        bands: Indices of the bands.
        length: Length of the inverse FFTs, M.
        windows: Windows of the interpolation for each number of points; None if H = T.
        num_points: Numbers of points, H.
        errors: (numbers of points, bands, sounds) squared errors, as fractions of the squared norm of each sound.
    """

    bands: NDArray[np.int64]
    length: int
    windows: tuple[Windows | None, ...]
    num_points: NDArray[np.int64]
    errors: NDArray[np.float64]

    def choose(self, weight: float) -> NDArray[np.int64]:
        """Choose the number of points of each band: few different ones, with the least total of cost and error.

        Args:
            weight: Weight of the squared errors, `w`.

        Returns:
            (bands,) indices into `num_points`.
        """
        work = [COST_OF_DIRECT_FFT if windows is None else 2.0 * windows.num_points for windows in self.windows]
        costs = self.num_points * (np.array(work) + COST_OF_MAGNITUDE_AND_LOW_PASS)
        totals = costs[:, None] + weight * self.errors.max(axis=2)
        # Greedy: allow one more number of points at a time, each the one that lowers the total of all bands most.
        allowed = np.zeros(len(costs), dtype=bool)
        best = np.full(len(self.bands), np.inf)
        free = self.num_points[totals.argmin(axis=0)].sum()
        for _ in range(max(1, round(free / POINTS_OF_A_GROUP))):
            allowed[np.minimum(totals, best).sum(axis=1).argmin()] = True
            best = totals[allowed].min(axis=0)
        chosen: NDArray[np.int64] = np.where(allowed[:, None], totals, np.inf).argmin(axis=0)
        return chosen

    def squared_errors(self, chosen: NDArray[np.int64]) -> NDArray[np.float64]:
        """Sum the squared errors over the bands: (sounds,)."""
        result: NDArray[np.float64] = self.errors[chosen, np.arange(len(self.bands))].sum(axis=0)
        return result

    def groups(self, chosen: NDArray[np.int64]) -> Iterator[BandGroup]:
        """Group the bands by their chosen numbers of points."""
        for index in np.unique(chosen):
            bands = tuple(int(band) for band in self.bands[chosen == index])
            windows, num_points = self.windows[index], int(self.num_points[index])
            yield BandGroup(bands, num_points if windows is None else self.length, num_points, windows)


def _cut(responses: NDArray[np.float64], blocks: Blocks, half_taps: int) -> Iterator[tuple[NDArray[np.int64], int]]:
    """Group bands of similar width, with the length of their inverse FFTs."""
    _, widths = supports(responses)
    lengths = np.array([*_allowed_lengths(blocks, half_taps), blocks.num_samples])
    places = np.minimum(np.searchsorted(lengths, RATE_OVER_BANDWIDTH * widths), len(lengths) - 1)
    for place in np.unique(places):
        same = np.flatnonzero(places == place)
        same = same[np.argsort(widths[same], kind="stable")]
        for bands in np.array_split(same, -(-len(same) // BANDS_MEASURED_TOGETHER)):
            yield bands, int(lengths[place])


def _window_sizes(length: int, half_taps: int) -> list[int]:
    """Sizes of windows that divide `length` points into whole windows."""
    return [size for size in range(half_taps, LARGEST_WINDOW + 1) if length % size == 0]


def _allowed_lengths(blocks: Blocks, half_taps: int) -> Iterator[int]:
    """Lengths with small prime factors, whole windows and a whole number of points per stride, below T."""
    last = 0.0
    for points in range(1, blocks.num_samples // blocks.grid):
        length = points * blocks.grid
        is_apart = points >= LENGTH_SPACING * last
        if is_apart and _largest_prime_factor(points) <= 5 and _window_sizes(length, half_taps):
            yield length
            last = points


def _allowed_points(length: int, half_taps: int, grid: int) -> list[tuple[int, Windows]]:
    """Numbers of points that are multiples of `grid`, with their windows.

    A window gives a multiple of `POINTS_TOGETHER` points, which the compiled code processes together. Matrix products
    benefit too: one more column would take a third longer.
    """
    found: dict[int, Windows] = {}
    for size in _window_sizes(length, half_taps):
        for outputs in range(POINTS_TOGETHER, MOST_POINTS * size, POINTS_TOGETHER):
            num_points = outputs * length // size
            if num_points % grid == 0:
                found.setdefault(num_points, Windows(size, half_taps))  # the smallest window is the cheapest
    return sorted(found.items())


def _largest_prime_factor(number: int) -> int:
    factor, largest = 2, 1
    while number > 1:
        while number % factor == 0:
            number //= factor
            largest = factor
        factor += 1
    return largest


def _calibration_sounds(num_samples: int, stride: int) -> Tensor:
    """Make the calibration sounds at the published level, (sounds, T): clicks, trains of clicks, noise and taps."""
    rng = np.random.default_rng(0)
    sounds = np.zeros((len(CLICK_PERIODS) + len(CLICK_PLACES) + 2, num_samples))
    for sound, strides in zip(sounds, CLICK_PERIODS, strict=False):
        sound[:: round(strides * stride)] = 1
    for sound, place in zip(sounds[len(CLICK_PERIODS) :], CLICK_PLACES, strict=False):
        sound[num_samples // 2 // stride * stride + int(place * stride)] = 1
    sounds[-2, rng.choice(num_samples, 20, replace=False)] = rng.standard_normal(20)
    sounds[-1] = rng.standard_normal(num_samples)
    taps = [_taps(rng, num_samples, decay * stride) for decay in TAP_DECAYS for _ in range(SOUNDS_PER_TAP_DECAY)]
    sounds = np.concatenate([sounds, taps])
    sounds *= LEVEL_RMS / np.sqrt(np.mean(sounds**2, axis=1, keepdims=True))
    return torch.tensor(sounds, dtype=torch.float32, device="cpu")


def _taps(rng: np.random.Generator, num_samples: int, decay: float) -> NDArray[np.float64]:
    """Make bursts of noise at random times that decay to 1/e in `decay` samples, (T,)."""
    taps = np.zeros(num_samples)
    for start in rng.choice(num_samples, TAPS_PER_SOUND, replace=False):
        after = np.arange(num_samples - start)
        taps[start:] += rng.lognormal(sigma=0.5) * rng.standard_normal(len(after)) * np.exp(-after / decay)
    return taps


class _Calibration:
    """Errors of groups of bands on the calibration sounds, for any number of points."""

    def __init__(self, responses: NDArray[np.float64], blocks: Blocks, compression: Compression) -> None:
        self.responses, self.blocks, self.compression = responses, blocks, compression
        _, self.widths = supports(responses)
        self.spectrum = torch.fft.rfft(_calibration_sounds(blocks.num_samples, blocks.low_pass.stride))
        self.direct = [self._frames(self._direct((band,))) for band in range(len(responses))]  # (C, 1, N) each
        self.totals = torch.cat(self.direct, dim=1).square().sum(dim=(1, 2), dtype=torch.float64)  # (C,)

    def measure(self, bands: NDArray[np.int64], length: int, oversampling: float, tolerance: float) -> _Measured:
        """Measure the errors of bands at increasing numbers of points until they are small."""
        num_samples = self.blocks.num_samples
        widest = int(self.widths[bands].max())
        # There are few lengths, so that some bands use less of their rate. They need fewer taps.
        half_taps = half_taps_for(widest / length, INTERPOLATION_SHARE * tolerance)
        settled = SETTLED * tolerance**2 / len(self.responses)
        # With more than twice as many points as bins, the square of the magnitude is free of aliasing.
        least = max(2 * widest + 2, min(int(np.ceil(oversampling * widest)), num_samples))
        measured: list[tuple[int, Windows | None]] = []
        errors = []
        if length < num_samples:
            reference = torch.cat([self.direct[band] for band in bands], dim=1)
            subbands = self._subbands(tuple(bands), length)
            last = 0.0
            for num_points, windows in _allowed_points(length, half_taps, self.blocks.grid):
                if num_points < max(least, POINTS_SPACING * last) or num_points >= num_samples:
                    continue
                matrix = windows.matrix(num_points * windows.size // length, widest / length)
                parts = windows.interpolate(subbands, torch.tensor(matrix, dtype=torch.float32, device="cpu"))
                squares = (self._frames(magnitude(parts)) - reference).square().sum(dim=2)
                measured.append((num_points, windows))
                errors.append((squares / self.totals[:, None]).T.numpy())
                if errors[-1].max() <= settled:
                    break
                last = num_points
        measured.append((num_samples, None))
        errors.append(np.zeros((len(bands), len(self.spectrum))))
        points, windows_of = zip(*measured, strict=True)
        return _Measured(bands, length, windows_of, np.array(points), np.stack(errors))

    def _direct(self, bands: tuple[int, ...]) -> Tensor:
        return magnitude(torch.view_as_real(self._subbands(bands, self.blocks.num_samples)).movedim(-1, 0))

    def _subbands(self, bands: tuple[int, ...], length: int) -> Tensor:
        """Compute the subbands of the calibration sounds, (C, bands, M)."""
        bins, gains = bins_and_gains(self.responses, bands, length)
        weights = torch.tensor(gains / self.blocks.num_samples, dtype=torch.float32, device="cpu")
        return torch.fft.ifft(self.spectrum[:, torch.as_tensor(bins)] * weights, norm="forward")

    def _frames(self, envelopes: Tensor) -> Tensor:
        """Low-pass and compress envelopes: (C, bands, H) -> (C, bands, N)."""
        blocks = self.blocks
        weights = torch.tensor(blocks.weights(envelopes.shape[-1]).T.copy(), dtype=torch.float32, device="cpu")
        sums = blocks.sums(envelopes, tuple(envelopes.shape[:2]))
        blocks.put(envelopes, weights, sums)
        return self.compression(blocks.frames_in_order(sums))
