"""Outputs of a network's stages, recorded during forward passes."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn


class StageError(ValueError):
    """A stage that the network does not have, or with activations that cannot be used."""


def average_over_time(activation: Tensor) -> Tensor:
    """Average an activation over time and flatten it, channel by channel.

    Args:
        activation: (B, C, F, N) with time last, or (B, D) without time.

    Returns:
        (B, C * F) or (B, D) in float32; feature `c * F + f` is channel c at frequency f.
    """
    activation = activation.float()
    if activation.ndim > 2:
        activation = activation.mean(dim=-1)
    return activation.flatten(start_dim=1)


def keep_time(activation: Tensor) -> Tensor:
    """Flatten all axes of an activation but batch and time, channel by channel.

    Args:
        activation: (B, C, F, N) with time last, or (B, D) without time.

    Returns:
        A copy (B, C * F, N), or (B, D, 1), in float32.
    """
    activation = activation.detach().to(torch.float32, copy=True)
    return activation[:, :, None] if activation.ndim == 2 else activation.flatten(1, -2)


class Recorded(threading.local):
    """Outputs of the stages in the current forward pass; each thread has its own."""

    def __init__(self, net: nn.Module, average: bool) -> None:
        self._reduce: Callable[[str, Any], Tensor] | None = getattr(
            net, "average_stage" if average else "timed_stage", None
        )
        if self._reduce is None and hasattr(net, "average_stage"):
            raise StageError(
                f"{type(net).__name__} averages the outputs of its modules itself (average_stage): for activations in "
                "time it must also have timed_stage(stage, output), which returns (B, D, N)"
            )
        self._is_averaged = average
        self._stepped: frozenset[str] = getattr(net, "stepped_stages", frozenset())
        self._found: dict[str, list[Tensor]] = {}
        self._num_calls: dict[str, int] = {}

    def clear(self) -> None:
        """Forget the last forward pass."""
        self._found.clear()
        self._num_calls.clear()

    def add(self, stage: str, output: Any) -> None:
        """Keep a stage's output; reduced or copied immediately, as later modules may modify it in place."""
        if self._reduce is None:
            self._found[stage] = [average_over_time(output.detach()) if self._is_averaged else keep_time(output)]
            return
        calls = self._found.setdefault(stage, [])
        if calls and stage not in self._stepped:
            raise StageError(f"the module of stage {stage!r} was called several times in one forward pass")
        self._num_calls[stage] = self._num_calls.get(stage, 0) + 1
        found = self._reduce(stage, output)
        if not self._is_averaged:
            calls.append(found.detach().to(torch.float32, copy=True))
        elif calls:
            calls[0] = calls[0] + found
        else:
            calls.append(found)

    def of_stage(self, stage: str) -> Tensor | None:
        """Activation (B, D) averaged over the stage's calls, or (B, D, N) with its calls in order; None if missing."""
        calls = self._found.get(stage)
        if not calls:
            return None
        if not self._is_averaged:
            return calls[0] if len(calls) == 1 else torch.cat(calls, dim=-1)
        num_calls = self._num_calls.get(stage, 1)
        return calls[0] if num_calls == 1 else calls[0] / num_calls


@contextmanager
def recording(net: nn.Module, stages: Sequence[str], *, average: bool = True) -> Iterator[Recorded]:
    """Record the output of each stage's module during forward passes, averaged over time or not."""
    recorded = Recorded(net, average)
    modules = net.stage_modules()  # type: ignore[operator]

    def hook_for(stage: str) -> Callable[[nn.Module, tuple, Any], None]:
        def record(_module: nn.Module, _inputs: tuple, output: Any) -> None:
            recorded.add(stage, output)

        return record

    handles = [modules[stage].register_forward_hook(hook_for(stage)) for stage in stages]
    try:
        # Compiled code ignores hooks that are registered after compilation.
        with torch.compiler.set_stance("force_eager"):
            yield recorded
    finally:
        for handle in handles:
            handle.remove()
