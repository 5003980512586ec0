"""Any module that maps waveforms to something, with stages named by module path, for evaluation."""

import hashlib
import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from typing import Any

import torch
from torch import Tensor, nn

from networks.external.find_layouts import find_layouts
from networks.external.needed_length import FAILURES, explained_length
from networks.external.stage_layouts import Layout, declared_layouts
from networks.external.stage_paths import find_stages
from networks.text.durations import in_seconds
from networks.training_flags import evaluation_mode
from networks.user_code import described

Preprocess = Callable[[Tensor], Any]
"""Maps waveforms (B, T) to the input of a module: a tensor, a tuple of arguments or a dictionary of keywords."""
# Sounds in the batch of the forward pass that is running in this thread. Splitting frames that are folded into the
# batch needs it.
_NUM_SOUNDS: ContextVar[int | None] = ContextVar("num_sounds", default=None)


class StagedNetwork(nn.Module):
    """A module with named stages, so that any network can be scored.

    With this function in `my_package/my_module.py`,

    ```python
    def make_network():
        return StagedNetwork(
            MyModel(), stages=["conv*", "encoder.layers.*"], sample_rate_hz=16_000, num_samples=32_000
        )
    ```

    the network is scored by `cochlearn score my_package.my_module:make_network ...`.

    Stages are averaged over time. `layout` says where batch, time and features are in their outputs, by one word per
    axis, such as `"batch features time"`:

    ```python
    layout = {
        "conv*": "(batch time) features time",  # frames are folded into the batch; time within a frame is last
        "lstm": "[1][1] features batch features",  # the last cell states of an LSTM, (directions, B, D)
    }
    ```

    All forms are listed at `networks.external.stage_layouts.parse_layout`. Where nothing is declared, the constructor
    runs the module on noise of two batch sizes and two lengths, and raises an error if that is not conclusive; the
    first tensor of an output with several parts is used, and a recurrent cell, which is called at every time step, is
    averaged over its calls. If all stages are named and declared, nothing is run, and they keep their order.

    Args:
        module: Maps waveforms (B, T), or the result of `preprocess`, to anything.
        stages: Patterns of module paths such as `["conv1", "encoder.layers.*"]`, or a path for each name of a stage;
            see `find_stages`. They are put in the order of the forward pass. Stages can share a path, with parts of
            its output.
        sample_rate_hz: Sample rate of the waveforms in Hz. Evaluation resamples sounds to it.
        num_samples: Samples of a waveform, T. Evaluation cuts or zero-pads sounds to it.
        preprocess: Function or module that maps waveforms (B, T) to the input of the module: a tensor, a tuple of
            arguments or a dictionary of keyword arguments. None passes the waveforms on.
        layout: Axes of the outputs, for all stages or by pattern of their names. None finds them.
        gain: Factor on the waveforms, before `preprocess`. Evaluation presents sounds at an RMS of 0.1.

    Raises:
        ValueError: If a stage does not exist, is not reached or is called several times, its axes are not found,
            `num_samples` is too short for the module, or the gain is not positive.
    """

    def __init__(
        self,
        module: nn.Module,
        stages: Sequence[str] | Mapping[str, str],
        *,
        sample_rate_hz: int,
        num_samples: int,
        preprocess: Preprocess | None = None,
        layout: str | Mapping[str, str] | None = None,
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
        layouts = declared_layouts(tuple(paths), layout)
        if len(layouts) < len(paths) or not isinstance(stages, Mapping):
            with evaluation_mode(self), explained_length(self._accepts, num_samples, sample_rate_hz):
                device = next((tensor.device for tensor in (*self.parameters(), *self.buffers())), torch.device("cpu"))
                layouts = find_layouts(
                    lambda waveform: self(waveform.to(device)),
                    {stage: module.get_submodule(path) for stage, path in paths.items()},
                    num_samples=num_samples,
                    declared=layouts,
                )
        self._layouts: dict[str, Layout] = layouts
        self._paths = {stage: paths[stage] for stage in layouts}

    @property
    def stages(self) -> tuple[str, ...]:
        """Names of the stages, in the order of the forward pass."""
        return tuple(self._layouts)

    @property
    def layouts(self) -> dict[str, Layout]:
        """Axes of each stage's output."""
        return dict(self._layouts)

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
            ValueError: If the output does not have the axes that were declared.
        """
        return self._arranged(stage, output, Layout.average)

    def timed_stage(self, stage: str, output: object) -> Tensor:
        """Return the output of a stage's module with its time axis.

        Args:
            stage: Name of the stage.
            output: Output of its module in one call.

        Returns:
            (B, D, N) float32; N is 1 without time, and for each call of a stepped stage.

        Raises:
            ValueError: If the output does not have the axes that were declared.
        """
        return self._arranged(stage, output, Layout.timed)

    def _arranged(self, stage: str, output: object, arrange: Callable[[Layout, object, int | None], Tensor]) -> Tensor:
        layout = self._layouts[stage]
        try:
            return arrange(layout, output, _NUM_SOUNDS.get())
        except ValueError as error:
            raise ValueError(
                f"stage {stage!r} does not have the axes of layout={{{stage!r}: '{layout}'}}: {error}"
            ) from error

    @property
    def stepped_stages(self) -> frozenset[str]:
        """Stages whose module is called at every time step, which are averaged over these calls."""
        return frozenset(stage for stage, layout in self._layouts.items() if layout.per_call)

    def forward(self, waveform: Tensor) -> Any:
        """(B, T) waveforms -> the output of the module.

        Raises:
            ValueError: The module does not take waveforms of another shape than that of `num_samples`.
        """
        try:
            return self._heard(waveform)
        except FAILURES as error:
            if waveform.ndim == 2 and waveform.shape[1] == self.num_samples:
                raise
            raise ValueError(
                f"expected waveforms of shape (batch, {self.num_samples}), "
                f"{in_seconds(self.num_samples, self.sample_rate_hz)}, got {tuple(waveform.shape)}: {described(error)}"
            ) from error

    def _heard(self, waveform: Tensor) -> Any:
        if self.gain != 1.0:
            waveform = self.gain * waveform
        inputs = waveform if self.preprocess is None else self.preprocess(waveform)
        before = _NUM_SOUNDS.set(len(waveform))
        try:
            if isinstance(inputs, Mapping):
                return self.module(**inputs)
            return self.module(*inputs) if isinstance(inputs, tuple) else self.module(inputs)
        finally:
            _NUM_SOUNDS.reset(before)

    def _accepts(self, num_samples: int) -> bool:
        """Whether the module hears sounds of a length."""
        device = next((tensor.device for tensor in (*self.parameters(), *self.buffers())), torch.device("cpu"))
        try:
            with torch.inference_mode():
                self._heard(torch.zeros(1, num_samples, device=device))
        except FAILURES:
            return False
        return True

    def extra_repr(self) -> str:
        """List all settings, which are part of the network's fingerprint."""
        stages = ", ".join(f"{stage}={self._paths[stage]} ({layout})" for stage, layout in self._layouts.items())
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
