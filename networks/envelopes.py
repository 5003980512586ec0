"""Band envelopes at the frame rate, two ways: by the definition (direct) and from short FFTs (multirate).

Both take waveforms (B, T) and return low-pass filtered, decimated envelopes (B, F, N); compression comes after.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

KAISER_BETA = 5.0  # Tuckute, Feather et al. 2023: window of the low-pass kernel
DIRECT_BANDS_AT_ONCE = 16  # bounds the memory of the direct method: bands whose subbands exist at one time


class LowPass(NamedTuple):
    """The decimating low-pass of the envelopes: ``num_taps`` taps, one frame every ``stride`` samples."""

    num_taps: int
    stride: int
    beta: float = KAISER_BETA

    def taps(self, positions: NDArray[np.floating]) -> NDArray[np.float64]:
        """Kernel at tap positions 0 .. num_taps - 1, fractional ones too (0 outside).

        ``sinc(t / stride) / stride * kaiser``, with ``t = position - num_taps / 2``: the published kernel is off
        centre by half a sample, kept for parity; the window is centred.
        """
        time = positions - self.num_taps / 2
        half = (self.num_taps - 1) / 2
        offset = (positions - half) / half
        inside = np.abs(offset) <= 1 + 1e-12
        window = np.i0(self.beta * np.sqrt(np.clip(1 - offset**2, 0, None))) / np.i0(self.beta)
        return np.where(inside, np.sinc(time / self.stride) / self.stride * window, 0.0)

    def num_frames(self, num_samples: int) -> int:
        """Frames from ``num_samples`` samples, no padding."""
        return (num_samples - self.num_taps) // self.stride + 1


class DirectEnvelopes(nn.Module):
    """Envelopes by the definition: an inverse complex FFT of full length for each band, then a strided correlation.

    Exact, slow and memory hungry: the reference that other methods are compared with.

    Args:
        responses: (F, T / 2 + 1) frequency responses.
        num_samples: samples of the waveform, T.
        low_pass: decimating low-pass.
    """

    def __init__(self, responses: NDArray[np.float64], num_samples: int, low_pass: LowPass) -> None:
        super().__init__()
        self.num_samples, self.stride = num_samples, low_pass.stride
        taps = low_pass.taps(np.arange(low_pass.num_taps, dtype=np.float64))
        self.register_buffer("responses", torch.tensor(responses, dtype=torch.float32), persistent=False)
        self.register_buffer("taps", torch.tensor(taps, dtype=torch.float32)[None, None], persistent=False)

    def forward(self, waveform: Tensor) -> Tensor:
        """(B, T) -> (B, F, N)."""
        spectrum = torch.fft.rfft(waveform)  # (B, T/2 + 1)
        frames = []
        for responses in self.get_buffer("responses").split(DIRECT_BANDS_AT_ONCE):
            # ifft pads the one-sided spectrum with zeros: the negative frequencies of the analytic signal.
            subbands = torch.fft.ifft(spectrum[:, None] * responses, n=self.num_samples)
            envelopes = subbands.abs().flatten(0, 1)[:, None]  # (B * bands, 1, T)
            low_passed = nn.functional.conv1d(envelopes, self.get_buffer("taps"), stride=self.stride)
            frames.append(low_passed.unflatten(0, (len(waveform), len(responses)))[:, :, 0])
        return torch.cat(frames, dim=1)


class MultirateEnvelopes(nn.Module):
    """Envelopes from inverse FFTs just long enough for each band.

    A magnitude does not change when a band is shifted in frequency, and a filter touches few FFT bins. So each
    band's bins, shifted to 0, go through an inverse FFT of ``M`` points, at least ``oversampling`` times the bins;
    the magnitude is the envelope at ``M`` of the ``T`` sample times, and the low-pass is applied to those with its
    kernel read at their positions, scaled by ``T / M``. Bands with the same ``M`` are computed together. The error is
    the aliasing of the magnitude (not band-limited, though its square is) into the low-pass.

    Args:
        responses: (F, T / 2 + 1) frequency responses.
        num_samples: samples of the waveform, T.
        low_pass: decimating low-pass.
        oversampling: points of the inverse FFT per bin of the band, at least 1; accuracy against speed.
    """

    def __init__(
        self, responses: NDArray[np.float64], num_samples: int, low_pass: LowPass, *, oversampling: float
    ) -> None:
        super().__init__()
        self.num_samples = num_samples
        self.num_frames = low_pass.num_frames(num_samples)
        lows, widths = _supports(responses)
        lengths = _fft_lengths(widths, num_samples, low_pass.stride, oversampling)
        groups = sorted(set(lengths.tolist()))
        self.group_lengths = tuple(groups)
        order = []
        for group, length in enumerate(groups):
            bands = np.flatnonzero(lengths == length)
            order.append(bands)
            width = int(widths[bands].max())
            bins = np.minimum(lows[bands, None] + np.arange(width), responses.shape[1] - 1)
            inside = np.arange(width) < widths[bands, None]
            # M / T makes up for the shorter inverse FFT's 1 / M.
            gains = np.where(inside, np.take_along_axis(responses[bands], bins, axis=1), 0.0) * length / num_samples
            self.register_buffer(f"bins_{group}", torch.tensor(bins), persistent=False)
            self.register_buffer(f"gains_{group}", torch.tensor(gains, dtype=torch.float32), persistent=False)
            kernel = _reduced_kernel(low_pass, num_samples, length, self.num_frames)
            self.register_buffer(f"kernel_{group}", torch.tensor(kernel, dtype=torch.float32), persistent=False)
        restore = np.argsort(np.concatenate(order))
        self.register_buffer("restore", torch.tensor(restore), persistent=False)

    def forward(self, waveform: Tensor) -> Tensor:
        """(B, T) -> (B, F, N)."""
        spectrum = torch.fft.rfft(waveform)
        frames = []
        for group, length in enumerate(self.group_lengths):
            bands = spectrum[:, self.get_buffer(f"bins_{group}")] * self.get_buffer(f"gains_{group}")
            envelopes = _magnitude(torch.fft.ifft(bands, n=length))  # (B, bands, M)
            frames.append(_low_pass_reduced(envelopes, self.get_buffer(f"kernel_{group}"), self.num_frames))
        return torch.cat(frames, dim=1)[:, self.get_buffer("restore")]


class _Magnitude(torch.autograd.Function):
    """``abs`` of complex numbers; torch's own takes as long as the FFT before it (four times this one, on a CPU)."""

    @staticmethod
    def forward(ctx: Any, z: Tensor) -> Tensor:
        magnitude = torch.addcmul(z.real * z.real, z.imag, z.imag).sqrt_()
        ctx.save_for_backward(z, magnitude)
        return magnitude

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        z, magnitude = ctx.saved_tensors
        # Where the magnitude is 0 so is z, and with it the gradient, as torch defines it for abs.
        return z * (grads[0] / magnitude.clamp(min=torch.finfo(magnitude.dtype).tiny))


def _magnitude(z: Tensor) -> Tensor:
    result: Tensor = _Magnitude.apply(z)
    return result


def _supports(responses: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First bin and number of bins of each band."""
    nonzero = responses > 0
    lows = nonzero.argmax(axis=1)
    highs = responses.shape[1] - nonzero[:, ::-1].argmax(axis=1)
    return lows, highs - lows


def _fft_lengths(widths: NDArray[np.int64], num_samples: int, stride: int, oversampling: float) -> NDArray[np.int64]:
    """Length of each band's inverse FFT: the shortest allowed one with the asked oversampling, at most T."""
    if oversampling < 1:
        raise ValueError(f"expected oversampling of at least 1 point per bin, got {oversampling}")
    allowed = np.array(_allowed_lengths(num_samples, stride))
    chosen = np.searchsorted(allowed, np.ceil(widths * oversampling).astype(np.int64))
    return allowed[np.minimum(chosen, len(allowed) - 1)]


def _allowed_lengths(num_samples: int, stride: int) -> Sequence[int]:
    """FFT lengths with small prime factors; where T is whole frames, a whole number of points a frame as well."""
    frames, rest = divmod(num_samples, stride)
    unit = frames if rest == 0 else 1
    top = num_samples // unit
    smooth = [m for m in range(1, top) if _largest_prime_factor(m) <= 5]
    # A few lengths serve all bands: each FFT length is one group and costs a handful of kernel calls.
    sparse: list[int] = []
    for m in smooth:
        if not sparse or m >= 1.25 * sparse[-1]:
            sparse.append(m)
    return [m * unit for m in sparse] + [num_samples]


def _largest_prime_factor(number: int) -> int:
    factor, largest = 2, 1
    while number > 1:
        while number % factor == 0:
            number //= factor
            largest = factor
        factor += 1
    return largest


def _reduced_kernel(low_pass: LowPass, num_samples: int, length: int, num_frames: int) -> NDArray[np.float64]:
    """Low-pass at ``length`` sample times, scaled by ``num_samples / length``.

    Where the waveform is whole frames, of ``p`` points each: polyphase taps (p, J), column j for the j-th block of
    p points from the frame's start. Elsewhere: a matrix (length, N) of every point's weight in every frame.
    """
    step = num_samples / length  # samples from one point to the next
    frame_starts = np.arange(num_frames) * low_pass.stride
    if num_samples % low_pass.stride:
        return low_pass.taps(np.arange(length)[:, None] * step - frame_starts) * step
    points = length * low_pass.stride // num_samples
    num_blocks = -(-low_pass.num_taps // low_pass.stride)
    positions = np.arange(points * num_blocks) * step
    return low_pass.taps(positions).reshape(num_blocks, points).T * step


def _low_pass_reduced(envelopes: Tensor, kernel: Tensor, num_frames: int) -> Tensor:
    """(B, F, M) envelopes and the kernel of :func:`_reduced_kernel` -> (B, F, N)."""
    if kernel.shape[0] == envelopes.shape[-1]:
        return envelopes @ kernel
    points, num_blocks = kernel.shape
    partial = envelopes.unflatten(-1, (-1, points)) @ kernel  # (B, F, blocks of the waveform, J)
    result = partial[..., :num_frames, 0]
    for j in range(1, num_blocks):
        result = result + partial[..., j : j + num_frames, j]
    return result
