"""Summary of a network by stage: shapes, units, parameters, operations and receptive fields."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from networks.external.stage_layouts import first_tensor
from networks.external.staged import StagedNetwork
from networks.measured_fields import measured_fields
from networks.receptive_fields import Field, ReceptiveFields
from networks.training_flags import evaluation_mode

FRONT_END = "front end"
REST = "rest"
CONVOLUTIONS = (nn.Conv1d, nn.Conv2d)


class StageSummary(NamedTuple):
    """A stage, with everything computed since the previous one.

    Attributes:
        name: The stage; "front end" for the front end; "rest" for everything after the last stage and for unused
            parameters.
        shape: Shape of its activation for one sound, without the batch axis; None for the rest.
        num_units: Units after averaging over time; None for front end and rest.
        num_parameters: Number of parameters that are first used here.
        num_operations: Multiply-adds for one sound; None for the front end, whose number depends on how it is computed.
        field_ms: Duration that a unit depends on in ms; infinite for the whole sound, NaN if it is unknown, None if
            frames have no rate.
        field_bands: Bands of the front end that a unit depends on; infinite for all, None without bands.
    """

    name: str
    shape: tuple[int, ...] | None
    num_units: int | None
    num_parameters: int
    num_operations: int | None
    field_ms: float | None = None
    field_bands: float | None = None


class _Reached(NamedTuple):
    """The counts when a stage was complete."""

    name: str
    shape: tuple[int, ...]
    num_units: int | None
    num_parameters: int
    num_operations: int
    field: Field | None


def stage_summaries(network: nn.Module) -> list[StageSummary]:
    """Summarise the stages of a network by running it on one sound of noise.

    Operations are multiply-adds of convolutions, matrix products, recurrent layers and attention after the front end.
    Fourier transforms and pointwise operations are not counted. The receptive field is that of the largest path, in
    frames of the front end (a frame lasts until the next one) or in samples of the waveform; for its limits see
    `networks.receptive_fields.ReceptiveFields`. Where a `StagedNetwork` does something else, such as a spectrogram of
    its own, it is measured (`networks.measured_fields`).

    Args:
        network: Network with named stages, such as `networks.AuditoryNetwork` or `networks.StagedNetwork`.

    Returns:
        Front end (if there is one), stages in order, and the rest.
    """
    counting = _Counting(network)
    with evaluation_mode(network), counting.running():
        sound = 0.1 * torch.randn(1, int(network.num_samples), generator=torch.Generator().manual_seed(0))  # type: ignore[arg-type]
        network(sound.to(counting.device))
    counting.measure(sound)
    return counting.summaries()


class _Counting:
    """Hooks and modes that watch one forward pass."""

    def __init__(self, network: nn.Module) -> None:
        self.network = network
        front_end = getattr(network, "front_end", None)
        self.front_end: Any = front_end if hasattr(front_end, "output_shape") else None
        self.stages: dict[str, nn.Module] = network.stage_modules()  # type: ignore[operator]
        self.flops, self.fields = FlopCounterMode(display=False), ReceptiveFields()
        self.correction = 0  # operations of layers according to their settings, minus those that were counted
        self.seen: set[int] = set()
        self.num_parameters = 0
        self.reached: list[_Reached] = []
        self.measured: dict[str, int | None] = {}
        tensors = (*network.parameters(), *network.buffers())
        self.device = tensors[0].device if tensors else torch.device("cpu")

    @contextmanager
    def running(self) -> Iterator[None]:
        handles = [module.register_forward_pre_hook(self._enter) for module in self.network.modules()]
        for module in self.network.modules():
            if isinstance(module, (*CONVOLUTIONS, nn.RNNBase)):
                before: list[int] = []
                handles.append(module.register_forward_pre_hook(self._before(before)))
                handles.append(module.register_forward_hook(self._after(before)))
        if self.front_end is not None:
            handles.append(self.front_end.register_forward_hook(self._front_end_done))
        elif isinstance(self.network, StagedNetwork):
            handles.append(self.network.module.register_forward_pre_hook(self._start_at_waveform))
        for stage, module in self.stages.items():
            handles.append(module.register_forward_hook(self._stage_done(stage)))
        try:
            with torch.no_grad(), _attention_in_steps(), self.flops, self.fields:
                yield
        finally:
            for handle in handles:
                handle.remove()

    def measure(self, sound: Tensor) -> None:
        """Measure the fields that were not followed, if they begin at the waveform."""
        stages = [each.name for each in self.reached if each.field is None]
        if self.front_end is None and isinstance(self.network, StagedNetwork) and stages:
            self.measured = measured_fields(self.network, list(dict.fromkeys(stages)), sound.to(self.device))

    def summaries(self) -> list[StageSummary]:
        """Compute the differences from stage to stage. A module that is called again counts with its last call."""
        last: dict[str, _Reached] = {}
        for reached in self.reached:
            last.pop(reached.name, None)  # moves it to the end
            last[reached.name] = reached
        rows, parameters, operations = [], 0, 0
        for reached in last.values():
            rows.append(
                StageSummary(
                    reached.name,
                    reached.shape,
                    reached.num_units,
                    reached.num_parameters - parameters,
                    None if reached.name == FRONT_END else reached.num_operations - operations,
                    *self._extent(reached),
                )
            )
            parameters, operations = reached.num_parameters, reached.num_operations
        all_parameters = sum(parameter.numel() for parameter in self.network.parameters())
        rest = StageSummary(REST, None, None, all_parameters - parameters, self._operations() - operations)
        return [*rows, rest]

    def _extent(self, reached: _Reached) -> tuple[float | None, float | None]:
        """Receptive field in ms and in bands."""
        if reached.name == FRONT_END:
            return None, None
        if self.front_end is not None:
            whole = tuple(self.front_end.output_shape)
            rate_hz = _frame_rate_hz(self.front_end)
        else:
            whole = (int(self.network.num_samples),)  # type: ignore[arg-type]
            rate_hz = float(self.network.sample_rate_hz)  # type: ignore[arg-type]
        sizes: tuple[float, ...] = whole if reached.field is None else reached.field.sizes
        if reached.name in self.measured:
            found = self.measured[reached.name]
            sizes = (math.nan if found is None else found,)
        *bands, time = (math.inf if size >= full else size for size, full in zip(sizes, whole, strict=True))
        return None if rate_hz is None else 1000 * time / rate_hz, bands[0] if bands else None

    def _operations(self) -> int:
        return self.flops.get_total_flops() // 2 + self.correction

    def _enter(self, module: nn.Module, _inputs: tuple) -> None:
        # Attention uses the weights of its output layer without calling it.
        for parameter in module.parameters(recurse=isinstance(module, nn.MultiheadAttention)):
            if id(parameter) not in self.seen:
                self.seen.add(id(parameter))
                self.num_parameters += parameter.numel()

    def _before(self, before: list[int]) -> Callable[[nn.Module, tuple], None]:
        def note(_module: nn.Module, _inputs: tuple) -> None:
            before.append(self.flops.get_total_flops() // 2)

        return note

    def _after(self, before: list[int]) -> Callable[[nn.Module, tuple, Any], None]:
        def correct(module: nn.Module, inputs: tuple, output: Any) -> None:
            counted = self.flops.get_total_flops() // 2 - before.pop()
            self.correction += _operations_of(module, output) - counted
            if isinstance(module, CONVOLUTIONS):
                self.fields.passed(module, inputs[0], output)

        return correct

    def _front_end_done(self, _module: nn.Module, _inputs: tuple, output: Tensor) -> None:
        self.fields.start(output, 2)
        self.reached.append(
            _Reached(
                FRONT_END,
                tuple(output.shape[1:]),
                None,
                self.num_parameters,
                self._operations(),
                self.fields.field_of(output),
            )
        )

    def _start_at_waveform(self, _module: nn.Module, inputs: tuple) -> None:
        if inputs and isinstance(inputs[0], Tensor) and inputs[0].shape[-1] == self.network.num_samples:
            self.fields.start(inputs[0], 1)

    def _stage_done(self, stage: str) -> Callable[[nn.Module, tuple, object], None]:
        layout = self.network.layouts[stage] if isinstance(self.network, StagedNetwork) else None

        def note(_module: nn.Module, _inputs: tuple, output: object) -> None:
            activation = first_tensor(output) if layout is None else layout.activation(output)
            if activation is None:
                return
            shape = tuple(activation.shape[1:]) if layout is None else layout.shape(output)
            average = getattr(self.network, "average_stage", None)
            if average is not None:
                num_units = average(stage, output).shape[1]
            else:  # with more than two axes, time is the last one
                num_units = math.prod(shape[:-1]) if len(shape) > 1 else shape[0]
            field = self.fields.field_of(activation)
            operations = self._operations()
            self.reached.append(_Reached(stage, shape, num_units, self.num_parameters, operations, field))

        return note


@contextmanager
def _attention_in_steps() -> Iterator[None]:
    """Turn off the fused attention of PyTorch, whose operations are not counted."""
    was_enabled = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(was_enabled)


def _operations_of(module: nn.Module, output: Any) -> int:
    """Multiply-adds of a convolution or recurrent layer by its settings, however it is computed internally."""
    if isinstance(module, CONVOLUTIONS):
        num_points: int = output.numel()
        return num_points * module.weight[0].numel()
    num_moments = output[0].shape[:-1].numel()  # time steps x sounds
    return num_moments * sum(weight.numel() for weight in module.parameters() if weight.ndim == 2)


def _frame_rate_hz(front_end: Any) -> float | None:
    """Frames per second: an attribute of the front end, or an argument that it was made with; None without either."""
    rate_hz = getattr(front_end, "frame_rate_hz", None) or getattr(front_end, "init_args", {}).get("frame_rate_hz")
    return None if rate_hz is None else float(rate_hz)
