"""The cochleagram: compressed envelopes of cochlear bands at 200 frames per second."""

from typing import Literal

import torch
from torch import Tensor

from networks.front_ends.compression import MAX_DERIVATIVE, OFFSET, POWER, power_compression
from networks.front_ends.direct import KAISER_BETA, DirectEnvelopes, LowPass
from networks.front_ends.filterbank import erb_cosine_filters
from networks.front_ends.front_end import FrontEnd, samples_per_frame
from networks.front_ends.multirate import MultirateEnvelopes
from networks.text.durations import in_seconds


class Cochleagram(FrontEnd):
    r"""Cochleagram of Feather et al. 2023 and Tuckute, Feather et al. 2023.

    For every band with frequency response `H`, with `x` the waveform,

        cochleagram = (lowpass(|ifft(H * rfft(x))|) + offset) ** power

    The filters are cosines on the ERB scale, applied in the frequency domain. The magnitude is that of the analytic
    signal (positive frequencies are not doubled). The low-pass is a Kaiser-windowed sinc of 1001 taps, without
    padding, read every 100 samples. Differentiable. Always computed in float32 with autocast off, and excluded from
    `torch.compile`, which does not support complex numbers.

    Args:
        sample_rate_hz: Sample rate of the waveforms in Hz.
        num_samples: Samples of a waveform, T; 40 000 is 2 s at 20 kHz.
        num_filters: Number of filters `n` before oversampling.
        sample_factor: Oversampling `s` of the filter bank, which gives `s * (n + 1) - 1 + 2 s` bands.
        low_hz: Lower edge of the filters in Hz.
        high_hz: Upper edge of the filters in Hz.
        frame_rate_hz: Frames per second. Must divide the sample rate.
        num_taps: Length of the low-pass kernel.
        kaiser_beta: Shape parameter of the kernel's window.
        power: Exponent of the compression.
        offset: Added to the envelopes before compression.
        max_derivative: Bound on the derivative of the compression in the backward pass.
        method: "multirate", the fast method, or "direct", the definition, which is tens of times slower and serves as
            the reference.
        tolerance: Multirate method: relative L2 error of the compressed cochleagrams, compared with the direct method,
            on the sounds that the method is calibrated with (noise, taps, clicks and trains of clicks). At 4e-4 the
            error stays below 4e-4 on all 165 natural sounds of Norman-Haignere et al. 2015. On trains of clicks at odd
            rates, where frames can lie near 0, it can reach 1e-3. A tolerance of 3e-3 needs half as many points.
        oversampling: Multirate method: minimum number of points of a band's envelope per bin of the band.
        fused: Multirate method: whether to run code compiled for this machine (C++ on CPUs, Triton on GPUs). None
            uses it if it is faster, which is measured once. Compiling takes a few seconds on first use. If it fails,
            for example without a C++ compiler, a warning is shown and PyTorch's operators are used.

    Attributes:
        frame_rate_hz: Frames per second of the output.
        output_shape: (F, N), bands and frames of a cochleagram.

    Raises:
        ValueError: If a setting is out of range or two settings do not fit together.
    """

    def __init__(
        self,
        *,
        sample_rate_hz: int = 20_000,
        num_samples: int = 40_000,
        num_filters: int = 50,
        sample_factor: int = 4,
        low_hz: float = 50.0,
        high_hz: float = 10_000.0,
        frame_rate_hz: float = 200.0,
        num_taps: int = 1001,
        kaiser_beta: float = KAISER_BETA,
        power: float = POWER,
        offset: float = OFFSET,
        max_derivative: float = MAX_DERIVATIVE,
        method: Literal["direct", "multirate"] = "multirate",
        tolerance: float = 4e-4,
        oversampling: float = 2.0,
        fused: bool | None = None,
    ) -> None:
        super().__init__()
        stride = samples_per_frame(sample_rate_hz, frame_rate_hz)
        if num_samples < num_taps:
            raise ValueError(
                f"expected at least {num_taps} samples (num_taps; {in_seconds(num_taps, sample_rate_hz)}), got "
                f"num_samples={num_samples}"
            )
        self.sample_rate_hz, self.num_samples = sample_rate_hz, num_samples
        self.frame_rate_hz = float(frame_rate_hz)
        self.power, self.offset, self.max_derivative = power, offset, max_derivative
        low_pass = LowPass(num_taps, stride, kaiser_beta)
        bank = erb_cosine_filters(
            num_samples,
            sample_rate_hz=sample_rate_hz,
            num_filters=num_filters,
            sample_factor=sample_factor,
            low_hz=low_hz,
            high_hz=high_hz,
        )
        self.envelopes: DirectEnvelopes | MultirateEnvelopes
        if method == "direct":
            self.envelopes = DirectEnvelopes(bank.responses, num_samples, low_pass)
        elif method == "multirate":
            self.envelopes = MultirateEnvelopes(
                bank.responses,
                num_samples,
                low_pass,
                tolerance=tolerance,
                oversampling=oversampling,
                power=power,
                offset=offset,
                fused=fused,
            )
        else:
            raise ValueError(f"expected method 'direct' or 'multirate', got {method!r}")
        self.register_buffer(
            "center_freqs_hz", torch.tensor(bank.center_freqs_hz, dtype=torch.float32), persistent=False
        )
        self.output_shape = (len(bank.responses), low_pass.num_frames(num_samples))

    @torch.compiler.disable
    def forward(self, waveform: Tensor) -> Tensor:
        """Compute cochleagrams of a batch of waveforms.

        Args:
            waveform: (B, T) at `sample_rate_hz`. The published inputs have mean 0 and RMS 0.1.

        Returns:
            (B, F, N) compressed envelopes.

        Raises:
            ValueError: If the waveforms do not have `num_samples` samples each.
        """
        self.check_waveforms(waveform)
        with torch.autocast(waveform.device.type, enabled=False):
            envelopes = self.envelopes(waveform.to(self.get_buffer("center_freqs_hz").dtype))
            return power_compression(
                envelopes, power=self.power, offset=self.offset, max_derivative=self.max_derivative
            )
