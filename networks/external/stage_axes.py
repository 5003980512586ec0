"""Which axis of a stage's output is time, and which the batch: found by looking, or declared."""

import fnmatch
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn

TimeAxis = int | Literal["none", "calls"]
"""Axis of an output that is time; "none" where time is gone; "calls" for a module that is called at every time step."""
# Two batches and two lengths of sound: an axis that changes with one of them is that one's.
_NUM_SOUNDS = (2, 3)
_SHORTER = 0.75


class Axes(NamedTuple):
    """Axes of a stage's output.

    Attributes:
        batch: Axis of the sounds.
        time: Axis of time, see `TimeAxis`.
    """

    batch: int
    time: TimeAxis


def first_tensor(output: object) -> Tensor | None:
    """The activation in what a module returns: the first tensor of a tuple, list, dictionary or dataclass.

    So of an LSTM's `(output, (h, c))` the output at all times, of an LSTM cell's `(h, c)` the hidden state, of a
    transformer layer's `(hidden states, attention)` the hidden states.

    Args:
        output: What a module returned.

    Returns:
        The tensor; None if there is none, or it is a packed sequence, whose sounds have no axis of their own.
    """
    if isinstance(output, Tensor):
        return output
    if isinstance(output, nn.utils.rnn.PackedSequence):
        return None
    if isinstance(output, Mapping):  # as transformers' outputs are
        output = tuple(output.values())
    elif not isinstance(output, (tuple, list)) and hasattr(output, "__dataclass_fields__"):
        output = tuple(vars(output).values())
    if isinstance(output, (tuple, list)):
        found = (first_tensor(item) for item in output)
        return next((tensor for tensor in found if tensor is not None), None)
    return None


def average_over_axes(activation: Tensor, axes: Axes) -> Tensor:
    """Average an activation over time and flatten what is left, sound after sound.

    Args:
        activation: Any shape with a batch axis.
        axes: Its axes.

    Returns:
        (B, D) float32; of (B, C, F, N) with time last, feature `c * F + f` is channel c at band f.
    """
    activation = activation.float().movedim(axes.batch, 0)
    if isinstance(axes.time, int):
        # The batch axis was moved to the front, and axes before it one further.
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
    """Find the axes of every stage's output by running the network on noise.

    The batch is the axis that grows with the number of sounds; time the one that shrinks with shorter sounds. Where
    the network takes one length alone, or its outputs do not follow the length, time is known of recurrent layers and
    cells and of pictures (last axis), and an output of two axes has none; any other has to be declared.

    Args:
        run: The network, on (B, T) waveforms.
        modules: Submodule of every stage.
        num_samples: Samples of a sound, T.
        time_axis: Declared axis of all stages, or of those whose names match a pattern; None finds them. Negative
            axes count from the end.

    Returns:
        Axes of every stage, in the order in which the forward pass reaches them.

    Raises:
        ValueError: Naming a stage that is not reached, is called several times, gives no tensor, or whose axes cannot
            be found or are not as declared.
    """
    few, more = (_outputs(run, modules, num_sounds, num_samples) for num_sounds in _NUM_SOUNDS)
    missing = [stage for stage in modules if stage not in few]
    if missing:
        raise ValueError(f"stage {missing[0]!r} is not reached by the network's forward pass")
    declared = {stage: _declared(stage, time_axis) for stage in few}
    for stage, pattern in _unused_patterns(tuple(few), time_axis):
        raise ValueError(f"time_axis is declared for {pattern!r}, but no stage has such a name, as {stage!r}")
    shorter: dict[str, list[Tensor]] = {}
    if any(axis is None for axis in declared.values()):
        try:
            shorter = _outputs(run, modules, _NUM_SOUNDS[0], int(_SHORTER * num_samples))
        except (RuntimeError, ValueError, IndexError, TypeError, AssertionError):
            shorter = {}  # a network of sounds of one length: its time axes follow from the kind of module
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
    """Axes of one stage from its outputs, one for each call, of both batches and of shorter sounds."""
    shape = tuple(few[0].shape)
    time: TimeAxis | None = declared
    if time is None and isinstance(module, nn.RNNCellBase):
        time = "calls"
    if len(few) > 1 and time != "calls":
        raise ValueError(
            f"stage {stage!r} is called {len(few)} times in a forward pass: if once for each moment, declare "
            f"time_axis={{{stage!r}: 'calls'}}; else name modules that are called once"
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
    """The time axis by what the module is and by the number of axes."""
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
    """Patterns that no stage matches, each with an example of a stage."""
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
    """What each stage's module returns in a forward pass, call after call, stages in the order of their first calls."""
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
    """A stage without activations."""
