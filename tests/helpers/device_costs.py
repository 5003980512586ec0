"""Count what a computation costs a device: kernels and bytes, on real tensors or pretend ones.

    with FakeTensorMode():
        front_end = Cochleagram().to("cuda")
        waveforms = torch.randn(128, 40_000, device="cuda")
        print(costs(front_end, waveforms))

Under `torch._subclasses.fake_tensor.FakeTensorMode` nothing is computed and no device is needed.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

# Operators that allocate, ask or rename, and start no kernel although their schemas are not those of views.
FREE = {
    "aten::_nested_tensor_from_mask",
    "aten::_reshape_alias",
    "aten::_unsafe_view",
    "aten::empty",
    "aten::empty_like",
    "aten::empty_permuted",
    "aten::empty_strided",
    "aten::is_same_size",
    "aten::lift_fresh",
    "aten::new_empty",
    "aten::new_empty_strided",
    "aten::resize_",
    "aten::set_",
    "prim::device",
}
# In-place operators that do not read what they overwrite.
OVERWRITING = {"aten::copy_", "aten::fill_", "aten::zero_", "aten::normal_", "aten::uniform_", "aten::random_"}


@dataclass
class Costs:
    """Cost of a computation.

    Attributes:
        kernels: operators that compute or copy, one kernel each.
        bytes: bytes they read and write.
        operators: the same by the name of the operator ("aten.mul.Tensor"); empty in its entries.
    """

    kernels: int = 0
    bytes: int = 0
    operators: dict[str, "Costs"] = field(default_factory=dict, repr=False)


def costs(function: Callable[..., object], *args: Any, **kwargs: Any) -> Costs:
    """Call a function and count its kernels and bytes, see :class:`CostCounter`."""
    with CostCounter() as counter:
        function(*args, **kwargs)
    return counter.costs


class CostCounter(TorchDispatchMode):
    """Counts what is computed in its context; of autograd, the operators that the backward pass calls.

    - Each operator that computes or copies is one kernel. What a library does within it is not seen: a long FFT or a
      convolution can be several kernels.
    - It reads each tensor argument and writes each result in full, once: elements times bytes of an element, where an
      expanded dimension counts as one element. So gathering reads its source once, however often an element is taken.
      What an in-place operator changes is read and written; `copy_`, `fill_` and the like only write it.
    - Views, allocations and questions about metadata are free; so are operators on numbers of the host alone (tensors
      without dimensions on the CPU).
    - Operators that PyTorch composes of others count as these. A custom operator is one kernel, and so is a
      `_foreach_` or fused one.

    Enter it inside of FakeTensorMode, not around it. What :func:`torch.compile` fuses is not seen.
    """

    def __init__(self) -> None:
        super().__init__()
        self.costs = Costs()
        self._operators: defaultdict[str, Costs] = defaultdict(Costs)

    def __exit__(self, *exception: Any) -> None:
        super().__exit__(*exception)
        self.costs.operators = dict(sorted(self._operators.items(), key=lambda item: -item[1].bytes))

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is not torch.ops.prim.device.default:
            with self:  # in inference mode composed operators arrive whole
                composed = func.decompose(*args, **kwargs)
            if composed is not NotImplemented:
                return composed
        result = func(*args, **kwargs)
        self._count(func, args, kwargs, result)
        return result

    def _count(self, func: Any, args: Any, kwargs: Any, result: Any) -> None:
        name = func._schema.name
        if func.is_view or name in FREE:
            return
        reads, writes = [], []
        for argument, value in _named(func, args, kwargs):
            tensors = list(_tensors(value))
            is_written = argument.alias_info is not None and argument.alias_info.is_write
            if is_written:
                writes += tensors
            if not is_written or (name not in OVERWRITING and not argument.is_out):
                reads += tensors
        written = {id(tensor) for tensor in writes}
        writes += [tensor for tensor in _tensors(result) if id(tensor) not in written]
        if all(_is_host_number(tensor) for tensor in (*reads, *writes)):
            return
        num_bytes = sum(_bytes(tensor) for tensor in (*reads, *writes))
        for counted in (self.costs, self._operators[str(func)]):
            counted.kernels += 1
            counted.bytes += num_bytes


def _named(func: Any, args: Any, kwargs: Any) -> Iterator[tuple[Any, Any]]:
    """Arguments of the schema that were given, with their values."""
    arguments = func._schema.arguments
    yield from zip(arguments, args, strict=False)
    by_name = {argument.name: argument for argument in arguments}
    yield from ((by_name[name], value) for name, value in kwargs.items() if name in by_name)


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, (list, tuple)):
        for each in value:
            yield from _tensors(each)


def _is_host_number(tensor: Tensor) -> bool:
    return tensor.ndim == 0 and tensor.device.type == "cpu"


def _bytes(tensor: Tensor) -> int:
    num_elements = 1
    for size, stride in zip(tensor.shape, tensor.stride(), strict=True):
        num_elements *= int(size) if stride or not size else 1
    return num_elements * tensor.element_size()
