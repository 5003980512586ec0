"""Time-averaged activations of a network's stages, the features of all metrics."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.backends import cuda, cudnn

from datamodules.progress import ReportProgress
from evaluate.options import DEFAULT_BATCH_SIZE
from evaluate.workers import Workers
from networks.stages import HasStages
from networks.training_flags import evaluation_mode


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


def resolve_stages(net: HasStages, stages: Sequence[str] | None) -> tuple[str, ...]:
    """Check the names of stages and put them in the network's order.

    Args:
        net: Network with `stages`.
        stages: Names, or None for all stages.

    Returns:
        The selected stages, each once, in the network's order.

    Raises:
        StageError: A name is not a stage, or there are no names; the message lists the stages.
    """
    known = tuple(net.stages)
    if stages is None:
        return known
    unknown = [stage for stage in stages if stage not in known]
    if unknown or not stages:
        asked = ", ".join(repr(stage) for stage in unknown) or "none"
        raise StageError(f"unknown stage {asked}: expected stages of this network, {', '.join(known)}")
    return tuple(stage for stage in known if stage in stages)


def stage_activations(
    net: nn.Module,
    waveforms: np.ndarray | Tensor,
    *,
    stages: Sequence[str] | None = None,
    batch_size: int = DEFAULT_BATCH_SIZE,
    device: torch.device | str | None = None,
    progress: ReportProgress | None = None,
) -> dict[str, np.ndarray]:
    """Record the time-averaged activations of each stage of a network for each sound.

    The network runs in evaluation mode, in float32, without autocast, gradients or compiled code. Its state is restored
    even if an error is raised: hooks are removed, and every module keeps its training flag.

    On a CPU, batches run in parallel on as many threads as PyTorch uses, each on one core. The activations are bitwise
    equal for any number of threads, which is not the case if a single operation is divided among threads.

    Args:
        net: Network with `stages` and `stage_modules()`, such as `networks.AuditoryNetwork`.
        waveforms: (S, T) sounds at the network's sample rate.
        stages: Stages to record, or None for all.
        batch_size: Sounds per forward pass; memory grows with it and with the number of threads.
        device: Device of the sounds; None for that of the network's parameters. The network is not moved.
        progress: Called after each batch as `progress("activations", num_done, num_total)`.

    Returns:
        Features (S, D) in float32 by stage, in the network's order and channel-major (see `average_over_time`).

    Raises:
        StageError: A stage is unknown, was not reached, or its activations are not finite; the message names it.
        ValueError: `waveforms` is not two-dimensional or is empty, or `batch_size` is below 1.
    """
    sounds = torch.as_tensor(waveforms)
    if sounds.ndim != 2 or len(sounds) == 0:
        raise ValueError(f"waveforms have shape {tuple(sounds.shape)}, expected (stimuli, samples), not empty")
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, got {batch_size}")
    wanted = resolve_stages(net, stages)  # type: ignore[arg-type]
    device = torch.device(device) if device is not None else device_of(net)
    features: dict[str, list[np.ndarray]] = {stage: [] for stage in wanted}
    starts = range(0, len(sounds), batch_size)
    with evaluation_mode(net), _exact_float32(), _recording(net, wanted) as recorded, Workers(device) as workers:

        @torch.inference_mode()  # inside the function, as the mode is local to a thread
        def features_of_batch(start: int) -> dict[str, np.ndarray]:
            recorded.clear()
            batch = sounds[start : start + batch_size].to(device, torch.float32)
            with torch.autocast(device.type, enabled=False):
                net(batch)
            return {stage: _checked(recorded, stage, start, len(batch)) for stage in wanted}

        for start, found in zip(starts, workers.map(features_of_batch, starts), strict=True):
            for stage in wanted:
                features[stage].append(found[stage])
            if progress:
                progress("activations", min(start + batch_size, len(sounds)), len(sounds))
    return {stage: np.concatenate(parts) for stage, parts in features.items()}


def device_of(net: nn.Module) -> torch.device:
    """Return the device of a network's first parameter or buffer; the CPU if it has none."""
    for tensor in (*net.parameters(), *net.buffers()):
        return tensor.device
    return torch.device("cpu")


def _checked(recorded: "_Recorded", stage: str, start: int, num_sounds: int) -> np.ndarray:
    """Return one stage's features of a batch, after checking that they are complete and finite."""
    averaged = recorded.of_stage(stage)
    if averaged is None:
        raise StageError(f"stage {stage!r} was not reached by the network's forward pass")
    if len(averaged) != num_sounds:
        raise StageError(f"stage {stage!r} gave activations of {len(averaged)} sounds for a batch of {num_sounds}")
    features = averaged.cpu().numpy()
    broken = np.flatnonzero(~np.isfinite(features).all(axis=1))
    if broken.size:
        raise StageError(
            f"stage {stage!r} has activations that are not finite, first for stimulus {start + broken[0]}: "
            "the network has diverged, or its weights are damaged; use another checkpoint"
        )
    return features


class _Recorded(threading.local):
    """Time-averaged outputs of the stages in the current forward pass; each thread has its own."""

    def __init__(self, net: nn.Module) -> None:
        self._average: Callable[[str, Any], Tensor] | None = getattr(net, "average_stage", None)
        self._stepped: frozenset[str] = getattr(net, "stepped_stages", frozenset())
        self._sums: dict[str, Tensor] = {}
        self._num_calls: dict[str, int] = {}

    def clear(self) -> None:
        """Forget the last forward pass."""
        self._sums.clear()
        self._num_calls.clear()

    def add(self, stage: str, output: Any) -> None:
        """Keep a stage's time-averaged output; averaged immediately, as later modules may modify it in place."""
        if self._average is None:
            self._sums[stage] = average_over_time(output.detach())
            return
        averaged = self._average(stage, output)
        if stage in self._sums:
            if stage not in self._stepped:
                raise StageError(f"the module of stage {stage!r} was called several times in one forward pass")
            averaged = averaged + self._sums[stage]
        self._sums[stage] = averaged
        self._num_calls[stage] = self._num_calls.get(stage, 0) + 1

    def of_stage(self, stage: str) -> Tensor | None:
        """Average (B, D) of a stage over its calls; None if it was not reached."""
        total = self._sums.get(stage)
        num_calls = self._num_calls.get(stage, 1)
        return total if total is None or num_calls == 1 else total / num_calls


@contextmanager
def _recording(net: nn.Module, stages: Sequence[str]) -> Iterator[_Recorded]:
    """Record the time-averaged output of each stage's module during forward passes."""
    recorded = _Recorded(net)
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


@contextmanager
def _exact_float32() -> Iterator[None]:
    """Prevent a GPU from rounding products to TF32 (1e-3 relative) and from choosing kernels by timing."""
    wanted: list[tuple[Any, str, Any]] = [
        (cudnn.conv, "fp32_precision", "ieee"),  # type: ignore[attr-defined]
        (cuda.matmul, "fp32_precision", "ieee"),
        (cudnn, "benchmark", False),
        (cudnn, "deterministic", True),
    ]
    before = [getattr(owner, name) for owner, name, _ in wanted]
    try:
        for owner, name, value in wanted:
            setattr(owner, name, value)
        yield
    finally:
        for (owner, name, _), value in zip(wanted, before, strict=True):
            setattr(owner, name, value)
