"""Activations of a network's stages, the features of all metrics."""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.backends import cuda, cudnn

from datamodules.progress import ReportProgress
from evaluate.features.heard_lengths import padding
from evaluate.features.recording import Recorded, StageError, recording
from evaluate.options import DEFAULT_BATCH_SIZE
from evaluate.workers import Workers
from networks.stages import HasStages
from networks.text.wording import counted
from networks.training_flags import evaluation_mode


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
    average: bool = True,
    device: torch.device | str | None = None,
    progress: ReportProgress | None = None,
) -> dict[str, np.ndarray]:
    """Record the activations of each stage of a network for each sound, averaged over time.

    With `average=False`, they keep their time axis: frame n of N covers `[n, n + 1) / N` of the network's input. Each
    stage has its own N; it is 1 for a stage without time, and the number of steps for a recurrent cell. This needs N
    times the memory: record a few stages at a time.

    The network runs in evaluation mode, in float32, without autocast, gradients or compiled code. Its state is restored
    even if an error is raised: hooks are removed, and every module keeps its training flag.

    On a CPU, batches run in parallel on as many threads as PyTorch uses, each on one core. The activations are bitwise
    equal for any number of threads, which is not the case if a single operation is divided among threads.

    Args:
        net: Network with `stages` and `stage_modules()`, such as `networks.AuditoryNetwork`.
        waveforms: (S, T) sounds at the network's sample rate. If they are shorter than its `num_samples`, zeros are
            added at their end, with one warning.
        stages: Stages to record, or None for all.
        batch_size: Sounds per forward pass; memory grows with it and with the number of threads.
        average: Whether to average over time.
        device: Device of the sounds; None for that of the network's parameters. The network is not moved.
        progress: Called after each batch as `progress("activations", num_done, num_total)`.

    Returns:
        Features (S, D), or (S, D, N) with `average=False`, in float32 by stage, in the network's order and
        channel-major (see `average_over_time`).

    Raises:
        StageError: A stage is unknown, was not reached, or its activations are not finite; the message names it.
        ValueError: `waveforms` is not two-dimensional or is empty, or `batch_size` is below 1.
    """
    sounds = torch.as_tensor(waveforms)
    if sounds.ndim != 2 or len(sounds) == 0:
        raise ValueError(f"waveforms have shape {tuple(sounds.shape)}, expected (stimuli, samples), not empty")
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, got {batch_size}")
    sounds = _padded(sounds, net)
    wanted = resolve_stages(net, stages)  # type: ignore[arg-type]
    device = torch.device(device) if device is not None else device_of(net)
    features: dict[str, np.ndarray] = {}
    starts = range(0, len(sounds), batch_size)
    with (
        evaluation_mode(net),
        _exact_float32(),
        recording(net, wanted, average=average) as recorded,
        Workers(device) as workers,
    ):

        @torch.inference_mode()  # inside the function, as the mode is local to a thread
        def features_of_batch(start: int) -> dict[str, np.ndarray]:
            recorded.clear()
            batch = sounds[start : start + batch_size].to(device, torch.float32)
            with torch.autocast(device.type, enabled=False):
                net(batch)
            return {stage: _checked(recorded, stage, start, len(batch)) for stage in wanted}

        for start, found in zip(starts, workers.map(features_of_batch, starts), strict=True):
            for stage, values in found.items():
                array = features.setdefault(stage, np.empty((len(sounds), *values.shape[1:]), np.float32))
                array[start : start + len(values)] = values
            if progress:
                progress("activations", min(start + batch_size, len(sounds)), len(sounds))
    return features


def _padded(sounds: Tensor, net: nn.Module) -> Tensor:
    """Add zeros to sounds (S, T) that are shorter than the network's input, with one warning."""
    missing = int(getattr(net, "num_samples", 0)) - sounds.shape[1]
    if missing <= 0:
        return sounds
    what = f"{counted(len(sounds), 'sound', 'is')} too short"
    warnings.warn(padding(what, sounds.shape[1], net), stacklevel=3)
    return nn.functional.pad(sounds, (0, missing))


def device_of(net: nn.Module) -> torch.device:
    """Return the device of a network's first parameter or buffer; the CPU if it has none."""
    for tensor in (*net.parameters(), *net.buffers()):
        return tensor.device
    return torch.device("cpu")


def _checked(recorded: Recorded, stage: str, start: int, num_sounds: int) -> np.ndarray:
    """Return one stage's features of a batch, after checking that they are complete and finite."""
    activation = recorded.of_stage(stage)
    if activation is None:
        raise StageError(f"stage {stage!r} was not reached by the network's forward pass")
    if len(activation) != num_sounds:
        raise StageError(
            f"stage {stage!r} gave activations of {counted(len(activation), 'sound')} for a batch of {num_sounds}"
        )
    features = activation.cpu().numpy()
    broken = np.flatnonzero(~np.isfinite(features).reshape(num_sounds, -1).all(axis=1))
    if broken.size:
        raise StageError(
            f"stage {stage!r} has activations that are not finite, first for stimulus {start + broken[0]}: "
            "the network has diverged, or its weights are damaged; use another checkpoint"
        )
    return features


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
