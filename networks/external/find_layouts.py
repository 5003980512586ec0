"""Find the axes of stages' outputs by running the network on noise, where this is sure."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from networks.external.stage_layouts import Layout, first_tensor
from networks.text.wording import counted

# Two batch sizes and two lengths of sound: the axis that changes with one of them is the batch or time axis.
_NUM_SOUNDS = (2, 3)
_SHORTER = 0.75


def find_layouts(
    run: Callable[[Tensor], Any],
    modules: Mapping[str, nn.Module],
    *,
    num_samples: int,
    declared: Mapping[str, Layout],
) -> dict[str, Layout]:
    """Find the axes of the output of every stage by running the network on noise.

    The batch axis grows with the number of sounds, and the time axis shrinks with shorter sounds. If the network only
    accepts one length, or its outputs do not depend on the length, the time axis is known for recurrent layers and
    cells. Outputs with two axes have none. Any other must be declared, as must frames that are folded into the batch.

    Args:
        run: The network, called with waveforms (B, T).
        modules: Submodule of each stage.
        num_samples: Samples of a sound, T.
        declared: Layouts that are known. If these are all, the network runs once, to find the order.

    Returns:
        Layout of each stage, in the order in which the forward pass reaches them.

    Raises:
        ValueError: If a stage is not reached, is called several times or returns no tensor, or if its axes cannot be
            found or differ from the declared ones. The message lists all such stages, and says what to declare.
    """
    few = _outputs(run, modules, _NUM_SOUNDS[0], num_samples)
    missing = [stage for stage in modules if stage not in few]
    if missing:
        names = ", ".join(map(repr, missing))
        # A list is not called itself, but what is in it.
        lists = [repr(f"{stage}.*") for stage in missing if isinstance(modules[stage], nn.ModuleList | nn.ModuleDict)]
        advice = f"; name what is in the list, as {', '.join(lists)}" if lists else ""
        raise ValueError(
            f"stage {names} is not reached by the network's forward pass{advice}"
            if len(missing) == 1
            else f"the network's forward pass does not reach {counted(len(missing), 'stage')}: {names}{advice}"
        )
    problems: list[str] = []
    for stage, layout in declared.items():
        with _collected(problems):
            _check(stage, layout, few[stage])
    unknown = {stage: modules[stage] for stage in few if stage not in declared}
    found: dict[str, Layout] = {}
    if unknown:
        more = _outputs(run, unknown, _NUM_SOUNDS[1], num_samples)
        try:
            shorter = _outputs(run, unknown, _NUM_SOUNDS[0], int(_SHORTER * num_samples))
        except (RuntimeError, ValueError, IndexError, TypeError, AssertionError):
            shorter = {}  # the network accepts one length only; time axes follow from the kind of module
        for stage, module in unknown.items():
            with _collected(problems):
                found[stage] = _layout_of(stage, module, few[stage], more[stage], shorter.get(stage, []))
    if len(problems) > 1:
        listed = "".join(f"\n- {problem}" for problem in problems)
        raise ValueError(f"{len(problems)} stages need `layout`, a dictionary with an entry for each:{listed}")
    if problems:
        raise ValueError(problems[0])
    return {stage: declared.get(stage) or found[stage] for stage in few}


@contextmanager
def _collected(problems: list[str]) -> Iterator[None]:
    """Collect the message of a `ValueError` that a block raises, if any, and continue after the block."""
    try:
        yield
    except ValueError as error:
        problems.append(str(error))


def _check(stage: str, layout: Layout, outputs: list[Any]) -> None:
    """Check a declared layout by the outputs for a few sounds."""
    if len(outputs) > 1 and not layout.per_call:
        raise ValueError(_called_again(stage, len(outputs)))
    try:
        layout.average(outputs[0], _NUM_SOUNDS[0])
    except ValueError as error:
        raise ValueError(f"stage {stage!r} is declared as layout={{{stage!r}: '{layout}'}}: {error}") from error


def _layout_of(stage: str, module: nn.Module, few: list[Any], more: list[Any], shorter: list[Any]) -> Layout:
    """Find the axes of one stage from its outputs (one per call) for both batch sizes and for shorter sounds."""
    one, other, short = (_tensor_of(stage, outputs[0]) if outputs else None for outputs in (few, more, shorter))
    assert one is not None
    assert other is not None
    shape = tuple(one.shape)
    per_call = isinstance(module, nn.RNNCellBase)
    if len(few) > 1 and not per_call:
        raise ValueError(_called_again(stage, len(few)))
    batch = _batch_axis(stage, shape, tuple(other.shape))
    axes = ["features"] * len(shape)
    axes[batch] = "batch"
    if len(shape) > 2 and not per_call:
        changed = [] if short is None else _changed(shape, tuple(short.shape))
        time = changed[0] if len(changed) == 1 else _time_of_kind(module)
        if time is None or time == batch:
            raise ValueError(
                f"cannot tell which axis of stage {stage!r} is time: its output has shape {shape} for {_NUM_SOUNDS[0]} "
                f"sounds; declare its axes in order, for example {_example(stage, axes, batch)}"
            )
        axes[time] = "time"
    return Layout(tuple((name,) for name in axes), per_call=per_call)


def _batch_axis(stage: str, shape: tuple[int, ...], shape_of_more: tuple[int, ...]) -> int:
    """The axis that is as long as the batch.

    Raises:
        ValueError: There is none; the message says what to declare.
    """
    changed = _changed(shape, shape_of_more)
    shapes = f"its output has shape {shape} for {_NUM_SOUNDS[0]} sounds and {shape_of_more} for {_NUM_SOUNDS[1]}"
    if len(changed) == 1:
        each = shape[changed[0]] / _NUM_SOUNDS[0]
        if each == 1:
            return changed[0]
        if each == shape_of_more[changed[0]] / _NUM_SOUNDS[1]:
            axes = ["features"] * len(shape)
            axes[changed[0]] = "(batch time)"
            raise ValueError(
                f"stage {stage!r} has {each:.0f} frames of each sound in the axis of the batch: {shapes}; declare its "
                f"axes in order, for example layout={{{stage!r}: '{' '.join(axes)}'}}, or (time batch) if the "
                "sounds take turns"
            )
    raise ValueError(
        f"stage {stage!r} has no axis for the batch: {shapes}; name a module with one, or declare its axes by "
        f"layout={{{stage!r}: ...}}"
    )


def _example(stage: str, axes: list[str], batch: int) -> str:
    """An argument that declares the last free axis as time."""
    time = max(axis for axis in range(len(axes)) if axis != batch)
    named = ["time" if axis == time else name for axis, name in enumerate(axes)]
    return f"layout={{{stage!r}: '{' '.join(named)}'}}, or '{' '.join(axes)}' without time"


def _called_again(stage: str, num_calls: int) -> str:
    return (
        f"stage {stage!r} is called {num_calls} times in a forward pass: if once per time step, declare "
        f"layout={{{stage!r}: 'calls batch features'}}; otherwise name modules that are called once"
    )


def _time_of_kind(module: nn.Module) -> int | None:
    """The time axis of a recurrent layer's output."""
    return (1 if module.batch_first else 0) if isinstance(module, nn.RNNBase) else None


def _tensor_of(stage: str, output: object) -> Tensor:
    tensor = first_tensor(output)
    if tensor is None:
        raise ValueError(f"stage {stage!r} gives no tensor but a {type(output).__name__}")
    return tensor


def _changed(one: tuple[int, ...], other: tuple[int, ...]) -> list[int]:
    if len(one) != len(other):
        return []
    return [axis for axis, sizes in enumerate(zip(one, other, strict=True)) if sizes[0] != sizes[1]]


def _outputs(
    run: Callable[[Tensor], Any], modules: Mapping[str, nn.Module], num_sounds: int, num_samples: int
) -> dict[str, list[Any]]:
    """Record the outputs of each stage's module in a forward pass, one per call, in the order of the first calls."""
    outputs: dict[str, list[Any]] = {}
    noise = 0.1 * torch.randn(num_sounds, num_samples, generator=torch.Generator().manual_seed(0))
    with _listening(modules, outputs), torch.no_grad():
        run(noise)
    return outputs


@contextmanager
def _listening(modules: Mapping[str, nn.Module], outputs: dict[str, list[Any]]) -> Iterator[None]:
    def hook_for(stage: str) -> Callable[[nn.Module, tuple, object], None]:
        def listen(_module: nn.Module, _inputs: tuple, output: object) -> None:
            outputs.setdefault(stage, []).append(output)

        return listen

    handles = [module.register_forward_hook(hook_for(stage)) for stage, module in modules.items()]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
