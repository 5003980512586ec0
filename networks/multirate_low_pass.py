"""The decimating low-pass of envelopes that are known at fewer points than samples, and its adjoint."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from networks.envelopes import LowPass

# One product (points of a block) x (frames that they touch) does the low-pass of a block. Small blocks touch many
# frames outside, large ones waste taps that are 0; around five frames of own the product is fastest on CPUs.
FRAMES_OF_A_BLOCK = (5, 4, 6, 8, 10, 3, 7, 2)


class Blocks:
    """How the frames of a waveform are cut into equal blocks, and the low-pass that works block by block.

    A frame ``n`` is the sum over samples ``t`` of ``kernel(t - n * stride) * envelope(t)``. Where the waveform is a
    whole number of strides, it is cut into blocks of ``frames`` strides, all with the same weights: the points of one
    block add to its own frames and to those that began up to ``lead`` strides before. Else all is one block.

    Args:
        low_pass: the decimating low-pass at the full rate.
        num_samples: samples of the waveform, T.

    Attributes:
        count: number of blocks; divides every length that :meth:`weights` takes.
    """

    def __init__(self, low_pass: LowPass, num_samples: int) -> None:
        self.low_pass, self.num_samples = low_pass, num_samples
        self.num_frames = low_pass.num_frames(num_samples)
        strides, rest = divmod(num_samples, low_pass.stride)
        if rest:
            self.count, self.frames, self.lead, self.pieces = 1, self.num_frames, 0, 1
            return
        self.frames = next((frames for frames in FRAMES_OF_A_BLOCK if strides % frames == 0), 1)
        self.count = strides // self.frames
        self.lead = -(-low_pass.num_taps // low_pass.stride) - 1
        self.pieces = -(-(self.lead + self.frames) // self.frames)

    def weights(self, length: int) -> NDArray[np.float64]:
        """Weight of each point of a block in the frames it touches, (points, pieces * frames), of ``length`` points.

        The kernel is read at the points' positions and scaled by the samples from one point to the next. With more
        points than samples (a whole multiple), only points on samples count, so that nothing changes.
        """
        points = np.arange(length // self.count)[:, None]
        frames = np.arange(self.pieces * self.frames) - self.lead
        step = self.num_samples / length
        weights = self.low_pass.taps(points * step - frames * self.low_pass.stride)
        if step < 1:
            return np.where(points % (length // self.num_samples) == 0, weights, 0.0)
        return weights * step

    def add(self, envelopes: Tensor, weights: Tensor, sums: Tensor) -> None:
        """Add the low-pass of envelopes to ``sums``, where frames of all blocks are side by side.

        Args:
            envelopes: (..., M), contiguous.
            weights: of :meth:`weights` for M, transposed: (pieces * frames, points).
            sums: (frames, ..., blocks); :meth:`frames_in_order` brings them in their order.
        """
        partial = torch.mm(weights, envelopes.view(-1, weights.shape[1]).T)
        partial = partial.view(self.pieces, self.frames, *envelopes.shape[:-1], self.count)
        for piece in range(self.pieces):
            sums[..., piece : piece + self.count] += partial[piece]

    def frames_in_order(self, sums: Tensor) -> Tensor:
        """(frames, ..., blocks) of what :meth:`add` sums -> (..., N)."""
        return sums.movedim(0, -1).flatten(-2)[..., self.lead : self.lead + self.num_frames]

    def frames_by_block(self, frames: Tensor) -> Tensor:
        """(..., N) -> (frames, ..., blocks), the adjoint of :meth:`frames_in_order`."""
        sums = frames.new_zeros(*frames.shape[:-1], (self.count + self.pieces - 1) * self.frames)
        sums[..., self.lead : self.lead + self.num_frames] = frames
        return sums.unflatten(-1, (-1, self.frames)).movedim(-1, 0).contiguous()

    def adjoint(self, sums: Tensor, weights: Tensor) -> Tensor:
        """(frames, ..., blocks) -> (..., M), the adjoint of what :meth:`add` sums."""
        partial = torch.stack([sums[..., piece : piece + self.count] for piece in range(self.pieces)])
        return torch.mm(partial.view(len(weights), -1).T, weights).view(*sums.shape[1:-1], -1)
