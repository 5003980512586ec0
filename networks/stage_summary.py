"""What a network consists of, stage by stage: shapes, units, parameters, operations, receptive fields."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from networks.external.stage_axes import first_tensor
from networks.external.staged import StagedNetwork
from networks.receptive_fields import Field, ReceptiveFields
from networks.training_flags import evaluation_mode

FRONT_END = "front end"
REST = "rest"
CONVOLUTIONS = (nn.Conv1d, nn.Conv2d)


class StageSummary(NamedTuple):
    """A stage, with all that is computed after the one before it.

    Attributes:
        name: The stage; "front end" for what makes the cochleagram, "rest" for what comes after the last stage, and
            parameters that are not used.
        shape: Of its activation for one sound, without the batch; None for the rest.
        num_units: Units after averaging over time; None for front end and rest.
        num_parameters: Learned numbers used here first.
        num_operations: Multiply-adds for one sound.
        field_ms: How much time a unit sees; infinite where it is all.
        field_bands: How many bands of the front end's a unit sees; infinite where it is all, None without bands.
    """

    name: str
    shape: tuple[int, ...] | None
    num_units: int | None
    num_parameters: int
    num_operations: int
    field_ms: float | None = None
    field_bands: float | None = None


class _Reached(NamedTuple):
    """The state of counting when a stage was done."""

    name: str
    output: Tensor
    num_units: int | None
    num_parameters: int
    num_operations: int
    field: Field | None


def stage_summaries(network: nn.Module) -> list[StageSummary]:
    """Summarise a network by running it on one sound of noise.

    Operations are multiply-adds of convolutions, products of matrices, recurrent layers and attention; the front
    end's Fourier transforms and what is done point by point are not counted. A receptive field is that of the largest
    path, in frames of the front end (each counted as long as the time to the next one) or samples of the waveform;
    see `networks.receptive_fields.ReceptiveFields` for where it ends.

    Args:
        network: With named stages, as `networks.AuditoryNetwork` or `networks.StagedNetwork`.

    Returns:
        Front end (where there is one), stages in order, and the rest.
    """
    counting = _Counting(network)
    with evaluation_mode(network), counting.running():
        sound = 0.1 * torch.randn(1, int(network.num_samples), generator=torch.Generator().manual_seed(0))  # type: ignore[arg-type]
        network(sound.to(counting.device))
    return counting.summaries()


class _Counting:
    """Hooks and modes that watch one forward pass."""

    def __init__(self, network: nn.Module) -> None:
        self.network = network
        front_end = getattr(network, "front_end", None)
        self.front_end: Any = front_end if hasattr(front_end, "output_shape") else None
        self.stages: dict[str, nn.Module] = network.stage_modules()  # type: ignore[operator]
        self.flops, self.fields = FlopCounterMode(display=False), ReceptiveFields()
        self.correction = 0  # operations of layers by their settings, less those that were counted
        self.seen: set[int] = set()
        self.num_parameters = 0
        self.reached: list[_Reached] = []
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
            with torch.no_grad(), self.flops, self.fields:
                yield
        finally:
            for handle in handles:
                handle.remove()

    def summaries(self) -> list[StageSummary]:
        """Differences from stage to stage; the numbers of a module that is called again are those of its last call."""
        last: dict[str, _Reached] = {}
        for reached in self.reached:
            last.pop(reached.name, None)  # to the end
            last[reached.name] = reached
        rows, parameters, operations = [], 0, 0
        for reached in last.values():
            rows.append(
                StageSummary(
                    reached.name,
                    tuple(reached.output.shape[1:]),
                    reached.num_units,
                    reached.num_parameters - parameters,
                    reached.num_operations - operations,
                    *self._extent(reached),
                )
            )
            parameters, operations = reached.num_parameters, reached.num_operations
        all_parameters = sum(parameter.numel() for parameter in self.network.parameters())
        rest = StageSummary(REST, None, None, all_parameters - parameters, self._operations() - operations)
        return [*rows, rest]

    def _extent(self, reached: _Reached) -> tuple[float | None, float | None]:
        """Field in ms and in bands."""
        if reached.name == FRONT_END:
            return None, None
        if self.front_end is not None:
            whole = tuple(self.front_end.output_shape)
            rate_hz = float(_frame_rate_hz(self.front_end))
        else:
            whole, rate_hz = (int(self.network.num_samples),), float(self.network.sample_rate_hz)  # type: ignore[arg-type]
        sizes = whole if reached.field is None else reached.field.sizes
        *bands, time = (math.inf if size >= full else size for size, full in zip(sizes, whole, strict=True))
        return 1000 * time / rate_hz, bands[0] if bands else None

    def _operations(self) -> int:
        return self.flops.get_total_flops() // 2 + self.correction

    def _enter(self, module: nn.Module, _inputs: tuple) -> None:
        # Attention uses the weights of its last layer without calling it.
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
            _Reached(FRONT_END, output, None, self.num_parameters, self._operations(), self.fields.field_of(output))
        )

    def _start_at_waveform(self, _module: nn.Module, inputs: tuple) -> None:
        if inputs and isinstance(inputs[0], Tensor) and inputs[0].shape[-1] == self.network.num_samples:
            self.fields.start(inputs[0], 1)

    def _stage_done(self, stage: str) -> Callable[[nn.Module, tuple, object], None]:
        def note(_module: nn.Module, _inputs: tuple, output: object) -> None:
            activation = first_tensor(output)
            if activation is None:
                return
            average = getattr(self.network, "average_stage", None)
            if average is not None:
                num_units = average(stage, output).shape[1]
            else:  # time is the last axis of more than two
                num_units = math.prod(activation.shape[1:-1]) if activation.ndim > 2 else activation.shape[1]
            field = self.fields.field_of(activation)
            operations = self._operations()
            self.reached.append(_Reached(stage, activation, num_units, self.num_parameters, operations, field))

        return note


def _operations_of(module: nn.Module, output: Any) -> int:
    """Multiply-adds of a convolution or recurrent layer, by its settings: inside it may be computed in another way."""
    if isinstance(module, CONVOLUTIONS):
        num_points: int = output.numel()
        return num_points * module.weight[0].numel()
    num_moments = output[0].shape[:-1].numel()  # times sounds
    return num_moments * sum(weight.numel() for weight in module.parameters() if weight.ndim == 2)


def _frame_rate_hz(front_end: Any) -> float:
    """Frames a second: an attribute, or what the front end was made with."""
    rate_hz: float = getattr(front_end, "frame_rate_hz", None) or front_end.init_args["frame_rate_hz"]
    return rate_hz
