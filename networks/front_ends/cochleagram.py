"""The cochleagram front end: waveform -> compressed envelopes of cochlear bands at 200 frames a second."""

from typing import Literal

import torch
from torch import Tensor

from networks.front_ends.compression import MAX_DERIVATIVE, OFFSET, POWER, power_compression
from networks.front_ends.direct import KAISER_BETA, DirectEnvelopes, LowPass
from networks.front_ends.filterbank import erb_cosine_filters
from networks.front_ends.front_end import FrontEnd, samples_per_frame
from networks.front_ends.multirate import MultirateEnvelopes


class Cochleagram(FrontEnd):
    r"""Cochleagram of Feather et al. 2023 and Tuckute, Feather et al. 2023.

    `compressed(lowpass(|analytic signal of each band|))`: cosine filters on the ERB scale in the frequency domain,
    magnitude of the analytic signal (positive frequencies not doubled), a 1001-tap Kaiser-windowed sinc with one
    frame every 100 samples and no padding, then the power 0.3. Differentiable; always computed in float32 with
    autocast off, and left out of `torch.compile` (complex numbers).

    Args:
        sample_rate_hz: Rate of the waveforms in Hz.
        num_samples: Samples of a waveform, T; 40 000 are 2 s at 20 kHz.
        num_filters: Filters `n` of the bank before oversampling.
        sample_factor: Oversampling `s` of the bank; `s * (n + 1) - 1 + 2 s` bands.
        low_hz: Lower edge of the filters in Hz.
        high_hz: Upper edge of the filters in Hz.
        frame_rate_hz: Frames a second; divides the sample rate.
        num_taps: Taps of the low-pass kernel.
        kaiser_beta: Shape of the low-pass kernel's window.
        power: Exponent of the compression.
        offset: Added before the compression.
        max_derivative: Largest derivative of the compression in the backward pass.
        method: "multirate", the fast one, or "direct", by the definition: the reference, tens of times slower.
        tolerance: Of the multirate method: relative L2 error against the direct method, of the compressed
            cochleagrams of the sounds that it is set up on: noise, taps, single clicks and trains of clicks. At 4e-4
            all 165 natural sounds of Norman-Haignere et al. 2015 stay below 4e-4; trains of clicks at odd rates, where
            frames happen to lie near 0, can reach 1e-3. 3e-3 takes half of the points.
        oversampling: Of the multirate method: least points of a band's envelope per bin of the band.
        fused: Of the multirate method, on CPUs: whether it runs as compiled code. None: if that is the faster way on
            this machine, which is measured once. Compiling takes a few seconds when it is first used; without a C++
            compiler a warning says so, and the tensor operations of torch are used.

    Attributes:
        frame_rate_hz: Frames of the output per second.
        output_shape: (F, N), bands and frames of a cochleagram.
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
            raise ValueError(f"expected at least {num_taps} samples (num_taps), got num_samples={num_samples}")
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
        """Cochleagrams of a batch of waveforms.

        Args:
            waveform: (B, T), at `sample_rate_hz`; the published inputs have mean 0 and RMS 0.1.

        Returns:
            (B, F, N) compressed envelopes.

        Raises:
            ValueError: If the waveforms do not have `num_samples` samples.
        """
        self.check_waveforms(waveform)
        with torch.autocast(waveform.device.type, enabled=False):
            envelopes = self.envelopes(waveform.to(self.get_buffer("center_freqs_hz").dtype))
            return power_compression(
                envelopes, power=self.power, offset=self.offset, max_derivative=self.max_derivative
            )
