"""The multirate envelopes: the choice of code, the tables it needs, and the method with PyTorch's operators."""

from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor
from torch.autograd.function import once_differentiable

from networks.front_ends.direct import MAGNITUDE_FLOOR, LowPass
from networks.front_ends.multirate import device
from networks.front_ends.multirate import fused as compiled
from networks.front_ends.multirate.band_groups import BandGroup, bins_and_gains, rfft_adjoint, supports
from networks.front_ends.multirate.chosen import choose_groups
from networks.front_ends.multirate.faster import Way, is_faster
from networks.front_ends.multirate.fused_tables import fused_numbers, fused_table_names, fused_tables
from networks.front_ends.multirate.interpolation import magnitude
from networks.front_ends.multirate.low_pass import Blocks

# Points of the largest group of bands over all sounds that are processed together. On CPUs, per thread: few enough to
# stay in the caches, and enough to outweigh the overhead of each operator. On other devices, the number of launches
# should be small, and memory bounded.
CPU_POINTS_AT_ONCE = 2**19
DEVICE_POINTS_AT_ONCE = 2**24
# On CPUs, a matrix product with a multiple of 8 columns takes half the time of one with one column less.
COLUMNS_AT_ONCE = 8


class MultirateEnvelopes(nn.Module):
    """Envelopes from short inverse FFTs, one just longer than each band, and interpolated points.

    A filter has few non-zero FFT bins, and shifting a band in frequency does not change its magnitude. For each band:

        z = ifft(gains * spectrum[bins], M)        # (M,) complex: the subband, centred on 0
        y = interpolate(z, H)                      # (H,) complex: enough points for the cusps of the magnitude
        frame[n] = sum_h step * kernel(h * step - n * stride) * max(|y[h]|, 1e-8)      # step = T / H samples

    M is slightly larger than the number of bins. H is chosen by measurement, see
    `networks.front_ends.multirate.calibration`. Bands of similar width are computed together.

    Args:
        responses: (F, T / 2 + 1) frequency responses.
        num_samples: Samples of a waveform, T.
        low_pass: The decimating low-pass.
        tolerance: Relative L2 error of the compressed cochleagram on the calibration sounds.
        oversampling: Minimum number of points of a band's envelope per bin of the band.
        power: Exponent of the compression with which errors are measured. It is not applied here.
        offset: Added before that compression.
        fused: Whether float32 waveforms run through our own code (`fused` on CPUs, `device` on GPUs). None: if it is
            faster on this machine.

    Raises:
        ValueError: If the tolerance is not positive or the oversampling below 1.
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
        fused: bool | None = None,
    ) -> None:
        super().__init__()
        if tolerance <= 0:
            raise ValueError(f"expected a tolerance (relative L2 error) above 0, got {tolerance}")
        if oversampling < 1:
            raise ValueError(f"expected oversampling of at least 1 point per bin, got {oversampling}")
        self.fused = fused
        self.blocks = Blocks(low_pass, num_samples)
        self.groups = choose_groups(
            responses, self.blocks, tolerance=tolerance, oversampling=oversampling, power=power, offset=offset
        )
        order = np.concatenate([group.bands for group in self.groups])
        self._keep("order", order)
        self._keep("restore", np.argsort(order))
        taken = [bins_and_gains(responses, group.bands, group.length) for group in self.groups]
        bins, gains = (np.concatenate([each[part].ravel() for each in taken]) for part in (0, 1))
        self._keep("bins", bins)
        self._keep("gains", np.stack([gains, gains], axis=1) / num_samples)  # for real and imaginary parts
        self._keep("places", _places(bins, gains, responses.shape[1]))
        lows, widths = supports(responses)
        self._keep("lows", lows[order])
        self._keep("widths", widths[order])
        for index, group in enumerate(self.groups):
            weights = self.blocks.weights(group.num_points)
            self._keep(f"weights_{index}", weights.T.copy())
            matrix = group.matrix(int(widths[list(group.bands)].max()))
            if matrix is not None:
                self._keep(f"matrix_{index}", matrix)
                padding = -len(matrix) % COLUMNS_AT_ONCE
                self._keep(f"transposed_{index}", np.pad(matrix.T, ((0, 0), (0, padding))))
            if fused is not False:
                for name, table in fused_tables(group, self.blocks, matrix).items():
                    self._keep(f"{name}_{index}", table)
        self.stacks = device.stacks(self.groups, self.blocks)
        self.has_kernels = fused is not False and device.fits_kernels(self.blocks)
        if self.has_kernels:
            matrices = [group.matrix(int(widths[list(group.bands)].max())) for group in self.groups]
            for name, table in device.kernel_tables(self.groups, self.blocks, matrices).items():
                self._keep(name, table)

    @property
    def num_points(self) -> int:
        """Number of points of all envelopes of one waveform."""
        return sum(len(group.bands) * group.num_points for group in self.groups)

    def forward(self, waveform: Tensor) -> Tensor:
        """(B, T) -> (B, F, N)."""
        if self.fused is False:
            return self._tensors(waveform)
        if compiled.can_run_compiled(waveform) and self._wanted(self._compiled, waveform, compiled.library_path().name):
            return self._compiled(waveform)
        if self.has_kernels and device.can_run_kernels(waveform):
            # Nothing can be timed on a fake device. Tests use one to count kernels and memory traffic.
            is_pretend = isinstance(waveform, FakeTensor)
            if is_pretend or self._wanted(self._on_device, waveform, device.identity(waveform.device)):
                return self._on_device(waveform)
        return self._tensors(waveform)

    def _wanted(self, own: Way, waveform: Tensor, identity: str) -> bool:
        setting = f"{identity} {self.groups} {self.blocks.low_pass} {self.blocks.num_samples}"
        return bool(self.fused) or is_faster(own, self._tensors, waveform, identity=setting)

    def _compiled(self, waveform: Tensor) -> Tensor:
        shape = (len(self.get_buffer("order")), self.blocks.num_frames)
        groups = [self._arguments(index, part) for index, part in enumerate(self.parts())]
        return compiled.envelopes(waveform, groups, shape)

    def _on_device(self, waveform: Tensor) -> Tensor:
        result: Tensor = device.OnDevice.apply(waveform, self)
        return result

    def _tensors(self, waveform: Tensor) -> Tensor:
        result: Tensor = _Multirate.apply(waveform, self)
        return result

    def chunks(self, on: torch.device, num_sounds: int) -> list[slice]:
        """Split a batch into sounds that are processed together."""
        at_once = CPU_POINTS_AT_ONCE * torch.get_num_threads() if on.type == "cpu" else DEVICE_POINTS_AT_ONCE
        size = max(1, at_once // max(len(group.bands) * group.num_points for group in self.groups))
        return [slice(start, min(start + size, num_sounds)) for start in range(0, num_sounds, size)]

    def parts(self) -> "list[_Part]":
        """Return the groups with their buffers, on whatever device the module is."""
        bins, gains = self.get_buffer("bins"), self.get_buffer("gains")
        parts = []
        first_band = first_bin = 0
        for index, group in enumerate(self.groups):
            of_bands = slice(first_band, first_band + len(group.bands))
            of_bins = slice(first_bin, first_bin + len(group.bands) * group.length)
            first_band, first_bin = of_bands.stop, of_bins.stop
            weights = self.get_buffer(f"weights_{index}")
            matrix, transposed = (
                self.get_buffer(f"{name}_{index}") if group.windows else None for name in ("matrix", "transposed")
            )
            parts.append(_Part(group, of_bands, of_bins, bins[of_bins], gains[of_bins], weights, matrix, transposed))
        return parts

    def _arguments(self, index: int, part: "_Part") -> compiled.GroupArguments:
        order, lows, widths = (self.get_buffer(name)[part.of_bands] for name in ("order", "lows", "widths"))
        of_group = [self.get_buffer(f"{name}_{index}") for name in fused_table_names(part.group)]
        numbers = [len(order), *fused_numbers(part.group, self.blocks)]
        return compiled.GroupArguments([order, lows, widths, part.gains, *of_group], numbers)

    def order_of(self, stack: device.Stack) -> Tensor:
        """Return the indices of a stack's bands."""
        return self.get_buffer("order")[stack.bands]

    def bin_tables(self, stack: device.Stack) -> tuple[Tensor, Tensor, Tensor]:
        """Return first bins, numbers of bins and gains of a stack's bands."""
        lows, widths = (self.get_buffer(name)[stack.bands] for name in ("lows", "widths"))
        return lows, widths, self.get_buffer("gains")[stack.bins]

    def point_tables(self, stack: device.Stack) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return the tables that turn subbands into frames; see `device.kernel_tables`."""
        taps, firsts, weights = (self.get_buffer(name) for name in ("taps", "firsts", "weights"))
        return self.get_buffer("phases")[stack.bands], taps, firsts, weights

    def gradient_tables(self, stack: device.Stack) -> tuple[Tensor, Tensor]:
        """Return where the interpolated points of a stack's bands begin, and their number per stride."""
        return self.get_buffer("starts")[stack.bands], self.get_buffer("counts")[stack.bands]

    def adjoint_tables(self, stack: device.Stack) -> tuple[Tensor, ...]:
        """Return the tables that turn gradients of interpolated points into gradients of subbands."""
        names = ("adjoint_rows", "adjoint_taps", "adjoint_firsts", "nums_adjoint_taps")
        rows, taps, firsts, nums_taps = (self.get_buffer(name) for name in names)
        return (rows[stack.bands], taps, firsts, nums_taps[stack.bands], *self.gradient_tables(stack))

    def _keep(self, name: str, values: NDArray) -> None:
        dtype = torch.float32 if values.dtype == np.float64 else torch.int64
        self.register_buffer(name, torch.tensor(values, dtype=dtype), persistent=False)


class _Part(NamedTuple):
    """A group of bands with its buffers.

    Attributes:
        group: The group.
        of_bands: Its bands among those of all groups.
        of_bins: Its bins among those of all groups.
        bins: (bands * M,) bins of the spectrum.
        gains: (bands * M, 2) gains of real and imaginary parts.
        weights: (pieces * frames, points) weights of the low-pass.
        matrix: (K, outputs) matrix of the interpolation; None if H = M.
        transposed: Its transpose, padded with columns of zeros.
    """

    group: BandGroup
    of_bands: slice
    of_bins: slice
    bins: Tensor
    gains: Tensor
    weights: Tensor
    matrix: Tensor | None
    transposed: Tensor | None

    def subbands(self, spectrum: Tensor) -> Tensor:
        """(B, T // 2 + 1) spectra -> (B, bands, M) analytic signals of the bands, centred on 0."""
        taken = _take(spectrum, self.bins)
        torch.view_as_real(taken).mul_(self.gains)
        return torch.fft.ifft(taken.unflatten(1, (-1, self.group.length)), norm="forward")

    def more_points(self, subbands: Tensor) -> Tensor:
        """(B, bands, M) complex -> (2, B, bands, H) real and imaginary parts."""
        if self.group.windows is None or self.matrix is None:
            return torch.view_as_real(subbands).movedim(-1, 0).contiguous()
        return self.group.windows.interpolate(subbands, self.matrix)

    def fewer_points(self, parts: Tensor) -> Tensor:
        """Apply the adjoint of `more_points`: (2, B, bands, H) -> (B, bands, M) complex."""
        if self.group.windows is None or self.transposed is None:
            return torch.complex(parts[0], parts[1])
        return self.group.windows.adjoint(parts, self.transposed)


def _places(bins: NDArray[np.int64], gains: NDArray[np.float64], num_bins: int) -> NDArray[np.int64]:
    """Find the places in `bins` that take each bin of the spectrum: (overlap, num_bins).

    Missing places are `len(bins)`, the index of a 0. With them, the backward pass gathers and sums, which is several
    times faster than adding at repeated indices.
    """
    places = np.flatnonzero(gains)
    places = places[np.argsort(bins[places], kind="stable")]
    counts = np.bincount(bins[places], minlength=num_bins)
    rank = np.arange(len(places)) - np.repeat(np.cumsum(counts) - counts, counts)
    result = np.full((max(int(counts.max()), 1), num_bins), len(bins))
    result[rank, bins[places]] = places
    return result


class _Multirate(torch.autograd.Function):
    """All envelopes in one function, a few sounds at a time and group by group."""

    @staticmethod
    def forward(ctx: Any, waveform: Tensor, envelopes: MultirateEnvelopes) -> Tensor:
        blocks, parts, restore = envelopes.blocks, envelopes.parts(), envelopes.get_buffer("restore")
        saved: list[Tensor] = []
        frames = []
        for sounds in envelopes.chunks(waveform.device, len(waveform)):
            spectrum = torch.fft.rfft(waveform[sounds])
            sums = blocks.sums(spectrum.real, (len(spectrum), len(restore)))
            for part in parts:
                subbands = part.subbands(spectrum)
                if ctx.needs_input_grad[0]:
                    saved.append(subbands)  # the interpolated points are four times as many and are computed again
                blocks.put(
                    magnitude(part.more_points(subbands)).clamp_(min=MAGNITUDE_FLOOR),
                    part.weights,
                    sums[:, :, :, part.of_bands],
                )
            frames.append(blocks.frames_in_order(sums)[:, restore])
        ctx.save_for_backward(*saved)
        ctx.envelopes = envelopes
        return torch.cat(frames)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        envelopes: MultirateEnvelopes = ctx.envelopes
        blocks, parts, order = envelopes.blocks, envelopes.parts(), envelopes.get_buffer("order")
        num_bins = len(envelopes.get_buffer("bins"))
        saved = iter(ctx.saved_tensors)
        results = []
        for sounds in envelopes.chunks(grads[0].device, len(grads[0])):
            # The adjoint of each step of `forward`, in reverse.
            sums = blocks.frames_by_block(grads[0][sounds, order])
            taken = torch.zeros(sums.shape[2], num_bins + 1, dtype=sums.dtype.to_complex(), device=sums.device)
            for part in parts:
                envelope = blocks.adjoint(sums[:, :, :, part.of_bands], part.weights)
                values = part.more_points(next(saved))
                magnitudes = magnitude(values)
                # d|y| / dy = y / |y| above the floor and 0 below it.
                scale = torch.where(magnitudes > MAGNITUDE_FLOOR, envelope.div_(magnitudes), 0.0)
                subbands = part.fewer_points(values.mul_(scale))
                taken[:, part.of_bins] = torch.fft.fft(subbands).flatten(1)
            torch.view_as_real(taken[:, :num_bins]).mul_(envelopes.get_buffer("gains"))
            results.append(_waveform_gradient(taken, envelopes))
        return torch.cat(results), None


def _waveform_gradient(taken: Tensor, envelopes: MultirateEnvelopes) -> Tensor:
    """(B, all bins + 1) gradients of the bins that the groups took, the last one 0 -> (B, T)."""
    num_samples, places = envelopes.blocks.num_samples, envelopes.get_buffer("places")
    spectrum = torch.stack([_take(row[None], places.flatten()).view(places.shape).sum(dim=0) for row in taken])
    return rfft_adjoint(spectrum, num_samples)


def _take(values: Tensor, index: Tensor) -> Tensor:
    """Take complex values (B, K) at `index` (n,) -> (B, n). complex64 is moved as words of 8 bytes, which is faster."""
    index = index.expand(len(values), -1)
    if values.dtype == torch.complex64:
        return values.view(torch.float64).gather(1, index).view(torch.complex64)
    return values.gather(1, index)
