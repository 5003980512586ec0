"""The base class of front ends: the fixed part that turns waveforms into bands and frames."""

from torch import Tensor

from networks.description import Described
from networks.text.durations import in_seconds


class FrontEnd(Described):
    """Base class of front ends, for your own too.

    A subclass sets the attributes below in its constructor and maps waveforms (B, T) to (B, F, N) in `forward`.

    Attributes:
        sample_rate_hz: Sample rate of the waveforms in Hz.
        num_samples: Samples of a waveform, T.
        frame_rate_hz: Frames per second.
        output_shape: (F, N), bands and frames.
    """

    sample_rate_hz: int
    num_samples: int
    frame_rate_hz: float
    output_shape: tuple[int, int]

    def check_waveforms(self, waveform: Tensor) -> None:
        """Check that waveforms have the shape (B, T).

        Raises:
            ValueError: If the waveforms do not have `num_samples` samples each.
        """
        if waveform.ndim != 2 or waveform.shape[1] != self.num_samples:
            raise ValueError(
                f"expected waveforms of shape (batch, {self.num_samples}), "
                f"{in_seconds(self.num_samples, self.sample_rate_hz)}, got {tuple(waveform.shape)}"
            )

    def forward(self, waveform: Tensor) -> Tensor:
        """(B, T) -> (B, F, N)."""
        raise NotImplementedError


def samples_per_frame(sample_rate_hz: int, frame_rate_hz: float) -> int:
    """Number of samples from one frame to the next.

    Raises:
        ValueError: If the frame rate does not divide the sample rate.
    """
    stride = round(sample_rate_hz / frame_rate_hz)
    if abs(stride * frame_rate_hz - sample_rate_hz) > 1e-6 * sample_rate_hz:
        raise ValueError(f"expected a frame rate that divides {sample_rate_hz} Hz, got {frame_rate_hz} Hz")
    return stride
