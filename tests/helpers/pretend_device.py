"""A GPU that is not there: code runs on tensors of device "cuda" that hold no numbers.

    module = make_module()
    with pretend_gpu() as gpu:
        move_to(gpu, module)
        with NoTransfers():
            module(torch.randn(128, 40_000, device="cuda")).sum().backward()

What a GPU would refuse is refused (tensors of two devices in one operator), and so is what would make it wait:
`.item()`, `float(tensor)`, `if tensor`, `.numpy()`, boolean indices, and copies between devices.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from unittest import mock

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

DEVICE = "cuda"


class TransferError(AssertionError):
    """A copy between devices where none should be."""


@contextmanager
def pretend_gpu() -> Iterator[FakeTensorMode]:
    """Context in which tensors on "cuda" can be made and computed with, on any machine, the backward pass included."""
    with (
        FakeTensorMode() as mode,
        mock.patch.object(torch.autograd, "backward", backward),
        mock.patch.object(torch.autograd, "grad", grad),
        # Without a GPU, autocast for "cuda" switches itself off.
        mock.patch("torch.cuda.amp.common.amp_definitely_not_available", return_value=False),
        mock.patch("torch.cuda.is_bf16_supported", return_value=True),
    ):
        yield mode


def move_to(gpu: FakeTensorMode, module: nn.Module) -> nn.Module:
    """Move a module of real tensors to the pretend GPU: lazy layers, for one, cannot be made there."""
    module._apply(lambda tensor: gpu.from_tensor(tensor).to(DEVICE))  # not `.to`, which swaps pretend tensors in place
    if hasattr(module, "_device"):  # a LightningModule remembers where it was moved
        module._device = torch.device(DEVICE, 0)  # type: ignore[assignment]
    return module


class NoTransfers(TorchDispatchMode):
    """Context in which copies between devices raise TransferError; numbers of the host may go to the device."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        name = func._schema.name
        if name == "aten::_to_copy":
            self._check(args[0], result)
        elif name == "aten::copy_":
            self._check(args[1], args[0])
        return result

    def _check(self, source: Tensor, target: Tensor) -> None:
        is_upload_of_number = source.ndim == 0 and source.device.type == "cpu"
        if source.device != target.device and not is_upload_of_number:
            raise TransferError(f"{tuple(source.shape)} {source.dtype} copied from {source.device} to {target.device}")


def backward(
    tensors: Tensor | Sequence[Tensor],
    grad_tensors: Tensor | Sequence[Tensor | None] | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    grad_variables: None = None,
    inputs: Sequence[Tensor] | None = None,
) -> None:
    """`torch.autograd.backward` for pretend tensors: the engine of PyTorch asks the CUDA runtime for its streams."""
    if create_graph or inputs is not None:
        raise NotImplementedError("create_graph and inputs")
    with torch.no_grad():
        for variable, gradient in _gradients(_listed(tensors), _listed(grad_tensors)):
            variable.grad = gradient if variable.grad is None else variable.grad + gradient


def grad(
    outputs: Tensor | Sequence[Tensor],
    inputs: Tensor | Sequence[Tensor],
    grad_outputs: Tensor | Sequence[Tensor | None] | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    allow_unused: bool | None = None,
    is_grads_batched: bool = False,
    materialize_grads: bool = False,
) -> tuple[Tensor | None, ...]:
    """`torch.autograd.grad` for pretend tensors that are leaves."""
    if create_graph or is_grads_batched or materialize_grads:
        raise NotImplementedError("create_graph, is_grads_batched and materialize_grads")
    with torch.no_grad():
        found = {id(leaf): gradient for leaf, gradient in _gradients(_listed(outputs), _listed(grad_outputs))}
    return tuple(found.get(id(leaf)) for leaf in _listed(inputs))


def _listed(tensors: Tensor | Iterable[Any] | None) -> list[Any]:
    if tensors is None:
        return []
    return [tensors] if isinstance(tensors, Tensor) else list(tensors)


def _gradients(outputs: list[Tensor], grad_outputs: list[Tensor | None]) -> Iterator[tuple[Tensor, Tensor]]:
    """Leaves of the graph with their gradients: its nodes are called one after another, from the outputs down."""
    received: dict[Any, dict[int, Tensor]] = defaultdict(dict)
    for index, output in enumerate(outputs):
        given = grad_outputs[index] if grad_outputs else None
        if output.grad_fn is None:
            raise RuntimeError("the output does not require a gradient")
        _receive(received, output.grad_fn, output.output_nr, torch.ones_like(output) if given is None else given)
    for node in _from_the_outputs_down([output.grad_fn for output in outputs]):
        if node not in received:
            continue
        gradients = received.pop(node)
        if hasattr(node, "variable"):
            yield node.variable, gradients[0]
            continue
        num_inputs = len(node._input_metadata)
        arguments = [gradients.get(position) for position in range(num_inputs)]
        results = _call(node, arguments)
        for (following, position), gradient in zip(node.next_functions, results, strict=False):
            if following is not None and gradient is not None:
                _receive(received, following, position, gradient)


def _call(node: Any, gradients: list[Tensor | None]) -> tuple[Tensor | None, ...]:
    if isinstance(node, torch.autograd.function.BackwardCFunction):  # of a class in Python, whose engine fills in zeros
        filled = [
            torch.zeros(metadata.shape, dtype=metadata.dtype, device=metadata.device) if gradient is None else gradient
            for gradient, metadata in zip(gradients, node._input_metadata, strict=True)
        ]
        results = node.apply(*filled)
    else:
        results = node(*gradients)
    return results if isinstance(results, tuple) else (results,)


def _receive(received: dict[Any, dict[int, Tensor]], node: Any, position: int, gradient: Tensor) -> None:
    """Add a gradient to what a node has been given, in the shape and type of its input."""
    metadata = node._input_metadata[position]
    if gradient.device != metadata.device:
        raise RuntimeError(f"gradient on {gradient.device} for an input of {node.name()} on {metadata.device}")
    if gradient.shape != metadata.shape:
        gradient = gradient.sum_to_size(metadata.shape)
    gradient = gradient.to(metadata.dtype)
    so_far = received[node].get(position)
    received[node][position] = gradient if so_far is None else so_far + gradient


def _from_the_outputs_down(roots: list[Any]) -> list[Any]:
    """Nodes in an order in which each comes after all that give it gradients."""
    order: list[Any] = []
    seen: set[Any] = set()
    stack = [(root, False) for root in roots]
    while stack:
        node, is_finished = stack.pop()
        if is_finished:
            order.append(node)
        elif node not in seen:
            seen.add(node)
            stack.append((node, True))
            stack += [(following, False) for following, _ in node.next_functions if following is not None]
    return order[::-1]
