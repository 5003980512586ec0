"""The decimating low-pass of envelopes that are known at fewer points than samples, and its adjoint."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from networks.front_ends.direct import LowPass

# One product (points of a block) x (frames that they touch) does the low-pass of a block. Small blocks touch many
# frames outside, large ones waste taps that are 0; around five frames of own the product is fastest on CPUs.
FRAMES_OF_A_BLOCK = (5, 4, 6, 8, 10, 3, 7, 2)


class Blocks:
    """How the frames of a waveform are cut into equal blocks, and the low-pass that works block by block.

    A frame `n` is the sum over samples `t` of `kernel(t - n * stride) * envelope(t)`. Where the waveform is a
    whole number of strides, it is cut into blocks of `frames` strides, all with the same weights: the points of one
    block add to its own frames and to those that began up to `lead` strides before. Else all is one block.

    Args:
        low_pass: The decimating low-pass at the full rate.
        num_samples: Samples of the waveform, T.

    Attributes:
        count: Number of blocks; divides every length that `weights` takes.
        grid: Strides in the waveform, or 1 if these are no whole number: lengths that are multiples of it have a
            whole number of points in a stride.
    """

    def __init__(self, low_pass: LowPass, num_samples: int) -> None:
        self.low_pass, self.num_samples = low_pass, num_samples
        self.num_frames = low_pass.num_frames(num_samples)
        strides, rest = divmod(num_samples, low_pass.stride)
        self.grid = 1 if rest else strides
        if rest:
            self.count, self.frames, self.lead, self.pieces = 1, self.num_frames, 0, 1
            return
        self.frames = next((frames for frames in FRAMES_OF_A_BLOCK if strides % frames == 0), 1)
        self.count = strides // self.frames
        self.lead = -(-low_pass.num_taps // low_pass.stride) - 1
        self.pieces = -(-(self.lead + self.frames) // self.frames)

    def weights(self, length: int) -> NDArray[np.float64]:
        """Weight of each point of a block in the frames it touches, (points, pieces * frames), of `length` points.

        The kernel is read at the points' positions and scaled by the samples from one point to the next.
        """
        points = np.arange(length // self.count)[:, None]
        frames = np.arange(self.pieces * self.frames) - self.lead
        step = self.num_samples / length
        return self.low_pass.taps(points * step - frames * self.low_pass.stride) * step

    def sums(self, like: Tensor, shape: tuple[int, ...]) -> Tensor:
        """Room for what `put` gives, (pieces, frames, *shape, blocks)."""
        return like.new_empty(self.pieces, self.frames, *shape, self.count)

    def put(self, envelopes: Tensor, weights: Tensor, sums: Tensor) -> None:
        """Low-pass envelopes block by block; what a block adds to the frames of one after it is a further piece.

        Args:
            envelopes: (..., M), contiguous.
            weights: Of `weights` for M, transposed: (pieces * frames, points).
            sums: (pieces, frames, ..., blocks), written; `frames_in_order` adds the pieces.
        """
        partial = torch.mm(weights, envelopes.view(-1, weights.shape[1]).T)
        sums.copy_(partial.view(self.pieces, self.frames, *envelopes.shape[:-1], self.count))

    def frames_in_order(self, sums: Tensor) -> Tensor:
        """(pieces, frames, ..., blocks) of `put` -> (..., N)."""
        total = sums.new_zeros(*sums.shape[1:-1], self.count + self.pieces - 1)
        for piece in range(self.pieces):
            total[..., piece : piece + self.count] += sums[piece]
        return total.movedim(0, -1).flatten(-2)[..., self.lead : self.lead + self.num_frames]

    def frames_by_block(self, frames: Tensor) -> Tensor:
        """(..., N) -> (pieces, frames, ..., blocks), the adjoint of `frames_in_order`."""
        total = frames.new_zeros(*frames.shape[:-1], (self.count + self.pieces - 1) * self.frames)
        total[..., self.lead : self.lead + self.num_frames] = frames
        total = total.unflatten(-1, (-1, self.frames)).movedim(-1, 0)
        return torch.stack([total[..., piece : piece + self.count] for piece in range(self.pieces)])

    def adjoint(self, sums: Tensor, weights: Tensor) -> Tensor:
        """(pieces, frames, ..., blocks) -> (..., M), the adjoint of `put`."""
        return torch.mm(sums.reshape(len(weights), -1).T, weights).view(*sums.shape[2:-1], -1)
