"""Where batch, time and features are in the output of a stage's module, written as a short text."""

import fnmatch
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from networks.text.wording import counted

AXES = ("batch", "time", "tokens", "features")
"""What an axis can be: sounds; time, over which is averaged; tokens, which are averaged too but are not in the order of
time or do not cover the sound evenly; or features, which are kept."""
CALLS = "calls"
_FORM = re.compile(r"(?P<item>(?:\[[^\[\]]*\])*)\s*(?P<axes>(?:\w+|\([^()]*\)|\s)+)")
_ITEM = re.compile(r"\[([^\]]*)\]")
_AXIS = re.compile(r"\([^()]*\)|\w+")
_SLICE = re.compile(r"(-?\d*):(-?\d*)")
HELP = (
    "expected one word per axis: batch, time (averaged) or features; tokens for what is averaged but not in the order "
    "of time; (batch time) or (time batch) for frames folded into the batch; calls in front for a module that is "
    "called at every time step; [1] in front for another part of the output than its first tensor"
)


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
    parts = _parts(output)
    found = (first_tensor(item) for item in parts or ())
    return next((tensor for tensor in found if tensor is not None), None)


@dataclass(frozen=True)
class Layout:
    """The axes of a stage's output.

    Attributes:
        axes: The word or words of each axis: `("batch",)`, `("time",)`, `("features",)`, or two of them for a folded
            axis, the outer one first: `("batch", "time")` has all frames of the first sound before those of the second.
        item: Indices, slices and names that lead to a tensor in the output; empty for its first tensor.
        per_call: Whether the module is called at every time step; its outputs are then averaged over the calls.
    """

    axes: tuple[tuple[str, ...], ...]
    item: tuple[int | str | slice, ...] = ()
    per_call: bool = False

    def __str__(self) -> str:
        """The text that `parse_layout` reads."""
        words = [f"({' '.join(names)})" if len(names) > 1 else names[0] for names in self.axes]
        return " ".join(["".join(map(_written, self.item))] * bool(self.item) + [CALLS] * self.per_call + words)

    @property
    def folds(self) -> bool:
        """Whether an axis holds the sounds and something else."""
        return any(len(names) > 1 for names in self.axes)

    def activation(self, output: object) -> Tensor:
        """Take the tensor of the stage from the output of its module.

        Args:
            output: Output of the module in one call.

        Returns:
            The tensor, with the axes of this layout.

        Raises:
            ValueError: The output does not contain it, or it has another number of axes.
        """
        value: object = output if self.item else first_tensor(output)
        for key in self.item:
            value = _part(value, key)
        if not isinstance(value, Tensor):
            raise ValueError(f"the module gives no tensor but a {type(output if value is None else value).__name__}")
        if value.ndim != len(self.axes):
            raise ValueError(f"expected {len(self.axes)} axes, {self}, got an output of shape {tuple(value.shape)}")
        return value

    def average(self, output: object, num_sounds: int | None = None) -> Tensor:
        """Average the output of a module over time, and flatten the features.

        Args:
            output: Output of the module in one call.
            num_sounds: Number of sounds in the batch, B. Only needed for folded axes; otherwise it is checked if it is
                given.

        Returns:
            (B, D) float32. For (B, C, F, N), "batch features features time", feature `c * F + f` is channel c at
            band f.

        Raises:
            ValueError: The output has another number of axes or sounds.
        """
        activation, kept = self._without(("time", "tokens"), output, num_sounds)
        activation = activation.movedim(kept.index("batch"), 0)
        return activation.reshape(len(activation), -1)

    def timed(self, output: object, num_sounds: int | None = None) -> Tensor:
        """Flatten the features of the output of a module, and its axes of time, the outer one first.

        Args:
            output: Output of the module in one call.
            num_sounds: As for `average`.

        Returns:
            (B, D, N) float32; N is 1 without time.

        Raises:
            ValueError: The output has another number of axes or sounds.
        """
        activation, kept = self._without(("tokens",), output, num_sounds)
        places = {name: [axis for axis, other in enumerate(kept) if other == name] for name in AXES}
        activation = activation.permute(*places["batch"], *places["features"], *places["time"])
        num_features = math.prod(activation.shape[1 : 1 + len(places["features"])])
        return activation.reshape(len(activation), num_features, -1)

    def _without(self, averaged: tuple[str, ...], output: object, num_sounds: int | None) -> tuple[Tensor, list[str]]:
        """Average over some axes; returns the word of each axis that is left, too."""
        activation, names = self._unfolded(self.activation(output).float(), num_sounds)
        axes = [axis for axis, name in enumerate(names) if name in averaged]
        if axes:
            activation = activation.mean(dim=axes)
        return activation, [name for name in names if name not in averaged]

    def shape(self, output: object) -> tuple[int, ...]:
        """Shape of the activation for a batch of one sound, without the axis of the batch."""
        activation, names = self._unfolded(self.activation(output), 1)
        return tuple(size for size, name in zip(activation.shape, names, strict=True) if name != "batch")

    def _unfolded(self, activation: Tensor, num_sounds: int | None) -> tuple[Tensor, list[str]]:
        """Split the folded axes; returns the word of each axis too."""
        sizes = []
        for names, size in zip(self.axes, activation.shape, strict=True):
            if "batch" not in names or (num_sounds is None and len(names) == 1):
                sizes.append(size)
                continue
            if num_sounds is None:
                raise ValueError(f"the number of sounds is needed to split the axis ({' '.join(names)})")
            each, rest = divmod(size, num_sounds)
            if rest or (len(names) == 1 and each != 1):
                raise ValueError(
                    f"expected {counted(num_sounds, 'sound')}, in the axes {self}, got an output of shape "
                    f"{tuple(activation.shape)}"
                )
            sizes += [num_sounds if name == "batch" else each for name in names]
        return activation.reshape(sizes), [name for names in self.axes for name in names]


def parse_layout(text: str) -> Layout:
    """Parse the axes of a stage's output.

    | Text | Output |
    | --- | --- |
    | `batch features time` | convolution over time |
    | `batch features features time` | picture with time last; features are channels x bands |
    | `batch time features`, `time batch features` | transformer, recurrent layer |
    | `batch features` | no time, or features of every time |
    | `(batch time) features` | frames folded into the batch: all of the first sound, then all of the second |
    | `(time batch) features` | the first frame of all sounds, then the second |
    | `(batch time) time features` | chunks folded into the batch, averaged over chunks and positions |
    | `batch tokens features` | patches of every band and time: averaged like time, and of no time in `timed_stage` |
    | `calls batch features` | a module that is called at every time step, such as a recurrent cell |
    | `[1] features batch features` | another part of the output: the last states of a GRU, (2, B, D) |
    | `[1][1][2:4] features batch features` | the last cell states of the second layer of an LSTM in two directions |
    | `[hidden_states][3] batch time features` | an entry or attribute of the output by its name |

    Args:
        text: The axes, in order.

    Returns:
        The layout. Its text is the same but for white space.

    Raises:
        ValueError: The text has another form; the message says which forms there are.
    """
    match = _FORM.fullmatch(text.strip()) if isinstance(text, str) else None
    if match is None:
        raise ValueError(f"layout {text!r}: {HELP}")
    words = [tuple(word.strip("()").split()) for word in _AXIS.findall(match["axes"])]
    per_call = words[0] == (CALLS,)
    axes = tuple(words[per_call:])
    if not all(_is_axis(names) for names in axes) or sum("batch" in names for names in axes) != 1:
        raise ValueError(f"layout {text!r}: {HELP}; exactly one axis contains the batch")
    return Layout(axes, tuple(map(_key, _ITEM.findall(match["item"]))), per_call)


def declared_layouts(stages: Sequence[str], layout: str | Mapping[str, str] | None) -> dict[str, Layout]:
    """Find the layouts that a user declared.

    Args:
        stages: Names of all stages.
        layout: Layout of all stages, or by pattern of their names; the first pattern that matches counts.

    Returns:
        Layout by stage, of those that have one.

    Raises:
        ValueError: A layout cannot be parsed, or no stage matches a pattern.
    """
    patterns: Mapping[str, str] = {"*": layout} if isinstance(layout, str) else layout or {}
    for pattern in patterns:
        if not any(fnmatch.fnmatchcase(stage, pattern) for stage in stages):
            raise ValueError(
                f"layout is declared for {pattern!r}, but no stage has such a name; the first stage is {stages[0]!r}"
            )
    parsed = {pattern: parse_layout(text) for pattern, text in patterns.items()}
    matching = {stage: [p for p in parsed if fnmatch.fnmatchcase(stage, p)] for stage in stages}
    return {stage: parsed[found[0]] for stage, found in matching.items() if found}


def _is_axis(names: tuple[str, ...]) -> bool:
    """Whether these are one word, or the batch and another one."""
    known = all(name in AXES for name in names)
    return known and (len(names) == 1 or (len(names) == 2 and names.count("batch") == 1))


def _key(text: str) -> int | str | slice:
    limits = _SLICE.fullmatch(text)
    if limits is not None:
        return slice(*(int(limit) if limit.lstrip("-") else None for limit in limits.groups()))
    return int(text) if text.lstrip("-").isdigit() else text


def _written(key: int | str | slice) -> str:
    if isinstance(key, slice):
        return f"[{'' if key.start is None else key.start}:{'' if key.stop is None else key.stop}]"
    return f"[{key}]"


def _parts(output: object) -> tuple[object, ...] | None:
    """The parts of an output in order; None if it has none."""
    if isinstance(output, nn.utils.rnn.PackedSequence):
        return None
    if isinstance(output, Mapping):  # such as the outputs of transformers
        return tuple(output.values())
    if isinstance(output, (tuple, list)):
        return tuple(output)
    return tuple(vars(output).values()) if hasattr(output, "__dataclass_fields__") else None


def _part(value: object, key: int | str | slice) -> object:
    """One part of an output."""
    try:
        if isinstance(key, str):
            return value[key] if isinstance(value, Mapping) else getattr(value, key)
        if isinstance(value, Tensor):
            return value[key]
        return (_parts(value) or ())[key]
    except (KeyError, AttributeError, IndexError) as error:
        raise ValueError(f"the output, a {type(value).__name__}, has no part {_written(key)}") from error
