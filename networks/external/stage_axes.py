"""Which axes of a stage's output are time and batch: found by running the network, or declared."""

import fnmatch
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn

TimeAxis = int | Literal["none", "calls"]
"""Index of the time axis; "none" for outputs without time; "calls" for a module that is called at every time step."""
# Two batch sizes and two lengths of sound: the axis that changes with one of them is the batch or time axis.
_NUM_SOUNDS = (2, 3)
_SHORTER = 0.75


class Axes(NamedTuple):
    """Axes of a stage's output.

    Attributes:
        batch: Index of the batch axis.
        time: Time axis, see `TimeAxis`.
    """

    batch: int
    time: TimeAxis


def first_tensor(output: object) -> Tensor | None:
    """Find the activation in the output of a module: the first tensor of a tuple, list, dictionary or dataclass.

    This is the output at all times for an LSTM, `(output, (h, c))`; the hidden state for an LSTM cell, `(h, c)`; and
    the hidden states for a transformer layer, `(hidden states, attention)`.

    Args:
        output: Output of a module.

    Returns:
        The tensor; None if there is none, or if it is a packed sequence, which has no batch axis.
    """
    if isinstance(output, Tensor):
        return output
    if isinstance(output, nn.utils.rnn.PackedSequence):
        return None
    if isinstance(output, Mapping):  # such as the outputs of transformers
        output = tuple(output.values())
    elif not isinstance(output, (tuple, list)) and hasattr(output, "__dataclass_fields__"):
        output = tuple(vars(output).values())
    if isinstance(output, (tuple, list)):
        found = (first_tensor(item) for item in output)
        return next((tensor for tensor in found if tensor is not None), None)
    return None


def average_over_axes(activation: Tensor, axes: Axes) -> Tensor:
    """Average an activation over time and flatten all other axes but the batch.

    Args:
        activation: Tensor of any shape with a batch axis.
        axes: Axes of the activation.

    Returns:
        (B, D) float32. For (B, C, F, N) with time last, feature `c * F + f` is channel c at band f.
    """
    activation = activation.float().movedim(axes.batch, 0)
    if isinstance(axes.time, int):
        # Moving the batch axis to the front moved the axes before it by one.
        axis = axes.time + 1 if axes.time < axes.batch else axes.time
        activation = activation.mean(dim=axis)
    return activation.reshape(len(activation), -1)


def find_axes(
    run: Callable[[Tensor], Any],
    modules: Mapping[str, nn.Module],
    *,
    num_samples: int,
    time_axis: TimeAxis | Mapping[str, TimeAxis] | None,
) -> dict[str, Axes]:
    """Find the axes of the output of every stage by running the network on noise.

    The batch axis grows with the number of sounds, and the time axis shrinks with shorter sounds. If the network only
    accepts one length, or its outputs do not depend on the length, the time axis is known for recurrent layers and
    cells and for outputs with four axes (the last one). Outputs with two axes have none. Any other must be declared.

    Args:
        run: The network, called with waveforms (B, T).
        modules: Submodule of each stage.
        num_samples: Samples of a sound, T.
        time_axis: Time axis of all stages, or of those whose names match a pattern. None finds it. Negative indices
            count from the end.

    Returns:
        Axes of each stage, in the order in which the forward pass reaches them.

    Raises:
        ValueError: If a stage is not reached, is called several times or returns no tensor, or if its axes cannot be
            found or differ from the declared ones.
    """
    few, more = (_outputs(run, modules, num_sounds, num_samples) for num_sounds in _NUM_SOUNDS)
    missing = [stage for stage in modules if stage not in few]
    if missing:
        raise ValueError(f"stage {missing[0]!r} is not reached by the network's forward pass")
    declared = {stage: _declared(stage, time_axis) for stage in few}
    for stage, pattern in _unused_patterns(tuple(few), time_axis):
        raise ValueError(
            f"time_axis is declared for {pattern!r}, but no stage has such a name; the first stage is {stage!r}"
        )
    shorter: dict[str, list[Tensor]] = {}
    if any(axis is None for axis in declared.values()):
        try:
            shorter = _outputs(run, modules, _NUM_SOUNDS[0], int(_SHORTER * num_samples))
        except (RuntimeError, ValueError, IndexError, TypeError, AssertionError):
            shorter = {}  # the network accepts one length only; time axes follow from the kind of module
    return {
        stage: _axes_of(
            stage,
            modules[stage],
            few[stage],
            more[stage],
            shorter=shorter.get(stage, []),
            declared=declared[stage],
        )
        for stage in few
    }


def _axes_of(
    stage: str,
    module: nn.Module,
    few: list[Tensor],
    more: list[Tensor],
    *,
    shorter: list[Tensor],
    declared: TimeAxis | None,
) -> Axes:
    """Find the axes of one stage from its outputs (one per call) for both batch sizes and for shorter sounds."""
    shape = tuple(few[0].shape)
    time: TimeAxis | None = declared
    if time is None and isinstance(module, nn.RNNCellBase):
        time = "calls"
    if len(few) > 1 and time != "calls":
        raise ValueError(
            f"stage {stage!r} is called {len(few)} times in a forward pass: if once per time step, declare "
            f"time_axis={{{stage!r}: 'calls'}}; otherwise name modules that are called once"
        )
    batch = _changed(shape, tuple(more[0].shape))
    if len(batch) != 1 or shape[batch[0]] != _NUM_SOUNDS[0]:
        raise ValueError(
            f"stage {stage!r} has no axis for the batch: its output has shape {shape} for {_NUM_SOUNDS[0]} sounds "
            f"and {tuple(more[0].shape)} for {_NUM_SOUNDS[1]}"
        )
    if time is None and shorter and len(shape) > 2:
        changed = _changed(shape, tuple(shorter[0].shape))
        time = changed[0] if len(changed) == 1 else None
    if time is None:
        time = _time_of_kind(module, shape)
    if isinstance(time, int):
        if not -len(shape) <= time < len(shape) or time % len(shape) == batch[0]:
            raise ValueError(f"stage {stage!r}: axis {time} of its output of shape {shape} cannot be time")
        time = time % len(shape)
    if time is None:
        raise ValueError(
            f"cannot tell which axis of stage {stage!r} is time: its output has shape {shape} for {shape[batch[0]]} "
            f"sounds; declare time_axis={{{stage!r}: AXIS}} or 'none'"
        )
    return Axes(batch[0], time)


def _time_of_kind(module: nn.Module, shape: tuple[int, ...]) -> TimeAxis | None:
    """Infer the time axis from the kind of module and the number of axes."""
    if len(shape) <= 2:
        return "none"
    if isinstance(module, nn.RNNBase):
        return 1 if module.batch_first else 0
    return -1 if len(shape) == 4 else None


def _declared(stage: str, time_axis: TimeAxis | Mapping[str, TimeAxis] | None) -> TimeAxis | None:
    if not isinstance(time_axis, Mapping):
        return time_axis
    return next((axis for pattern, axis in time_axis.items() if fnmatch.fnmatchcase(stage, pattern)), None)


def _unused_patterns(
    stages: tuple[str, ...], time_axis: TimeAxis | Mapping[str, TimeAxis] | None
) -> Iterator[tuple[str, str]]:
    """Find patterns that no stage matches, each with an example of a stage."""
    for pattern in time_axis if isinstance(time_axis, Mapping) else ():
        if not fnmatch.filter(stages, pattern):
            yield stages[0], pattern


def _changed(one: tuple[int, ...], other: tuple[int, ...]) -> list[int]:
    if len(one) != len(other):
        return []
    return [axis for axis, sizes in enumerate(zip(one, other, strict=True)) if sizes[0] != sizes[1]]


def _outputs(
    run: Callable[[Tensor], Any], modules: Mapping[str, nn.Module], num_sounds: int, num_samples: int
) -> dict[str, list[Tensor]]:
    """Record the outputs of each stage's module in a forward pass, one per call, in the order of the first calls."""
    outputs: dict[str, list[Tensor]] = {}
    noise = 0.1 * torch.randn(num_sounds, num_samples, generator=torch.Generator().manual_seed(0))
    with _listening(modules, outputs), torch.no_grad():
        run(noise)
    return outputs


@contextmanager
def _listening(modules: Mapping[str, nn.Module], outputs: dict[str, list[Tensor]]) -> Iterator[None]:
    def hook_for(stage: str) -> Callable[[nn.Module, tuple, object], None]:
        def listen(_module: nn.Module, _inputs: tuple, output: object) -> None:
            tensor = first_tensor(output)
            if tensor is None:
                raise _NoTensor(f"stage {stage!r} gives no tensor but a {type(output).__name__}")
            outputs.setdefault(stage, []).append(tensor)

        return listen

    handles = [module.register_forward_hook(hook_for(stage)) for stage, module in modules.items()]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


class _NoTensor(ValueError):
    """A stage that returns no tensor."""
