"""What a front end is: the fixed part that turns waveforms into pictures of bands and frames."""

from torch import Tensor

from networks.description import Described


class FrontEnd(Described):
    """Base of front ends, and of a user's own.

    A subclass sets the attributes below in its constructor and maps waveforms (B, T) to (B, F, N) in ``forward``.

    Attributes:
        sample_rate_hz: rate of the waveforms in Hz.
        num_samples: samples of a waveform, T.
        frame_rate_hz: frames a second.
        output_shape: (F, N), bands and frames.
    """

    sample_rate_hz: int
    num_samples: int
    frame_rate_hz: float
    output_shape: tuple[int, int]

    def forward(self, waveform: Tensor) -> Tensor:
        """(B, T) -> (B, F, N)."""
        raise NotImplementedError
