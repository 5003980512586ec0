"""The multirate envelopes on GPUs: a few kernels over the whole batch, with little memory traffic.

All bands whose inverse FFTs have the same length are computed together, whatever their numbers of points. One kernel
takes their bins, one batched FFT makes their subbands, and one kernel interpolates, takes magnitudes and applies the
low-pass, so that the many interpolated points never leave the registers. The backward pass has one more kernel and
writes the gradient of the interpolated points once. The kernels are written in Triton, which is installed with torch
for GPUs.
"""

import hashlib
import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.autograd.function import once_differentiable

from networks.front_ends.multirate.band_groups import BandGroup, rfft_adjoint
from networks.front_ends.multirate.low_pass import Blocks

if TYPE_CHECKING:
    from networks.front_ends.multirate.envelopes import MultirateEnvelopes

PHASES_TOGETHER = 8  # phases that a program processes at a time; tables are padded to a multiple of it
PERIODS_OF_A_PROGRAM = 64  # more make the share of the lead smaller, fewer need fewer registers
POINTS_OF_A_PROGRAM = 256


def fits_kernels(blocks: Blocks) -> bool:
    """Check that the waveform is a whole number of strides, and of enough strides, for the kernels."""
    return blocks.grid >= 2 * PHASES_TOGETHER


def can_run_kernels(waveform: Tensor) -> bool:
    """Check for float32 waveforms on a CUDA device, and for Triton."""
    is_on_device = waveform.device.type == "cuda" and waveform.dtype == torch.float32
    return is_on_device and importlib.util.find_spec("triton") is not None


def identity(device: torch.device) -> str:
    """Name what the speed of the kernels depends on: device, torch and source."""
    files = [Path(__file__), Path(__file__).with_name("triton_kernels.py")]
    source = hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
    return f"{torch.cuda.get_device_name(device)} {torch.__version__} {source}"


class Stack(NamedTuple):
    """Bands with inverse FFTs of one length.

    Attributes:
        length: Length of the FFTs, M.
        bands: Its bands among those of all groups.
        bins: Its bins among those of all groups.
        num_phases: Interpolated points of all its bands per stride: the sum of H / P over its bands.
    """

    length: int
    bands: slice
    bins: slice
    num_phases: int


def stacks(groups: Sequence[BandGroup], blocks: Blocks) -> list[Stack]:
    """Combine groups whose FFTs have the same length. Such groups follow each other."""
    result: list[Stack] = []
    for group in groups:
        band, bin_ = (result[-1].bands.stop, result[-1].bins.stop) if result else (0, 0)
        bands, bins = slice(band, band + len(group.bands)), slice(bin_, bin_ + len(group.bands) * group.length)
        num_phases = len(group.bands) * (group.num_points // blocks.grid)
        if result and result[-1].length == group.length:
            last = result.pop()
            bands, bins = slice(last.bands.start, bands.stop), slice(last.bins.start, bins.stop)
            num_phases += last.num_phases
        result.append(Stack(group.length, bands, bins, num_phases))
    return result


def kernel_tables(
    groups: Sequence[BandGroup], blocks: Blocks, matrices: Sequence[NDArray[np.float64] | None]
) -> dict[str, NDArray]:
    """Make the tables that the kernels look up.

    Args:
        groups: All groups of bands.
        blocks: Low-pass of the waveform.
        matrices: Matrix of each group's interpolation; None if it has none.

    Returns:
        Tables by name.

        - One row per phase of a period, group after group: `firsts`, the first point that the interpolation reads;
          `taps`; `weights` in the frame of the period and in those before it.
        - One row per point of a period, group after group: `adjoint_firsts` and `adjoint_taps`.
        - One row per band: `phases`, where its phases begin and end; `counts`, their number without padding; `starts`,
          the number of phases of the bands before it in its stack; `adjoint_rows`, where its rows of `adjoint_taps`
          begin; `nums_adjoint_taps`, the number of taps in these rows.
    """
    of_groups = [_group_tables(group, blocks, matrix) for group, matrix in zip(groups, matrices, strict=True)]
    num_taps = max(tables["taps"].shape[1] for tables in of_groups)
    num_adjoint_taps = max(tables["adjoint_taps"].shape[1] for tables in of_groups)
    result: dict[str, list[NDArray]] = {}
    phase = row = start = 0
    length = 0
    for group, tables in zip(groups, of_groups, strict=True):
        num_bands, count = len(group.bands), group.num_points // blocks.grid
        start, length = (0 if group.length != length else start), group.length
        num_rows = len(tables["firsts"])
        by_band = {
            "phases": np.tile([phase, phase + num_rows], (num_bands, 1)),
            "counts": np.full(num_bands, count),
            "starts": start + count * np.arange(num_bands),
            "adjoint_rows": np.full(num_bands, row),
            "nums_adjoint_taps": np.full(num_bands, tables["adjoint_taps"].shape[1]),
        }
        tables["taps"] = np.pad(tables["taps"], ((0, 0), (0, num_taps - tables["taps"].shape[1])))
        missing = num_adjoint_taps - tables["adjoint_taps"].shape[1]
        tables["adjoint_taps"] = np.pad(tables["adjoint_taps"], ((0, 0), (0, missing)))
        for name, values in (tables | by_band).items():
            result.setdefault(name, []).append(values)
        phase, row, start = phase + num_rows, row + len(tables["adjoint_firsts"]), start + count * num_bands
    return {name: np.concatenate(parts) for name, parts in result.items()}


def _group_tables(group: BandGroup, blocks: Blocks, matrix: NDArray[np.float64] | None) -> dict[str, NDArray]:
    per_period, count = group.length // blocks.grid, group.num_points // blocks.grid
    firsts, taps = _interpolation(group, count, matrix)
    padding = -count % PHASES_TOGETHER
    adjoint_firsts, adjoint_taps = _adjoint(firsts, taps, per_period, count)
    weights = np.pad(_weights(count, blocks), ((0, padding), (0, 0)))
    taps, firsts = np.pad(taps, ((0, padding), (0, 0))), np.pad(firsts, (0, padding))
    return {
        "firsts": firsts,
        "taps": taps,
        "weights": weights,
        "adjoint_firsts": adjoint_firsts,
        "adjoint_taps": adjoint_taps,
    }


def _interpolation(
    group: BandGroup, count: int, matrix: NDArray[np.float64] | None
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """For each of `count` phases: the first point that it is interpolated from, and its taps."""
    if group.windows is None or matrix is None:  # the points of the FFT themselves
        return np.arange(count), np.ones((count, 1))
    # The matrix of one window serves all windows, and so all periods: phase j is output j of the windows in a period.
    of_outputs = matrix.T[np.arange(count) % matrix.shape[1]]  # (phases, points of the window)
    inside = of_outputs != 0
    num_taps = int(inside.sum(axis=1).max())
    first = np.minimum(inside.argmax(axis=1), of_outputs.shape[1] - num_taps)
    taps = np.take_along_axis(of_outputs, first[:, None] + np.arange(num_taps), axis=1)
    window = np.arange(count) // matrix.shape[1]
    return first + window * group.windows.size - (group.windows.half_taps - 1), taps


def _weights(count: int, blocks: Blocks) -> NDArray[np.float64]:
    """Weights of a phase in the frame of its own period and in those before: (phases, touched).

    `step * kernel(j * step + i * stride)` for phase j and the i-th frame before; `touched` is a power of 2.
    """
    step = blocks.low_pass.stride / count
    touched = 1 << (num_touched(blocks) - 1).bit_length()
    positions = np.arange(count)[:, None] * step + np.arange(touched) * blocks.low_pass.stride
    return blocks.low_pass.taps(positions) * step


def num_touched(blocks: Blocks) -> int:
    """Number of frames that the points of a period contribute to."""
    return -(-blocks.low_pass.num_taps // blocks.low_pass.stride)


def _adjoint(
    firsts: NDArray[np.int64], taps: NDArray[np.float64], per_period: int, count: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """For each point of a period: the first interpolated point that reads it, and the taps of it and those after it."""
    phases, tap_numbers = np.nonzero(taps)
    points = firsts[phases] + tap_numbers
    period = points // per_period
    own, outputs = points - period * per_period, phases - period * count
    first = np.array([outputs[own == point].min() for point in range(per_period)])
    last = max(int(outputs[own == point].max() - first[point]) for point in range(per_period))
    result = np.zeros((per_period, last + 1))
    result[own, outputs - first[own]] = taps[phases, tap_numbers]
    return first, result


class OnDevice(torch.autograd.Function):
    """All envelopes: (B, T) -> (B, F, N)."""

    @staticmethod
    def forward(ctx: Any, waveform: Tensor, envelopes: "MultirateEnvelopes") -> Tensor:
        """Compute stack by stack. Subbands are kept for the backward pass, interpolated points are not."""
        spectrum = torch.fft.rfft(waveform)
        frames, kept = [], []
        for stack in envelopes.stacks:
            taken = torch.ops.cochlearn.take_bins(spectrum, *envelopes.bin_tables(stack), stack.length)
            subbands = torch.fft.ifft(taken, norm="forward")
            frames.append(
                torch.ops.cochlearn.envelope_frames(
                    subbands, *envelopes.point_tables(stack), envelopes.blocks.grid, envelopes.blocks.num_frames
                )
            )
            kept.append(subbands)
        if ctx.needs_input_grad[0]:
            ctx.save_for_backward(*kept)
            ctx.envelopes = envelopes
        return torch.cat(frames, dim=1)[:, envelopes.get_buffer("restore")]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        """Apply the adjoint of each step, in reverse."""
        envelopes: MultirateEnvelopes = ctx.envelopes
        periods = envelopes.blocks.grid
        of_frames = grads[0][:, envelopes.get_buffer("order")]
        num_bins = envelopes.blocks.num_samples // 2 + 1
        spectrum = torch.zeros(len(of_frames), num_bins, dtype=torch.complex64, device=of_frames.device)
        for stack, subbands in zip(envelopes.stacks, ctx.saved_tensors, strict=True):
            of_points = torch.ops.cochlearn.point_gradients(
                *(subbands, of_frames[:, stack.bands], *envelopes.point_tables(stack)),
                *envelopes.gradient_tables(stack),
                *(periods, stack.num_phases),
            )
            of_subbands = torch.ops.cochlearn.interpolation_adjoint(
                of_points, *envelopes.adjoint_tables(stack), len(envelopes.order_of(stack)), stack.length, periods
            )
            taken = torch.fft.fft(of_subbands)
            torch.ops.cochlearn.add_bins(taken, *envelopes.bin_tables(stack), spectrum)
        return rfft_adjoint(spectrum, envelopes.blocks.num_samples), None


def _launch(kernel: str, grid: tuple[int, ...], *args: Any, **constants: int) -> None:
    from networks.front_ends.multirate import triton_kernels

    tensors = [torch.view_as_real(each) if isinstance(each, Tensor) and each.is_complex() else each for each in args]
    getattr(triton_kernels, kernel)[grid](*tensors, **constants)


def _blocks(count: int, size: int) -> int:
    return -(-count // size)


@torch.library.custom_op("cochlearn::take_bins", mutates_args=())
def take_bins(spectrum: Tensor, lows: Tensor, widths: Tensor, gains: Tensor, length: int) -> Tensor:
    """(B, K) spectra -> (B, bands, M) bins times gains, centred on 0."""
    result = spectrum.new_empty(len(spectrum), len(lows), length)
    grid = (len(spectrum) * len(lows), _blocks(length, POINTS_OF_A_PROGRAM))
    numbers = (spectrum.shape[1], len(lows), length)
    _launch("take_bins_kernel", grid, spectrum, lows, widths, gains, result, *numbers, BLOCK=POINTS_OF_A_PROGRAM)
    return result


@take_bins.register_fake
def _(spectrum: Tensor, lows: Tensor, widths: Tensor, gains: Tensor, length: int) -> Tensor:
    return spectrum.new_empty(len(spectrum), len(lows), length)


@torch.library.custom_op("cochlearn::add_bins", mutates_args=("gradient",))
def add_bins(subbands: Tensor, lows: Tensor, widths: Tensor, gains: Tensor, gradient: Tensor) -> None:
    """Apply the adjoint of `take_bins`; adds to the gradient of the spectra, (B, K)."""
    _, num_bands, length = subbands.shape
    grid = (len(gradient), _blocks(gradient.shape[1], POINTS_OF_A_PROGRAM))
    numbers = (gradient.shape[1], num_bands, length)
    _launch("add_bins_kernel", grid, subbands, lows, widths, gains, gradient, *numbers, BLOCK=POINTS_OF_A_PROGRAM)


@torch.library.custom_op("cochlearn::envelope_frames", mutates_args=())
def envelope_frames(
    subbands: Tensor, phases: Tensor, taps: Tensor, firsts: Tensor, weights: Tensor, periods: int, num_frames: int
) -> Tensor:
    """(B, bands, M) subbands -> (B, bands, N) low-passed magnitudes."""
    num_sounds, num_bands, length = subbands.shape
    result = torch.empty(num_sounds, num_bands, num_frames, device=subbands.device)
    lead = periods - num_frames
    grid = (num_sounds * num_bands, _blocks(num_frames, PERIODS_OF_A_PROGRAM - lead))
    _launch(
        "envelope_frames_kernel",
        grid,
        *(subbands, phases, taps, firsts, weights, result),
        *(num_bands, length, periods, num_frames),
        **_sizes(taps, weights),
        LEAD=lead,
    )
    return result


@envelope_frames.register_fake
def _(
    subbands: Tensor, phases: Tensor, taps: Tensor, firsts: Tensor, weights: Tensor, periods: int, num_frames: int
) -> Tensor:
    return torch.empty(*subbands.shape[:2], num_frames, device=subbands.device)


@torch.library.custom_op("cochlearn::point_gradients", mutates_args=())
def point_gradients(
    subbands: Tensor,
    grads: Tensor,
    phases: Tensor,
    taps: Tensor,
    firsts: Tensor,
    weights: Tensor,
    starts: Tensor,
    counts: Tensor,
    periods: int,
    num_phases: int,
) -> Tensor:
    """(B, bands, N) gradients of the frames -> (B, points) gradients of the interpolated points of all bands."""
    num_sounds, num_bands, length = subbands.shape
    result = subbands.new_empty(num_sounds, periods * num_phases)
    grid = (num_sounds * num_bands, _blocks(periods, PERIODS_OF_A_PROGRAM))
    _launch(
        "point_gradients_kernel",
        grid,
        *(subbands, phases, taps, firsts, weights, grads, result),
        *(num_bands, length, periods, grads.shape[2], grads.stride(0), num_phases, starts, counts),
        **_sizes(taps, weights),
    )
    return result


@point_gradients.register_fake
def _(subbands: Tensor, grads: Tensor, *tables_and_numbers: Any) -> Tensor:
    *_, periods, num_phases = tables_and_numbers
    return subbands.new_empty(len(subbands), periods * num_phases)


@torch.library.custom_op("cochlearn::interpolation_adjoint", mutates_args=())
def interpolation_adjoint(
    gradients: Tensor,
    rows: Tensor,
    taps: Tensor,
    firsts: Tensor,
    nums_taps: Tensor,
    starts: Tensor,
    counts: Tensor,
    num_bands: int,
    length: int,
    periods: int,
) -> Tensor:
    """(B, points) gradients of the interpolated points -> (B, bands, M) gradients of the subbands."""
    result = gradients.new_empty(len(gradients), num_bands, length)
    grid = (len(gradients) * num_bands, _blocks(length, POINTS_OF_A_PROGRAM))
    _launch(
        "interpolation_adjoint_kernel",
        grid,
        *(gradients, rows, taps, firsts, nums_taps, starts, counts, result),
        *(num_bands, length, periods, gradients.shape[1] // periods),
        MAX_TAPS=taps.shape[1],
        BLOCK=POINTS_OF_A_PROGRAM,
    )
    return result


@interpolation_adjoint.register_fake
def _(gradients: Tensor, *tables_and_numbers: Any) -> Tensor:
    *_, num_bands, length, _periods = tables_and_numbers
    return gradients.new_empty(len(gradients), num_bands, length)


def _sizes(taps: Tensor, weights: Tensor) -> dict[str, int]:
    return {
        "NUM_TAPS": taps.shape[1],
        "TOUCHED": weights.shape[1],
        "PERIODS": PERIODS_OF_A_PROGRAM,
        "PHASES": PHASES_TOGETHER,
    }
