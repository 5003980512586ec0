"""Band envelopes at the frame rate from short inverse FFTs: the direct method's result, many times faster."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from networks.envelopes import LowPass, magnitude
from networks.multirate_lengths import choose_lengths, supports
from networks.multirate_low_pass import Blocks

# Complex points that one step works on. On a CPU, per thread: they stay in its cache, and steps are long beside what
# starting them costs. Elsewhere: launches are what costs, and memory is bounded.
CPU_POINTS_AT_ONCE = 2**17
DEVICE_POINTS_AT_ONCE = 2**22


class MultirateEnvelopes(nn.Module):
    """Envelopes from inverse FFTs just long enough for each band.

    A magnitude does not change when a band is shifted in frequency, and a filter touches few FFT bins. So each
    band's bins, shifted to 0, go through an inverse FFT of ``M`` points; the magnitude is the envelope at ``M`` of
    the ``T`` sample times, and the low-pass is applied to those with its kernel read at their positions. Lengths are
    chosen by measurement (:mod:`networks.multirate_lengths`); bands of one length are computed together.

    Args:
        responses: (F, T / 2 + 1) frequency responses.
        num_samples: samples of the waveform, T.
        low_pass: decimating low-pass.
        tolerance: relative L2 error of the compressed cochleagram of clicks and noise; accuracy against speed.
        oversampling: least points of the inverse FFT per bin of a band.
        power: exponent of the compression, in which errors are measured; it is not applied here.
        offset: added before it.

    Raises:
        ValueError: if the tolerance is not positive or the oversampling below 1.
    """

    def __init__(
        self,
        responses: NDArray[np.float64],
        num_samples: int,
        low_pass: LowPass,
        *,
        tolerance: float,
        oversampling: float,
        power: float,
        offset: float,
    ) -> None:
        super().__init__()
        if tolerance <= 0:
            raise ValueError(f"expected a tolerance (relative L2 error) above 0, got {tolerance}")
        if oversampling < 1:
            raise ValueError(f"expected oversampling of at least 1 point per bin, got {oversampling}")
        self.blocks = Blocks(low_pass, num_samples)
        lengths = choose_lengths(
            responses, self.blocks, tolerance=tolerance, oversampling=oversampling, power=power, offset=offset
        )
        self.groups = _groups(responses, lengths)
        order = np.argsort(lengths, kind="stable")
        self._keep("order", order)
        self._keep("restore", np.argsort(order))
        bins, gains = _bins_and_gains(responses, lengths, self.groups)
        self._keep("bins", bins)
        self._keep("gains", np.stack([gains, gains], axis=1) / num_samples)  # of real and imaginary parts
        self._keep("places", _places(bins, gains, responses.shape[1]))
        for index, group in enumerate(self.groups):
            self._keep(f"weights_{index}", self.blocks.weights(group.length).T.copy())

    @property
    def num_points(self) -> int:
        """Points of all bands' inverse FFTs of one waveform."""
        return sum(group.num_bands * group.length for group in self.groups)

    def forward(self, waveform: Tensor) -> Tensor:
        """(B, T) -> (B, F, N)."""
        result: Tensor = _Multirate.apply(waveform, self)
        return result

    def pieces(self, group: "_Group", num_sounds: int, device: torch.device) -> list[slice]:
        """Sounds whose bands of a group are worked on together."""
        at_once = CPU_POINTS_AT_ONCE * torch.get_num_threads() if device.type == "cpu" else DEVICE_POINTS_AT_ONCE
        size = max(1, at_once // (group.num_bands * group.length))
        return [slice(start, min(start + size, num_sounds)) for start in range(0, num_sounds, size)]

    def _keep(self, name: str, values: NDArray) -> None:
        dtype = torch.float32 if values.dtype == np.float64 else torch.int64
        self.register_buffer(name, torch.tensor(values, dtype=dtype), persistent=False)


class _Group(NamedTuple):
    """Bands with inverse FFTs of one length: where they are among all, ordered by length, and their bins."""

    length: int
    width: int
    first_band: int
    num_bands: int
    first_bin: int

    @property
    def shape(self) -> tuple[int, int]:
        return self.num_bands, self.width

    @property
    def bands(self) -> slice:
        return slice(self.first_band, self.first_band + self.num_bands)

    @property
    def bins(self) -> slice:
        return slice(self.first_bin, self.first_bin + self.num_bands * self.width)


def _groups(responses: NDArray[np.float64], lengths: NDArray[np.int64]) -> tuple[_Group, ...]:
    _, widths = supports(responses)
    groups: list[_Group] = []
    first_band = first_bin = 0
    for length in np.unique(lengths):
        same = lengths == length
        group = _Group(int(length), int(widths[same].max()), first_band, int(same.sum()), first_bin)
        groups.append(group)
        first_band, first_bin = group.bands.stop, group.bins.stop
    return tuple(groups)


def _bins_and_gains(
    responses: NDArray[np.float64], lengths: NDArray[np.int64], groups: tuple[_Group, ...]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Bins of the spectrum that the groups take, in their order, and the filters' gains there (0 is padding)."""
    lows, widths = supports(responses)
    all_bins, all_gains = [], []
    for group in groups:
        bands = np.flatnonzero(lengths == group.length)
        offsets = np.arange(group.width)
        bins = np.minimum(lows[bands, None] + offsets, responses.shape[1] - 1)
        inside = offsets < widths[bands, None]
        all_bins.append(bins.ravel())
        all_gains.append(np.where(inside, np.take_along_axis(responses[bands], bins, axis=1), 0.0).ravel())
    return np.concatenate(all_bins), np.concatenate(all_gains)


def _places(bins: NDArray[np.int64], gains: NDArray[np.float64], num_bins: int) -> NDArray[np.int64]:
    """(overlap, K): for each bin of the spectrum the places that took it, one past the last for none.

    The backward pass sums over places by taking; adding at repeated indices is several times slower.
    """
    places = np.flatnonzero(gains)
    places = places[np.argsort(bins[places], kind="stable")]
    counts = np.bincount(bins[places], minlength=num_bins)
    rank = np.arange(len(places)) - np.repeat(np.cumsum(counts) - counts, counts)
    result = np.full((max(int(counts.max()), 1), num_bins), len(bins))
    result[rank, bins[places]] = places
    return result


class _Multirate(torch.autograd.Function):
    """All of the envelopes in one function: group by group, and within a group a few sounds at a time."""

    @staticmethod
    def forward(ctx: Any, waveform: Tensor, envelopes: MultirateEnvelopes) -> Tensor:
        spectrum = torch.fft.rfft(waveform)
        blocks, order = envelopes.blocks, envelopes.get_buffer("order")
        sums = waveform.new_zeros(blocks.frames, len(order), len(waveform), blocks.count + blocks.pieces - 1)
        keep: list[Tensor] = []
        for index, group in enumerate(envelopes.groups):
            weights = envelopes.get_buffer(f"weights_{index}")
            for sounds, subbands in _subbands(spectrum, envelopes, group):
                envelope = magnitude(subbands)
                blocks.add(envelope, weights, sums[:, group.bands, sounds])
                if ctx.needs_input_grad[0]:
                    # Where the magnitude is 0 so is the subband, and with it the gradient, as torch has it for abs.
                    inverse = envelope.clamp_(min=torch.finfo(envelope.dtype).tiny).reciprocal_()
                    keep += [subbands, inverse]
        ctx.save_for_backward(*keep)
        ctx.envelopes = envelopes
        restored = sums.index_select(1, envelopes.get_buffer("restore"))
        return blocks.frames_in_order(restored.transpose(1, 2))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        envelopes: MultirateEnvelopes = ctx.envelopes
        blocks, num_bins = envelopes.blocks, len(envelopes.get_buffer("bins"))
        grad = grads[0].index_select(1, envelopes.get_buffer("order"))
        sums = blocks.frames_by_block(grad.transpose(0, 1))
        taken = torch.zeros(grad.shape[0], num_bins + 1, dtype=grad.dtype.to_complex(), device=grad.device)
        saved = iter(ctx.saved_tensors)
        for index, group in enumerate(envelopes.groups):
            weights = envelopes.get_buffer(f"weights_{index}")
            target = taken[:, group.bins].unflatten(1, group.shape).transpose(0, 1)
            for sounds in envelopes.pieces(group, len(grad), grad.device):
                subbands, inverse = next(saved), next(saved)
                envelope = blocks.adjoint(sums[:, group.bands, sounds], weights)
                target[:, sounds] = torch.fft.fft(subbands * envelope.mul_(inverse))[..., : group.width]
        torch.view_as_real(taken[:, :num_bins]).mul_(envelopes.get_buffer("gains"))
        return _waveform_gradient(taken, envelopes), None


def _subbands(spectrum: Tensor, envelopes: MultirateEnvelopes, group: _Group) -> Iterator[tuple[slice, Tensor]]:
    """Analytic signals of a group's bands, shifted to 0 (bands, b, M), of b sounds at a time, from (B, K) spectra."""
    bins = envelopes.get_buffer("bins")[group.bins]
    gains = envelopes.get_buffer("gains")[group.bins].unflatten(0, group.shape)[:, None]
    padded = spectrum.new_zeros(group.num_bands, 0, group.length)
    for sounds in envelopes.pieces(group, len(spectrum), spectrum.device):
        num_sounds = sounds.stop - sounds.start
        if padded.shape[1] != num_sounds:
            padded = spectrum.new_zeros(group.num_bands, num_sounds, group.length)
            inside = torch.view_as_real(padded)[:, :, : group.width]
        taken = torch.view_as_real(_take(spectrum[sounds], bins)).unflatten(1, group.shape)
        torch.mul(taken.transpose(0, 1), gains, out=inside)
        yield sounds, torch.fft.ifft(padded, norm="forward")


def _waveform_gradient(taken: Tensor, envelopes: MultirateEnvelopes) -> Tensor:
    """Gradient for the waveforms, (B, T), from that for the bins that the groups took, with a 0 after the last."""
    num_samples, places = envelopes.blocks.num_samples, envelopes.get_buffer("places")
    spectrum = torch.stack([_take(row[None], places.flatten()).view(places.shape).sum(dim=0) for row in taken])
    # The adjoint of rfft: bins but the first and (of an even length) the last appear twice in irfft, here once.
    spectrum[:, 1 : (num_samples + 1) // 2] *= 0.5
    return torch.fft.irfft(spectrum, n=num_samples, norm="forward")


def _take(values: Tensor, index: Tensor) -> Tensor:
    """(B, K) complex values at ``index`` (n) -> (B, n); single-precision ones travel as one word of 8 bytes each."""
    index = index.expand(len(values), -1)
    if values.dtype == torch.complex64:
        return values.view(torch.float64).gather(1, index).view(torch.complex64)
    return values.gather(1, index)
