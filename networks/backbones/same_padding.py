"""Convolution and pooling with TensorFlow's "same" padding, as in the published CochCNN9.

Along an axis of size `x`, the total padding is `max((ceil(x / stride) - 1) * stride + kernel - x, 0)`, split with
the smaller half first. The output has `ceil(x / stride)` points. Axes are frequency x time.
"""

import torch
from torch import Tensor, nn


def same_padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """Compute the padding before and after an axis of `size` points."""
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


def pad_same(x: Tensor, kernel: tuple[int, int], stride: tuple[int, int], value: float = 0.0) -> Tensor:
    """Pad (B, C, F, N) with `value` on both axes."""
    top, bottom = same_padding(x.shape[-2], kernel[0], stride[0])
    left, right = same_padding(x.shape[-1], kernel[1], stride[1])
    if not (top or bottom or left or right):
        return x
    return nn.functional.pad(x, (left, right, top, bottom), value=value)


class SameConv2d(nn.Conv2d):
    """Convolution without bias, with "same" padding of zeros."""

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: tuple[int, int], stride: tuple[int, int] = (1, 1)
    ) -> None:
        super().__init__(in_channels, out_channels, kernel_size, stride=stride, bias=False)
        self.kernel_pair, self.stride_pair = kernel_size, stride

    def forward(self, input: Tensor) -> Tensor:
        """(B, C, F, N) -> (B, C', ceil(F / stride), ceil(N / stride))."""
        pads = [same_padding(input.shape[i - 2], self.kernel_pair[i], self.stride_pair[i]) for i in (0, 1)]
        if all(before == after for before, after in pads):  # the convolution itself can pad, without a copy
            padding = (pads[0][0], pads[1][0])
            return nn.functional.conv2d(input, self.weight, stride=self.stride_pair, padding=padding)
        padded = pad_same(input, self.kernel_pair, self.stride_pair)
        if self.in_channels == 1 and self.stride_pair[0] == self.stride_pair[1] > 1 and not input.is_cuda:
            return _strided_convolution_of_one_channel(padded, self.weight, self.stride_pair[0])
        return nn.functional.conv2d(padded, self.weight, stride=self.stride_pair)


def _strided_convolution_of_one_channel(x: Tensor, weight: Tensor, stride: int) -> Tensor:
    """Compute `conv2d(x, weight, stride=stride)` for x of shape (B, 1, F, N) as a convolution of stride 1.

    Each `stride x stride` block of the input becomes one point with `stride ** 2` channels, and so does each block of
    the kernel, which leaves the sums the same. On CPUs, the backward pass of the strided convolution with one channel
    is more than twice as slow: a quarter of the training step of a narrow CochCNN9.
    """
    rows, columns = (-(-size // stride) * stride for size in weight.shape[-2:])
    taps = nn.functional.pad(weight, (0, columns - weight.shape[-1], 0, rows - weight.shape[-2]))
    out_rows, out_columns = ((x.shape[i] - weight.shape[i]) // stride + 1 for i in (-2, -1))
    used_rows, used_columns = (out_rows - 1) * stride + rows, (out_columns - 1) * stride + columns
    # Negative padding crops: points after the last position of the kernel are not used.
    blocks = nn.functional.pad(x, (0, used_columns - x.shape[-1], 0, used_rows - x.shape[-2]))
    unshuffle = nn.functional.pixel_unshuffle
    return nn.functional.conv2d(unshuffle(blocks, stride), unshuffle(taps, stride))


class SameMaxPool2d(nn.Module):
    """Max pooling with "same" padding of -inf."""

    def __init__(self, kernel_size: tuple[int, int], stride: tuple[int, int]) -> None:
        super().__init__()
        self.kernel_size, self.stride = kernel_size, stride

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, F, N) -> (B, C, ceil(F / stride), ceil(N / stride))."""
        padded = pad_same(x, self.kernel_size, self.stride, value=-torch.inf)
        return nn.functional.max_pool2d(padded, self.kernel_size, self.stride)


class SameAvgPool2d(nn.Module):
    """Average pooling with "same" padding of zeros, which count."""

    def __init__(self, kernel_size: tuple[int, int], stride: tuple[int, int]) -> None:
        super().__init__()
        self.kernel_size, self.stride = kernel_size, stride

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, F, N) -> (B, C, ceil(F / stride), ceil(N / stride))."""
        return nn.functional.avg_pool2d(pad_same(x, self.kernel_size, self.stride), self.kernel_size, self.stride)
