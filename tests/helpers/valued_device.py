"""A pretend GPU whose tensors have values: they lie in the CPU's memory and say that they are on "cuda".

Code that reads results back (`.cpu()`, `.item()`, shapes that depend on values) runs to its end and can be compared
with the CPU. A tensor of the CPU among those of the device is refused as a GPU would. No gradients: see
`tests.helpers.pretend_device` for those.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map, tree_map_only

DEVICE = torch.device("cuda", 0)
COPYING = {"aten::_to_copy", "aten::copy_"}
READING = {"aten::_local_scalar_dense", "aten::nonzero", "aten::equal", "aten::is_nonzero", "aten::allclose"}
"""Operators for which the host waits until the device has computed what they read."""


class OnDevice(Tensor):
    """A tensor that says that it is on the GPU, with its values in a tensor on the CPU."""

    values: Tensor

    @staticmethod
    def __new__(cls, values: Tensor) -> "OnDevice":
        with torch.inference_mode(values.is_inference()):  # in inference mode a view of a normal tensor is normal
            made = Tensor._make_wrapper_subclass(
                cls,
                values.size(),
                strides=values.stride(),
                storage_offset=values.storage_offset(),
                dtype=values.dtype,
                device=DEVICE,
            )
        made.values = values
        return made

    def __repr__(self, **_: Any) -> str:
        return f"OnDevice({self.values!r})"

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _run(func, args, kwargs or {})


class ValuedDevice(TorchDispatchMode):
    """Context in which tensors can be made on the device or moved there.

    Attributes:
        waits: how often the host waited for the device, by operator.
    """

    def __init__(self) -> None:
        super().__init__()
        self.waits: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if _is_composed(func):  # in inference mode composed operators arrive whole
            with self:
                return func.decompose(*args, **kwargs)
        result = _run(func, args, kwargs)
        name = func._schema.name
        from_device = any(isinstance(value, OnDevice) for value in args)
        to_cpu = name == "aten::_to_copy" and isinstance(result, Tensor) and not isinstance(result, OnDevice)
        by_mask = name == "aten::index" and any(index is not None and index.dtype == torch.bool for index in args[1])
        if from_device and (name in READING or to_cpu or by_mask):
            self.waits[name] += 1
        return result


@contextmanager
def valued_gpu() -> Iterator[ValuedDevice]:
    """Context in which "cuda" is such a device."""
    if not torch.cuda.is_available():
        torch._C._ensureCUDADeviceGuardSet()
    # `.to("cuda")` starts the CUDA runtime, before it comes to the operators.
    without_cudnn = torch.backends.cudnn.flags(enabled=False)  # whose operators the CPU does not have
    with mock.patch("torch.cuda._lazy_init"), without_cudnn, ValuedDevice() as mode:
        before = torch._C._only_lift_cpu_tensors()
        torch._C._set_only_lift_cpu_tensors(True)  # `torch.tensor(..., device="cuda")` copies by an operator
        try:
            yield mode
        finally:
            torch._C._set_only_lift_cpu_tensors(before)


def move_to_valued(module: nn.Module) -> nn.Module:
    """Move a module to the device; for inference, and without kernels of our own, which want a GPU."""
    for part in module.modules():
        if hasattr(part, "fused"):
            part.fused = False  # type: ignore[assignment]
        for name, parameter in part._parameters.items():
            if parameter is not None:
                part._parameters[name] = nn.Parameter(OnDevice(parameter.detach()), requires_grad=False)
        for name, buffer in part._buffers.items():
            if buffer is not None:
                part._buffers[name] = OnDevice(buffer)
    return module


def _run(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    name = func._schema.name
    given = [value for value in _tensors((args, kwargs))]
    wanted = kwargs.get("device")
    is_wanted = wanted is not None and torch.device(wanted).type == DEVICE.type
    has_device = any(isinstance(value, OnDevice) for value in given)
    strangers = [value for value in given if not isinstance(value, OnDevice) and value.ndim > 0]
    if has_device and strangers and name not in COPYING:
        raise RuntimeError(
            f"{name}: expected all tensors on {DEVICE}, found one of shape {tuple(strangers[0].shape)} on the CPU"
        )
    inner_kwargs = {**kwargs, "device": torch.device("cpu")} if wanted is not None else kwargs
    inner_args, inner_kwargs = tree_map_only(OnDevice, lambda value: value.values, (args, inner_kwargs))
    result = func(*inner_args, **inner_kwargs)
    if name == "aten::_to_copy" and wanted is not None:
        result = result.clone() if result is inner_args[0] else result
        return OnDevice(result) if is_wanted else result
    if wanted is not None and not is_wanted:
        return result
    if not (has_device or is_wanted):
        return result
    same = {id(value.values): value for value in given if isinstance(value, OnDevice)}
    return tree_map(lambda value: same.get(id(value), OnDevice(value)) if isinstance(value, Tensor) else value, result)


def _is_composed(func: Any) -> bool:
    return torch._C._dispatch_has_kernel_for_dispatch_key(func.name(), "CompositeImplicitAutograd")


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, (list, tuple)):
        for each in value:
            yield from _tensors(each)
    elif isinstance(value, dict):
        yield from _tensors(list(value.values()))
