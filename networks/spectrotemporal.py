"""The spectrotemporal baseline: power in a fixed bank of modulation filters on the cochleagram. Nothing is learned.

Source of the filters: Chi, Ru & Shamma 2005 (J Acoust Soc Am 118:887), with the settings of Tuckute, Feather et al.
2023 (PLoS Biol 21(12): e3002366).
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from networks.description import Described
from networks.front_ends.cochleagram import Cochleagram

# Settings of the published baseline.
RATES_HZ = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)
SCALES_CYC_PER_ERB = (0.0, 0.0625, 0.125, 0.25, 0.5, 1.0, 2.0)
BANDS_PER_ERB = 6.0  # assumed for the published cochleagram, which has 6.1 bands per ERB
GAIN = 100.0  # factor on the cochleagram before filtering
MIN_POWER = 1e-8  # minimum power of a filter's output at each time
DECAY = 3.5  # Chi, Ru & Shamma: decay of the temporal response per period of its rate


class Modulation(NamedTuple):
    """Tuning of a filter.

    Attributes:
        rate_hz: Temporal modulation rate. Spectral peaks fall in frequency if it is positive and rise if negative.
        scale_cyc_per_erb: Spectral modulation scale.
    """

    rate_hz: float
    scale_cyc_per_erb: float


def modulations(rates_hz: Sequence[float], scales_cyc_per_erb: Sequence[float]) -> tuple[Modulation, ...]:
    """List the tuning of all filters, in the order of the features.

    Args:
        rates_hz: Rates in Hz, not negative.
        scales_cyc_per_erb: Scales in cycles per ERB, not negative.

    Returns:
        Every scale (outer) with every negative rate (inner), then the non-zero scales with the non-zero positive rates.
    """
    first = [Modulation(-rate if rate else 0.0, scale) for scale in scales_cyc_per_erb for rate in rates_hz]
    second = [Modulation(rate, scale) for scale in scales_cyc_per_erb for rate in rates_hz if rate and scale]
    return (*first, *second)


def temporal_response(
    rate_hz: float, *, num_frames: int, frame_rate_hz: float, high_pass: bool = False
) -> NDArray[np.complex128]:
    r"""Compute the frequency response of the temporal filter at a rate.

    The Fourier transform of

        h(t) = sin(2 pi u) u^2 exp(-3.5 u),    u = rate * t

    with its mean subtracted and padded with zeros. The magnitude is scaled to a maximum of 1. At rate 0, the response
    is 1 at frequency 0 and 0 elsewhere.

    Args:
        rate_hz: Rate in Hz, not negative.
        num_frames: Frames of a cochleagram, N.
        frame_rate_hz: Frames per second.
        high_pass: Set the magnitude to 1 at every frequency above that of the largest one, and keep the phase.

    Returns:
        (3 N // 2 + 1,) response at frequencies 0 to `frame_rate_hz / 2` of a real transform over 3 N frames.
    """
    num_padded = 3 * num_frames
    if rate_hz == 0:
        delta = np.zeros(num_padded // 2 + 1, dtype=np.complex128)
        delta[0] = 1
        return delta
    periods = rate_hz * np.arange(num_frames) / frame_rate_hz
    impulse = np.sin(2 * np.pi * periods) * periods**2 * np.exp(-DECAY * periods)
    response = np.fft.rfft(impulse - impulse.mean(), num_padded)
    magnitude = np.abs(response) / np.abs(response).max()
    if high_pass:
        magnitude[np.argmax(magnitude) :] = 1
    return magnitude * np.exp(1j * np.angle(response))


def spectral_response(
    scale_cyc_per_erb: float, *, num_bands: int, bands_per_erb: float = BANDS_PER_ERB, high_pass: bool = False
) -> NDArray[np.float64]:
    """Compute the frequency response of the spectral filter at a scale.

        H(f) = (f / scale)^2 * exp(-(f / scale)^2)

    scaled to a maximum of 1, and the same for negative frequencies. At scale 0, the response is 1 at frequency 0 and 0
    elsewhere.

    Args:
        scale_cyc_per_erb: Scale in cycles per ERB, not negative.
        num_bands: Bands of a cochleagram, F.
        bands_per_erb: Number of bands per ERB.
        high_pass: Set the response to 1 at every frequency above that of the largest one.

    Returns:
        (2 F,) response in the order of a transform over 2 F bands: frequency 0, positive, Nyquist, negative.
    """
    if scale_cyc_per_erb == 0:
        return np.eye(1, 2 * num_bands)[0]
    frequencies = bands_per_erb * np.arange(num_bands + 1) / (2 * num_bands)
    ratio = (frequencies / scale_cyc_per_erb) ** 2
    # Adding the smallest positive ratio to the exponent prevents underflow. Scaling undoes it.
    response = ratio * np.exp(ratio[1] - ratio)
    response /= response.max()
    if high_pass:
        response[np.argmax(response) :] = 1
    return np.concatenate([response, response[-2:0:-1]])


class ModulationPower(nn.Module):
    """Power of a cochleagram in each modulation filter and band, averaged over time.

    The cochleagram C (F, N) is multiplied by 100 and padded with F bands and 2 N frames of zeros. With the spectral
    response H, the temporal response G and a mask M for the direction,

        Y = ifft2(M(f, w) * H(f) * G(w) * fft2(C)),    power = mean_n max(Y[:F, n]^2, 1e-8)

    For a rate of sign s, the mask is 0 in two quadrants: at temporal frequencies w of sign -s with positive spectral
    frequencies f, and at w of sign s with negative f. It is 1 elsewhere, including at frequency 0 and Nyquist.

    Each filter equals its complex conjugate at the opposite frequency, so that real transforms over time give the exact
    output. The transform over bands serves all rates of a scale and direction. Only one filter's output is in memory at
    a time.

    Args:
        num_bands: Bands of a cochleagram, F.
        num_frames: Frames of a cochleagram, N.
        frame_rate_hz: Frames per second.
        bands_per_erb: Number of bands per ERB.
        rates_hz: Increasing rates in Hz, from 0 to half the frame rate. The last filter is a high-pass.
        scales_cyc_per_erb: Increasing scales in cycles per ERB, from 0 to half of `bands_per_erb`. The last filter is a
            high-pass.

    Raises:
        ValueError: If rates or scales are out of order or range.
    """

    def __init__(
        self,
        num_bands: int,
        num_frames: int,
        *,
        frame_rate_hz: float,
        bands_per_erb: float = BANDS_PER_ERB,
        rates_hz: Sequence[float] = RATES_HZ,
        scales_cyc_per_erb: Sequence[float] = SCALES_CYC_PER_ERB,
    ) -> None:
        super().__init__()
        _check("rates_hz", rates_hz, frame_rate_hz / 2)
        _check("scales_cyc_per_erb", scales_cyc_per_erb, bands_per_erb / 2)
        self.num_bands, self.num_frames = num_bands, num_frames
        self.rates_hz, self.scales_cyc_per_erb = tuple(rates_hz), tuple(scales_cyc_per_erb)
        self.modulations = modulations(self.rates_hz, self.scales_cyc_per_erb)
        temporal = np.stack(
            [
                temporal_response(
                    rate, num_frames=num_frames, frame_rate_hz=frame_rate_hz, high_pass=rate == rates_hz[-1]
                )
                for rate in rates_hz
            ]
        )
        spectral = np.stack(
            [
                spectral_response(
                    scale,
                    num_bands=num_bands,
                    bands_per_erb=bands_per_erb,
                    high_pass=scale == scales_cyc_per_erb[-1],
                )
                for scale in scales_cyc_per_erb
            ]
        )
        # Real and imaginary parts are separate: a change of precision drops the imaginary part of a complex buffer.
        parts = np.stack([temporal.real, temporal.imag], axis=-1)
        self.register_buffer("temporal", torch.tensor(parts, dtype=torch.float32), persistent=False)
        self.register_buffer("spectral", torch.tensor(spectral, dtype=torch.float32), persistent=False)

    @property
    def num_features(self) -> int:
        """Number of features of a sound, D: filters times bands."""
        return len(self.modulations) * self.num_bands

    @torch.compiler.disable
    def forward(self, cochleagram: Tensor) -> Tensor:
        """(B, F, N) cochleagrams -> (B, D) mean power, filter after filter, each over all bands.

        Raises:
            ValueError: If the cochleagrams have the wrong size.
        """
        if cochleagram.ndim != 3 or cochleagram.shape[1:] != (self.num_bands, self.num_frames):
            raise ValueError(
                f"expected cochleagrams of shape (batch, {self.num_bands}, {self.num_frames}), "
                f"got {tuple(cochleagram.shape)}"
            )
        with torch.autocast(cochleagram.device.type, enabled=False):
            spectral = self.get_buffer("spectral")
            temporal = torch.view_as_complex(self.get_buffer("temporal"))  # (rates, 3N // 2 + 1)
            spectrum = torch.fft.rfft(GAIN * cochleagram.to(spectral.dtype), n=3 * self.num_frames)
            spectrum = torch.fft.fft(spectrum, n=2 * self.num_bands, dim=1)  # (B, 2F, 3N // 2 + 1)
            power = []  # in the order of self.modulations
            for direction in (-1, 1):
                one_way = self._in_direction(spectrum, direction)
                for scale, response in zip(self.scales_cyc_per_erb, spectral, strict=True):
                    if direction > 0 and scale == 0:
                        continue
                    bands = torch.fft.ifft(one_way * response[:, None], dim=1)[:, : self.num_bands].contiguous()
                    power += [
                        self._mean_power(bands * response_over_time)
                        for rate, response_over_time in zip(self.rates_hz, temporal, strict=True)
                        if direction < 0 or rate > 0
                    ]
            return torch.stack(power, dim=1).flatten(1)

    def _in_direction(self, spectrum: Tensor, direction: int) -> Tensor:
        """Zero the quadrants of the other direction: at positive temporal frequencies, half of the spectral ones."""
        below_nyquist = (3 * self.num_frames + 1) // 2
        positive, negative = slice(1, self.num_bands), slice(self.num_bands + 1, None)
        kept = spectrum.clone()
        kept[:, negative if direction > 0 else positive, 1:below_nyquist] = 0
        return kept

    def _mean_power(self, spectrum: Tensor) -> Tensor:
        """(B, F, 3N // 2 + 1) spectra over time -> (B, F) mean power."""
        output = torch.fft.irfft(spectrum, n=3 * self.num_frames)[..., : self.num_frames]
        return (output * output).clamp(min=MIN_POWER).mean(dim=-1)


class SpectroTemporal(Described):
    """The baseline as a network with one stage: waveform -> cochleagram -> power in modulation filters.

    It can be scored like any network. Its stage has no time axis. With the published settings it has 111 filters x 211
    bands = 23 421 features. Nothing is learned, and the state dict is empty.

    Args:
        front_end: Maps waveforms (B, T) to (B, F, N); the published `networks.Cochleagram` by default.
        bands_per_erb: Number of bands per ERB.
        rates_hz: See `ModulationPower`.
        scales_cyc_per_erb: See `ModulationPower`.

    Raises:
        ValueError: If rates or scales are out of order or range.
    """

    stages = ("spectrotemporal",)

    def __init__(
        self,
        front_end: Cochleagram | None = None,
        *,
        bands_per_erb: float = BANDS_PER_ERB,
        rates_hz: Sequence[float] = RATES_HZ,
        scales_cyc_per_erb: Sequence[float] = SCALES_CYC_PER_ERB,
    ) -> None:
        super().__init__()
        self.front_end = front_end if front_end is not None else Cochleagram()
        self.init_args["front_end"] = self.front_end
        self.spectrotemporal = ModulationPower(
            *self.front_end.output_shape,
            frame_rate_hz=self.front_end.init_args["frame_rate_hz"],
            bands_per_erb=bands_per_erb,
            rates_hz=rates_hz,
            scales_cyc_per_erb=scales_cyc_per_erb,
        )

    @property
    def sample_rate_hz(self) -> int:
        """Sample rate of the waveforms in Hz."""
        return self.front_end.sample_rate_hz

    @property
    def num_samples(self) -> int:
        """Samples of a waveform, T."""
        return self.front_end.num_samples

    def stage_modules(self) -> dict[str, nn.Module]:
        """Map the stage to the submodule whose output, (B, D), is its activation."""
        return {"spectrotemporal": self.spectrotemporal}

    def forward(self, waveform: Tensor) -> Tensor:
        """(B, T) waveforms -> (B, D) mean power, filter after filter, each over all bands."""
        power: Tensor = self.spectrotemporal(self.front_end(waveform))
        return power


def _check(name: str, values: Sequence[float], highest: float) -> None:
    in_range = all(0 <= value <= highest for value in values)
    increasing = all(low < high for low, high in pairwise(values))
    if not values or not in_range or not increasing:
        raise ValueError(f"expected {name} that increase from 0 or more to {highest} or less, got {list(values)}")
