"""Receptive fields: how much of the input a unit depends on, followed through a forward pass."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

_aten = torch.ops.aten
# Operations whose output has the shape of the input although a point depends on others than its own.
_MIXING = {
    "_fft_r2c",
    "_fft_c2c",
    "_fft_c2r",
    "_softmax",
    "_log_softmax",
    "cumsum",
    "flip",
    "roll",
    "mm",
    "addmm",
    "bmm",
}
_MIXING |= {"baddbmm", "sort", "index", "gather", "view_as_real", "mkldnn_rnn_layer"}


class Field(NamedTuple):
    """Receptive fields of the units of an activation, along each followed axis.

    Attributes:
        sizes: Points of the input in the field of a unit.
        steps: Points of the input from the field of one unit to that of the next one.
        shape: Sizes of the last axes of the activation, which are the followed ones.
    """

    sizes: tuple[int, ...]
    steps: tuple[int, ...]
    shape: tuple[int, ...]


class ReceptiveFields(TorchDispatchMode):
    """A mode that follows receptive fields through convolutions, pooling and pointwise operations.

    A layer with windows of `k` points, dilation `d` and stride `s` turns a field of size `r` and step `j` into

        r' = r + (k - 1) * d * j,    j' = s * j

    Where paths meet, as in a residual block, the largest field counts. Padding changes nothing. After any other
    operation, such as a dense layer, attention or a change of axes, units are taken to depend on the whole input.
    Group and instance normalisation count as pointwise.
    """

    def __init__(self) -> None:
        super().__init__()
        # The tensors are kept, so that no other tensor gets the same id.
        self._fields: dict[int, tuple[Tensor, Field | None]] = {}

    def start(self, x: Tensor, num_axes: int) -> None:
        """Start at a tensor, with fields of one point, and follow its last axes."""
        shape = tuple(x.shape[-num_axes:])
        self._fields[id(x)] = (x, Field((1,) * num_axes, (1,) * num_axes, shape))

    def field_of(self, x: Tensor) -> Field | None:
        """Field of the units of a tensor; None if they depend on the whole input, or if it was not followed."""
        return self._fields.get(id(x), (x, None))[1]

    def passed(self, layer: nn.Conv1d | nn.Conv2d, x: Tensor, output: Tensor) -> None:
        """Record a convolution by its settings, however it is computed internally."""
        if id(x) in self._fields:
            field = self.field_of(x)
            self._set(output, _windowed(field, layer.kernel_size, layer.stride, layer.dilation, output))

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        inputs = [leaf for leaf in tree_leaves((args, kwargs or {})) if isinstance(leaf, Tensor)]
        followed = [self._fields[id(x)][1] for x in inputs if id(x) in self._fields]
        if followed:
            for output in tree_leaves(result):
                if isinstance(output, Tensor):
                    self._set(output, _after(func, args, followed, output))
        return result

    def _set(self, x: Tensor, field: Field | None) -> None:
        self._fields[id(x)] = (x, field)


def _after(func: Any, args: Sequence[Any], followed: Sequence[Field | None], output: Tensor) -> Field | None:
    """Field after one operation of PyTorch."""
    known = [field for field in followed if field is not None]
    if len(known) < len(followed):
        return None
    windows = _windows_of(func, args)
    if windows is not None:
        return _windowed(known[0], *windows, output)
    shape = tuple(output.shape[-len(known[0].shape) :])
    if func is _aten.constant_pad_nd.default:
        return known[0]._replace(shape=shape)
    if func.overloadpacket.__name__ in _MIXING or any(field.shape != shape for field in known):
        return None
    sizes, steps = (
        tuple(max(values) for values in zip(*parts, strict=True))
        for parts in ([field.sizes for field in known], [field.steps for field in known])
    )
    return Field(sizes, steps, shape)


def _windows_of(func: Any, args: Sequence[Any]) -> tuple[Sequence[Any], Sequence[Any], Sequence[Any]] | None:
    """Kernel, stride and dilation of an operation with windows; None for any other."""
    if func is _aten.convolution.default and not args[6]:  # not transposed
        return args[1].shape[2:], args[3], args[5]
    if func in (_aten.max_pool2d_with_indices.default, _aten.avg_pool2d.default):
        stride = args[2] if len(args) > 2 and args[2] else args[1]
        dilates = func is _aten.max_pool2d_with_indices.default and len(args) > 4
        return args[1], stride, args[4] if dilates else (1, 1)
    return None


def _windowed(
    field: Field | None, kernel: Sequence[Any], stride: Sequence[Any], dilation: Sequence[Any], output: Tensor
) -> Field | None:
    """Field after a layer with windows; None if it does not have as many axes as are followed."""
    num_axes = len(kernel)
    if field is None or num_axes != len(field.sizes):
        return None
    # PyTorch gives one number if it is the same for all axes.
    stride, dilation = (list(values) * (num_axes if len(values) == 1 else 1) for values in (stride, dilation))
    sizes = tuple(r + (k - 1) * d * j for r, k, d, j in zip(field.sizes, kernel, dilation, field.steps, strict=True))
    steps = tuple(j * s for j, s in zip(field.steps, stride, strict=True))
    return Field(sizes, steps, tuple(output.shape[-num_axes:]))
