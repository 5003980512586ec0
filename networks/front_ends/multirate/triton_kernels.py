"""The steps of the multirate envelopes around the FFTs as GPU kernels. Importing this needs Triton.

A waveform has P strides of the low-pass ("periods"). A subband has M = m * P points and its envelope H = h * P points.
An interpolated point is a *phase* of a period: phase j of every period has the same interpolation taps and the same
weights in the low-pass, so tables have one row per phase. Complex numbers are pairs of floats.
"""

import triton
import triton.language as tl

SMALLEST_SQUARE = tl.constexpr(1e-16)  # the square of the published minimum of a magnitude, 1e-8


@triton.jit
def take_bins_kernel(spectrum, lows, widths, gains, subbands, num_bins, num_bands, num_points, BLOCK: tl.constexpr):
    """subbands (B, bands, M): the bins of each band in spectra (B, K), times gains, centred on 0."""
    row = tl.program_id(0).to(tl.int64)
    band, sound = row % num_bands, row // num_bands
    point = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    width = tl.load(widths + band)
    # In a spectrum centred on 0, frequencies from 0 upwards come first and negative frequencies last.
    place = tl.where(point < width - width // 2, point, point - num_points) + width // 2
    inside = (point < num_points) & (place >= 0) & (place < width)
    source = spectrum + 2 * (sound * num_bins + tl.load(lows + band) + place)
    target = subbands + 2 * (row * num_points + point)
    gain = tl.load(gains + 2 * (band * num_points + point), mask=inside, other=0.0)
    for part in tl.static_range(2):
        value = gain * tl.load(source + part, mask=inside, other=0.0)
        tl.store(target + part, value, mask=point < num_points)


@triton.jit
def add_bins_kernel(subbands, lows, widths, gains, gradient, num_bins, num_bands, num_points, BLOCK: tl.constexpr):
    """Adjoint of `take_bins_kernel`, added to gradient (B, K)."""
    sound = tl.program_id(0).to(tl.int64)
    bin_ = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    exists = bin_ < num_bins
    target = gradient + 2 * (sound * num_bins + bin_)
    real = tl.load(target, mask=exists, other=0.0)
    imaginary = tl.load(target + 1, mask=exists, other=0.0)
    for band in range(num_bands):
        width = tl.load(widths + band)
        place = bin_ - tl.load(lows + band)
        inside = exists & (place >= 0) & (place < width)
        point = place - width // 2
        point = tl.where(point < 0, point + num_points, point)
        gain = tl.load(gains + 2 * (band * num_points + point), mask=inside, other=0.0)
        source = subbands + 2 * ((sound * num_bands + band) * num_points + point)
        real += gain * tl.load(source, mask=inside, other=0.0)
        imaginary += gain * tl.load(source + 1, mask=inside, other=0.0)
    tl.store(target, real, mask=exists)
    tl.store(target + 1, imaginary, mask=exists)


@triton.jit
def _interpolated(subband, period, phase, taps, firsts, num_points, per_period, NUM_TAPS: tl.constexpr):
    """Real and imaginary parts of the interpolated points, (periods, phases)."""
    first = period[:, None] * per_period + tl.load(firsts + phase)[None, :]
    real = tl.zeros(first.shape, tl.float32)
    imaginary = tl.zeros(first.shape, tl.float32)
    for tap in range(NUM_TAPS):
        weight = tl.load(taps + phase * NUM_TAPS + tap)[None, :]
        point = first + tap
        point = tl.where(point < 0, point + num_points, point)  # a subband is periodic
        point = tl.where(point >= num_points, point - num_points, point)
        real += weight * tl.load(subband + 2 * point)
        imaginary += weight * tl.load(subband + 2 * point + 1)
    return real, imaginary


@triton.jit
def envelope_frames_kernel(
    subbands, phases, taps, firsts, weights, frames,
    num_bands, num_points, num_periods, num_frames,
    NUM_TAPS: tl.constexpr, TOUCHED: tl.constexpr, LEAD: tl.constexpr,
    PERIODS: tl.constexpr, PHASES: tl.constexpr,
):  # fmt: skip
    """frames (B, bands, N): interpolation, magnitude and low-pass.

    A point of period f contributes to frames f - LEAD to f. One program processes PERIODS periods of one band and
    completes all but the last LEAD frames that begin in them.
    """
    row = tl.program_id(0).to(tl.int64)
    band = row % num_bands
    begin = tl.program_id(1) * (PERIODS - LEAD)
    period = tl.minimum(begin + tl.arange(0, PERIODS), num_periods - 1)
    per_period = num_points // num_periods
    subband = subbands + 2 * row * num_points
    first_phase, last_phase = tl.load(phases + 2 * band), tl.load(phases + 2 * band + 1)
    touched = tl.arange(0, TOUCHED)
    sums = tl.zeros((PERIODS, PHASES, TOUCHED), tl.float32)
    for start in range(first_phase, last_phase, PHASES):
        phase = start + tl.arange(0, PHASES)
        real, imaginary = _interpolated(subband, period, phase, taps, firsts, num_points, per_period, NUM_TAPS)
        envelope = tl.sqrt(tl.maximum(real * real + imaginary * imaginary, SMALLEST_SQUARE, tl.PropagateNan.ALL))
        weight = tl.load(weights + phase[:, None] * TOUCHED + touched[None, :])
        sums += envelope[:, :, None] * weight[None, :, :]
    partial = tl.sum(sums, axis=1)  # (periods, touched): contribution of a period to the frame `touched` before it
    index = tl.arange(0, PERIODS)
    source = tl.minimum(index[:, None] + touched[None, :], PERIODS - 1)
    frame = begin + index
    is_complete = (index < PERIODS - LEAD) & (frame < num_frames)
    tl.store(frames + row * num_frames + frame, tl.sum(tl.gather(partial, source, 0), axis=1), mask=is_complete)


@triton.jit
def point_gradients_kernel(
    subbands, phases, taps, firsts, weights, grads, gradients,
    num_bands, num_points, num_periods, num_frames, stride_of_sound, num_phases, starts, counts,
    NUM_TAPS: tl.constexpr, TOUCHED: tl.constexpr, PERIODS: tl.constexpr, PHASES: tl.constexpr,
):  # fmt: skip
    """gradients (B, all points) of the interpolated points, from grads (B, bands, N) of the frames."""
    row = tl.program_id(0).to(tl.int64)
    band, sound = row % num_bands, row // num_bands
    period = tl.program_id(1) * PERIODS + tl.arange(0, PERIODS)
    exists = period < num_periods
    per_period = num_points // num_periods
    subband = subbands + 2 * row * num_points
    first_phase, last_phase = tl.load(phases + 2 * band), tl.load(phases + 2 * band + 1)
    count = tl.load(counts + band)
    target = gradients + 2 * num_periods * (sound * num_phases + tl.load(starts + band))
    touched = tl.arange(0, TOUCHED)
    frame = period[:, None] - touched[None, :]
    is_frame = (frame >= 0) & (frame < num_frames)
    of_frames = tl.load(grads + sound * stride_of_sound + band * num_frames + frame, mask=is_frame, other=0.0)
    for start in range(first_phase, last_phase, PHASES):
        phase = start + tl.arange(0, PHASES)
        clamped = tl.minimum(period, num_periods - 1)
        real, imaginary = _interpolated(subband, clamped, phase, taps, firsts, num_points, per_period, NUM_TAPS)
        weight = tl.load(weights + phase[:, None] * TOUCHED + touched[None, :])
        of_envelope = tl.sum(of_frames[:, None, :] * weight[None, :, :], axis=2)
        square = real * real + imaginary * imaginary
        scale = tl.where(square > SMALLEST_SQUARE, of_envelope / tl.sqrt(square), 0.0)
        own = phase - first_phase
        to = target + 2 * (period[:, None] * count + own[None, :])
        inside = exists[:, None] & (own < count)[None, :]
        tl.store(to, real * scale, mask=inside)
        tl.store(to + 1, imaginary * scale, mask=inside)


@triton.jit
def interpolation_adjoint_kernel(
    gradients, rows, taps, firsts, nums_taps, starts, counts, result,
    num_bands, num_points, num_periods, num_phases, MAX_TAPS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """result (B, bands, M): gradient of the points of the subbands, from that of the interpolated points."""
    row = tl.program_id(0).to(tl.int64)
    band, sound = row % num_bands, row // num_bands
    point = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside = point < num_points
    per_period = num_points // num_periods
    count = tl.load(counts + band)
    own = tl.load(rows + band) + point % per_period
    first = point // per_period * count + tl.load(firsts + own, mask=inside, other=0)
    source = gradients + 2 * num_periods * (sound * num_phases + tl.load(starts + band))
    real = tl.zeros((BLOCK,), tl.float32)
    imaginary = tl.zeros((BLOCK,), tl.float32)
    for tap in range(tl.load(nums_taps + band)):
        weight = tl.load(taps + own * MAX_TAPS + tap, mask=inside, other=0.0)
        place = first + tap
        place = tl.where(place < 0, place + num_periods * count, place)
        place = tl.where(place >= num_periods * count, place - num_periods * count, place)
        real += weight * tl.load(source + 2 * place, mask=inside, other=0.0)
        imaginary += weight * tl.load(source + 2 * place + 1, mask=inside, other=0.0)
    target = result + 2 * (row * num_points + point)
    tl.store(target, real, mask=inside)
    tl.store(target + 1, imaginary, mask=inside)
