"""Any module that maps waveforms to something, with stages named by module path, for evaluation."""

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
"""Maps waveforms (B, T) to the input of a module: a tensor, a tuple of arguments or a dictionary of keywords."""


class StagedNetwork(nn.Module):
    """A module with named stages, so that any network can be scored.

    With this function in `my_package/my_module.py`,

    ```python
    def make_network():
        return StagedNetwork(
            MyModel(), stages=["conv*", "encoder.layers.*"], sample_rate_hz=16_000, num_samples=32_000
        )
    ```

    the network is scored by `python -m evaluate score my_package.my_module:make_network ...`.

    The outputs of the stages can have the axes (B, C, F, N), (B, N, D), (N, B, D), (B, D, N) or (B, D). The constructor
    finds them by running the module on noise of two batch sizes and two lengths (`find_axes`); if that is not
    conclusive, declare `time_axis`. If an output has several parts, such as that of an LSTM, the first tensor is used.
    A recurrent cell, which is called at every time step, is averaged over its calls.

    Args:
        module: Maps waveforms (B, T), or the result of `preprocess`, to anything.
        stages: Patterns of module paths such as `["conv1", "encoder.layers.*"]`, or a path for each name of a stage;
            see `find_stages`. They are put in the order of the forward pass.
        sample_rate_hz: Sample rate of the waveforms in Hz. Evaluation resamples sounds to it.
        num_samples: Samples of a waveform, T. Evaluation cuts or zero-pads sounds to it.
        preprocess: Function or module that maps waveforms (B, T) to the input of the module: a tensor, a tuple of
            arguments or a dictionary of keyword arguments. None passes the waveforms on.
        time_axis: Time axis of the outputs, for all stages or by pattern of their names: an index, "none" for outputs
            without time, or "calls" for a module that is called at every time step. None finds it.
        gain: Factor on the waveforms, before `preprocess`. Evaluation presents sounds at an RMS of 0.1.

    Raises:
        ValueError: If a stage does not exist, is not reached or is called several times, its axes are not found, or
            the gain is not positive.
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
        """Map each stage to the submodule whose output is, or contains, its activation."""
        return {stage: self.module.get_submodule(path) for stage, path in self._paths.items()}

    def average_stage(self, stage: str, output: object) -> Tensor:
        """Average the output of a stage's module over time.

        Args:
            stage: Name of the stage.
            output: Output of its module in one call.

        Returns:
            (B, D) float32.

        Raises:
            ValueError: If the output contains no tensor.
        """
        activation = first_tensor(output)
        if activation is None:
            raise ValueError(f"stage {stage!r} gives no tensor but a {type(output).__name__}")
        return average_over_axes(activation, self._axes[stage])

    @property
    def stepped_stages(self) -> frozenset[str]:
        """Stages whose module is called at every time step, which are averaged over these calls."""
        return frozenset(stage for stage, axes in self._axes.items() if axes.time == "calls")

    def forward(self, waveform: Tensor) -> Any:
        """(B, T) waveforms -> the output of the module."""
        if self.gain != 1.0:
            waveform = self.gain * waveform
        inputs = waveform if self.preprocess is None else self.preprocess(waveform)
        if isinstance(inputs, Mapping):
            return self.module(**inputs)
        return self.module(*inputs) if isinstance(inputs, tuple) else self.module(inputs)

    def extra_repr(self) -> str:
        """List all settings, which are part of the network's fingerprint."""
        stages = ", ".join(f"{stage}={self._paths[stage]}{tuple(axes)}" for stage, axes in self._axes.items())
        gain = "" if self.gain == 1.0 else f"gain={self.gain}, "
        return f"sample_rate_hz={self.sample_rate_hz}, num_samples={self.num_samples}, {gain}stages: {stages}"


class _Function(nn.Module):
    """A function as a module, identified by its name and source."""

    def __init__(self, function: Preprocess) -> None:
        super().__init__()
        self.function = function

    def forward(self, waveform: Tensor) -> Any:
        return self.function(waveform)

    def extra_repr(self) -> str:
        name = getattr(self.function, "__qualname__", type(self.function).__qualname__)
        try:
            source = inspect.getsource(self.function)
        except (OSError, TypeError):  # defined interactively, or a callable object
            return name
        return f"{name}, source={hashlib.sha256(source.encode()).hexdigest()}"
