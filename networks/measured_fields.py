"""Receptive fields in time, measured by gradients, where they cannot be followed through the operations."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from networks.external.staged import StagedNetwork
from networks.training_flags import evaluation_mode


def measured_fields(network: StagedNetwork, stages: Sequence[str], sound: Tensor) -> dict[str, int | None]:
    """Measure how many samples of the waveform the units of stages depend on.

    The units in the middle of a stage's time axis are summed with random signs. Their gradient is zero at samples on
    which they do not depend, such as those outside the frames of a spectrogram that a convolution reaches. Samples
    that a window weighs with zero do not count. A field that reaches the start or the end of the sound is taken for
    the whole sound, as its other end may lie outside; so is what is normalised by statistics of the whole sound.

    Args:
        network: Network that takes waveforms.
        stages: Stages to measure.
        sound: (1, T) noise.

    Returns:
        Samples by stage: T for the whole sound, None if no gradient reaches the waveform, such as through NumPy.
    """
    waveform = sound.detach().clone().requires_grad_()
    outputs: dict[str, list[Any]] = {}
    try:
        with evaluation_mode(network), torch.enable_grad(), _recorded(network, stages, outputs):
            network(waveform)
        return {stage: _extent(_middle(network, stage, outputs.get(stage, [])), waveform) for stage in stages}
    except (RuntimeError, NotImplementedError):  # layers without gradients, or changed in place
        return dict.fromkeys(stages)


def _middle(network: StagedNetwork, stage: str, calls: Sequence[Any]) -> Tensor:
    """Units (D,) in the middle of a stage's time axis; of the call in the middle, if there are several."""
    timed = network.layouts[stage].timed(calls[len(calls) // 2], 1)  # (1, D, N)
    return timed[0, :, timed.shape[2] // 2]


def _extent(units: Tensor, waveform: Tensor) -> int | None:
    signs = 2.0 * torch.randint(0, 2, units.shape, generator=torch.Generator().manual_seed(0)) - 1
    (gradient,) = torch.autograd.grad((units * signs.to(units)).sum(), waveform, retain_graph=True, allow_unused=True)
    reached = [] if gradient is None else gradient[0].nonzero().flatten().tolist()
    if not reached:
        return None
    is_whole = reached[0] == 0 or reached[-1] == waveform.shape[1] - 1
    return int(waveform.shape[1]) if is_whole else int(reached[-1] - reached[0] + 1)


@contextmanager
def _recorded(network: StagedNetwork, stages: Sequence[str], outputs: dict[str, list[Any]]) -> Iterator[None]:
    def hook_for(stage: str) -> Callable[[nn.Module, tuple, Any], None]:
        def record(_module: nn.Module, _inputs: tuple, output: Any) -> None:
            outputs.setdefault(stage, []).append(output)

        return record

    modules = network.stage_modules()
    handles = [modules[stage].register_forward_hook(hook_for(stage)) for stage in stages]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
