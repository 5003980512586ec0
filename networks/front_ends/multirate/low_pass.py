"""The decimating low-pass of envelopes that have fewer points than the waveform has samples, and its adjoint.

By the definition, frame `n` is a sum over all samples `t` of the envelope `e`:

    frame[n] = sum_t kernel(t - n * stride) * e(t)

Of an envelope with H points, `step = T / H` samples apart, the sum is approximated by

    frame[n] = sum_h step * kernel(h * step - n * stride) * e[h]
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from networks.front_ends.direct import LowPass

# One matrix product, (points of a block) x (frames that they touch), low-passes a block. Small blocks touch many frames
# outside of the block, large ones multiply by many zeros. The product is fastest on CPUs at about five frames a block.
FRAMES_OF_A_BLOCK = (5, 4, 6, 8, 10, 3, 7, 2)


class Blocks:
    """The frames of a waveform in equal blocks, and the low-pass block by block.

    A waveform of a whole number of strides is cut into blocks of `frames` strides, all with the same weights. The
    points of a block contribute to its own frames and to those that begin up to `lead` strides before it. Any other
    waveform is one block.

    Args:
        low_pass: The decimating low-pass at the sample rate.
        num_samples: Samples of a waveform, T.

    Attributes:
        count: Number of blocks. Divides every length that `weights` accepts.
        frames: Frames per block.
        lead: Frames before a block that its points contribute to.
        pieces: Blocks that the points of one block contribute to.
        grid: Number of strides in the waveform, or 1 if it is not whole. Lengths that are multiples of it have a whole
            number of points per stride.
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
        """Weights `step * kernel(h * step - n * stride)` of a block's points in the frames that they touch.

        Args:
            length: Number of points of the envelope, H.

        Returns:
            (points of a block, pieces * frames).
        """
        points = np.arange(length // self.count)[:, None]
        frames = np.arange(self.pieces * self.frames) - self.lead
        step = self.num_samples / length
        return self.low_pass.taps(points * step - frames * self.low_pass.stride) * step

    def sums(self, like: Tensor, shape: tuple[int, ...]) -> Tensor:
        """Allocate the result of `put`: (pieces, frames, *shape, blocks)."""
        return like.new_empty(self.pieces, self.frames, *shape, self.count)

    def put(self, envelopes: Tensor, weights: Tensor, sums: Tensor) -> None:
        """Low-pass envelopes block by block. Contributions to the frames of other blocks are separate pieces.

        Args:
            envelopes: (..., H). Contiguous.
            weights: Result of `weights` for H, transposed: (pieces * frames, points).
            sums: (pieces, frames, ..., blocks), overwritten. `frames_in_order` adds up the pieces.
        """
        # (pieces * frames, points) @ (points, ... * blocks)
        partial = torch.mm(weights, envelopes.view(-1, weights.shape[1]).T)
        sums.copy_(partial.view(self.pieces, self.frames, *envelopes.shape[:-1], self.count))

    def frames_in_order(self, sums: Tensor) -> Tensor:
        """Add up the pieces from `put`: (pieces, frames, ..., blocks) -> (..., N)."""
        total = sums.new_zeros(*sums.shape[1:-1], self.count + self.pieces - 1)
        for piece in range(self.pieces):
            total[..., piece : piece + self.count] += sums[piece]
        return total.movedim(0, -1).flatten(-2)[..., self.lead : self.lead + self.num_frames]

    def frames_by_block(self, frames: Tensor) -> Tensor:
        """Apply the adjoint of `frames_in_order`: (..., N) -> (pieces, frames, ..., blocks)."""
        total = frames.new_zeros(*frames.shape[:-1], (self.count + self.pieces - 1) * self.frames)
        total[..., self.lead : self.lead + self.num_frames] = frames
        total = total.unflatten(-1, (-1, self.frames)).movedim(-1, 0)
        return torch.stack([total[..., piece : piece + self.count] for piece in range(self.pieces)])

    def adjoint(self, sums: Tensor, weights: Tensor) -> Tensor:
        """Apply the adjoint of `put`: (pieces, frames, ..., blocks) -> (..., H)."""
        return torch.mm(sums.reshape(len(weights), -1).T, weights).view(*sums.shape[2:-1], -1)
