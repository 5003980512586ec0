"""Band-limiting: telephones, small loudspeakers, low sample rates."""

import numpy as np

from datamodules.batches.augmentation.augmentation import Parameters, Place, check_range
from datamodules.batches.augmentation.filtering import Filtering, odd_taps, symmetric_kernel
from datamodules.demo.primitives import high_pass, log_uniform, low_pass

_TAPS_S = 0.05
_ORDER = 8
"""Order of the Butterworth edges: 48 dB per octave."""


class BandLimit(Filtering):
    """Removes what is below a random low frequency and above a random high one, each uniform in log frequency.

    Args:
        low_hz: Range of the lower edge in Hz; the default reaches that of telephones.
        high_hz: Range of the upper edge in Hz; edges above half the sample rate remove nothing.
        applies_to: What is changed: signal, noise or mixture.
        probability: Fraction of the examples that are changed.

    Raises:
        DataSettingsError: A value is out of its range.
    """

    def __init__(
        self,
        *,
        low_hz: tuple[float, float] = (30.0, 300.0),
        high_hz: tuple[float, float] = (3000.0, 10_000.0),
        applies_to: Place = "signal",
        probability: float = 1.0,
    ) -> None:
        super().__init__(applies_to=applies_to, probability=probability)
        self.low_hz = check_range("BandLimit: low_hz", low_hz, lowest=1.0)
        self.high_hz = check_range("BandLimit: high_hz", high_hz, lowest=self.low_hz[1])

    def draw(self, rng: np.random.Generator, sample_rate_hz: int) -> Parameters:
        """Draw both edges."""
        return {"low_hz": log_uniform(rng, *self.low_hz), "high_hz": log_uniform(rng, *self.high_hz)}

    def num_taps(self, sample_rate_hz: int) -> int:
        """Length of every impulse response."""
        return odd_taps(_TAPS_S, sample_rate_hz)

    def kernel(self, sample_rate_hz: int, *, low_hz: float, high_hz: float) -> np.ndarray:  # type: ignore[override]
        """Impulse response for these edges."""
        lower, upper = high_pass(low_hz, _ORDER), low_pass(high_hz, _ORDER)
        return symmetric_kernel(
            lambda frequencies_hz: lower(frequencies_hz) * upper(frequencies_hz),
            self.num_taps(sample_rate_hz),
            sample_rate_hz,
        )
