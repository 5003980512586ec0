"""Any network for evaluation: a module that maps waveforms to something, with stages named by module path."""

import hashlib
import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from networks.external.stage_axes import Axes, TimeAxis, average_over_axes, find_axes, first_tensor
from networks.external.stage_paths import find_stages
from networks.training_flags import evaluation_mode

Preprocess = Callable[[Tensor], Any]
"""Waveforms (B, T) -> what the module takes: a tensor, a tuple of arguments or a dictionary of keyword arguments."""


class StagedNetwork(nn.Module):
    """Gives a module what evaluation asks of a network; with it any network can be scored.

    ::

        def make_network():
            return StagedNetwork(
                MyModel(),
                stages=["conv*", "encoder.layers.*"],
                sample_rate_hz=16_000,
                num_samples=32_000,
            )

    in `my_package/my_module.py` is scored by `python -m evaluate score my_package.my_module:make_network ...`.

    The axes of every stage's output, (B, C, F, N), (B, N, D), (N, B, D), (B, D, N) or (B, D), are found when it is
    made, by running the module on noise of two batch sizes and two lengths (`find_axes`);
    where that does not tell, `time_axis` does. Of outputs with several parts, as an LSTM's, the first tensor is
    taken. A recurrent cell, called at every time step, is averaged over its calls.

    Args:
        module: Maps waveforms (B, T), or what `preprocess` makes of them, to anything.
        stages: Patterns of module paths, as in `["conv1", "encoder.layers.*"]`, or names of stages with the path
            of each; see `find_stages`. In the order of the forward pass, whatever is
            given.
        sample_rate_hz: Rate of the waveforms in Hz; evaluation resamples sounds to it.
        num_samples: Samples of a waveform, T; evaluation cuts or zero-pads sounds to it.
        preprocess: Waveforms (B, T) -> what the module takes, as a function or module: a tensor, a tuple of arguments
            or a dictionary of keyword arguments; None: the waveforms.
        time_axis: Axis of the outputs that is time, of all stages or by pattern of their names: a number, "none" where
            time is gone, "calls" for a module that is called at every time step; None finds it.
        gain: Factor on the waveforms, before `preprocess`. Evaluation presents sounds at an RMS of 0.1.

    Raises:
        ValueError: For stages that are not there, not reached or called several times, or whose axes are not found.
    """

    def __init__(
        self,
        module: nn.Module,
        stages: Sequence[str] | Mapping[str, str],
        *,
        sample_rate_hz: int,
        num_samples: int,
        preprocess: Preprocess | None = None,
        time_axis: TimeAxis | Mapping[str, TimeAxis] | None = None,
        gain: float = 1.0,
    ) -> None:
        super().__init__()
        if not 0 < gain < math.inf:
            raise ValueError(f"expected a gain above 0, got {gain}")
        self.module, self.gain = module, float(gain)
        if preprocess is not None and not isinstance(preprocess, nn.Module):
            preprocess = _Function(preprocess)
        self.preprocess = preprocess
        self.sample_rate_hz, self.num_samples = sample_rate_hz, num_samples
        paths = find_stages(module, stages)
        with evaluation_mode(self):
            device = next((tensor.device for tensor in (*self.parameters(), *self.buffers())), torch.device("cpu"))
            axes = find_axes(
                lambda waveform: self(waveform.to(device)),
                {stage: module.get_submodule(path) for stage, path in paths.items()},
                num_samples=num_samples,
                time_axis=time_axis,
            )
        self._axes: dict[str, Axes] = axes
        self._paths = {stage: paths[stage] for stage in axes}

    @property
    def stages(self) -> tuple[str, ...]:
        """Names of the stages, in the order of the forward pass."""
        return tuple(self._axes)

    @property
    def axes(self) -> dict[str, Axes]:
        """Batch and time axis of each stage's output."""
        return dict(self._axes)

    def stage_modules(self) -> dict[str, nn.Module]:
        """Stage name -> submodule whose output is, or holds, the stage's activation."""
        return {stage: self.module.get_submodule(path) for stage, path in self._paths.items()}

    def average_stage(self, stage: str, output: object) -> Tensor:
        """Average what a stage's module returned over time.

        Args:
            stage: Name of the stage.
            output: What its module returned in a call.

        Returns:
            (B, D) float32.

        Raises:
            ValueError: If there is no tensor in the output.
        """
        activation = first_tensor(output)
        if activation is None:
            raise ValueError(f"stage {stage!r} gives no tensor but a {type(output).__name__}")
        return average_over_axes(activation, self._axes[stage])

    @property
    def stepped_stages(self) -> frozenset[str]:
        """Stages whose module is called at every time step, to be averaged over its calls."""
        return frozenset(stage for stage, axes in self._axes.items() if axes.time == "calls")

    def forward(self, waveform: Tensor) -> Any:
        """(B, T) waveforms -> whatever the module gives."""
        if self.gain != 1.0:
            waveform = self.gain * waveform
        inputs = waveform if self.preprocess is None else self.preprocess(waveform)
        if isinstance(inputs, Mapping):
            return self.module(**inputs)
        return self.module(*inputs) if isinstance(inputs, tuple) else self.module(inputs)

    def extra_repr(self) -> str:
        """All settings: a network's fingerprint is made of them."""
        stages = ", ".join(f"{stage}={self._paths[stage]}{tuple(axes)}" for stage, axes in self._axes.items())
        gain = "" if self.gain == 1.0 else f"gain={self.gain}, "
        return f"sample_rate_hz={self.sample_rate_hz}, num_samples={self.num_samples}, {gain}stages: {stages}"


class _Function(nn.Module):
    """A function as a module, known by its name and source."""

    def __init__(self, function: Preprocess) -> None:
        super().__init__()
        self.function = function

    def forward(self, waveform: Tensor) -> Any:
        return self.function(waveform)

    def extra_repr(self) -> str:
        name = getattr(self.function, "__qualname__", type(self.function).__qualname__)
        try:
            source = inspect.getsource(self.function)
        except (OSError, TypeError):  # typed in, or an object
            return name
        return f"{name}, source={hashlib.sha256(source.encode()).hexdigest()}"
