"""The length of training and the course of its learning rate, in passes over the data or in steps.

The length of an epoch comes from the order of the data, not from Lightning: its estimate makes a loader too early, and
a run that resumes loses its place in the data.
"""

import math
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import pytorch_lightning as pl
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from datamodules.batches.order import TrainingOrder

Unit = Literal["signal_pass", "noise_pass", "step"]

ROUNDING = 1e-9
"""Passes are counted in floating point: a drop that is due after 16 may come at 15.999999999."""


class ScheduleError(ValueError):
    """A schedule is impossible."""


class OrderedData(Protocol):
    """A data module whose order is known, such as `datamodules.AuditoryDataModule`."""

    def train_dataloader(self) -> Any:
        """Return a loader with the attribute `order`, a `TrainingOrder`."""
        ...


@dataclass(frozen=True, kw_only=True)
class TrainingSchedule:
    """The length of training and the course of its learning rate.

    After `p` units the rate is that of the optimiser times `warm(p) * decay(p)`: `warm` rises linearly to 1 over
    `warm_up`, and `decay` is `drop_factor ** floor(p / drop_every)` or, with `cosine`,
    `(1 + cos(pi * (p - warm_up) / (length - warm_up))) / 2`. The rate changes after every optimiser step, and
    depends only on the data: not on workers, ranks, batch size or accumulated batches.

    Args:
        unit: Unit of the other values: passes over the signal clips (epochs), passes over the noise clips (the main
            data of a network trained on the noise alone, as on AudioSet), or optimiser steps.
        length: Length of training, unless `trainer.max_epochs` or `trainer.max_steps` is given. Passes are rounded up
            to whole epochs. By default, the trainer decides.
        drop_every: Units between drops of the rate; by default, it never drops.
        drop_factor: Factor of each drop.
        warm_up: Units over which the rate rises linearly from 0.
        cosine: Whether the rate falls to 0 along half a cosine, from the end of `warm_up` to `length`.

    Raises:
        ScheduleError: A value is out of range, or `cosine` is given without a length or with `drop_every`.
    """

    unit: Unit = "signal_pass"
    length: float | None = None
    drop_every: float | None = None
    drop_factor: float = 0.1
    warm_up: float = 0.0
    cosine: bool = False

    def __post_init__(self) -> None:
        for name in ("length", "drop_every", "drop_factor"):
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and value > 0):
                raise ScheduleError(f"schedule: {name} must be above 0, got {value}")
        if self.warm_up < 0 or (self.length is not None and self.warm_up >= self.length):
            raise ScheduleError(f"schedule: warm_up must be at least 0 and below length, got {self.warm_up}")
        if self.cosine and (self.length is None or self.drop_every is not None):
            raise ScheduleError("schedule: a cosine needs a length, and does not go with drop_every")

    @property
    def is_constant(self) -> bool:
        """Whether the rate never changes."""
        return self.drop_every is None and not self.warm_up and not self.cosine

    def factor(self, position: float) -> float:
        """Factor of the learning rate after `position` units."""
        warm = 1.0
        if position < self.warm_up:
            warm = position / self.warm_up
        if self.cosine:
            assert self.length is not None  # checked in __post_init__
            done = (position - self.warm_up) / (self.length - self.warm_up)
            return warm * 0.5 * (1.0 + math.cos(math.pi * min(max(done, 0.0), 1.0)))
        if self.drop_every is not None:
            return warm * float(self.drop_factor ** math.floor(position / self.drop_every + ROUNDING))
        return warm

    def trainer_limits(self, data: OrderedData) -> dict[str, int]:
        """Compute `max_epochs` or `max_steps` of the trainer; empty without a length.

        Args:
            data: Data module, before or after it is attached to a trainer.
        """
        if self.length is None:
            return {}
        if self.unit == "step":
            return known_limits(self.unit, self.length)
        order = order_of(data)
        passes = self.length if self.unit == "signal_pass" else self.length * _noise_epochs(order)
        return known_limits("signal_pass", passes)

    def steps_per_unit(self, order: TrainingOrder, *, accumulated: int = 1) -> float:
        """Count the optimiser steps in a unit.

        Args:
            order: Order of the training data on any rank.
            accumulated: Batches whose gradients are added up for a step; the last step of an epoch may have fewer.

        Raises:
            ScheduleError: The unit is a pass over the noise, and there is none.
        """
        if self.unit == "step":
            return 1.0
        steps_per_epoch = math.ceil(len(order) / accumulated)
        return float(steps_per_epoch) if self.unit == "signal_pass" else steps_per_epoch * _noise_epochs(order)


def known_limits(unit: Unit, length: float | None) -> dict[str, int]:
    """Compute `max_epochs` or `max_steps` for a length; empty without one, or if it depends on the data."""
    if length is None or unit == "noise_pass":
        return {}
    return {"max_steps": math.ceil(length)} if unit == "step" else {"max_epochs": math.ceil(length - ROUNDING)}


CONSTANT = TrainingSchedule()
"""A constant rate, and a length that the trainer decides."""


class ScheduledRate(LRScheduler):
    """Sets the rate after every optimiser step, following a `TrainingSchedule`.

    Its state is the position in units, so that a run resumes at the right place of the schedule even with another
    number of ranks, batch size or number of accumulated batches. The rates themselves come from the configuration.

    Args:
        optimizer: Optimiser, with the rates that the schedule multiplies.
        schedule: Course of the rate.
        steps_per_unit: Optimiser steps in a unit of the schedule.
    """

    def __init__(self, optimizer: Optimizer, schedule: TrainingSchedule, *, steps_per_unit: float) -> None:
        self.schedule = schedule
        self.steps_per_unit = steps_per_unit
        self._start = 0.0  # units completed when the count of steps, `last_epoch`, began
        super().__init__(optimizer)

    @property
    def position(self) -> float:
        """Units completed."""
        return self._start + self.last_epoch / self.steps_per_unit

    def get_lr(self) -> list[float | Tensor]:
        """Compute the current rate of each parameter group."""
        factor = self.schedule.factor(self.position)
        return [float(rate) * factor for rate in self.base_lrs]

    def get_last_lr(self) -> list[float | Tensor]:
        """Return the rate of each parameter group as it was last set."""
        return [group["lr"] for group in self.optimizer.param_groups]

    def state_dict(self) -> dict[str, Any]:
        """Return the position, in plain numbers."""
        return {"start": self._start, "steps": self.last_epoch, "steps_per_unit": self.steps_per_unit}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue at a saved position."""
        start, steps = float(state_dict["start"]), int(state_dict["steps"])
        if state_dict["steps_per_unit"] == self.steps_per_unit:
            self._start, self.last_epoch = start, steps
        else:
            self._start, self.last_epoch = start + steps / state_dict["steps_per_unit"], 0
        for group, base, rate in zip(self.optimizer.param_groups, self.base_lrs, self.get_lr(), strict=True):
            group["initial_lr"], group["lr"] = base, rate


def order_of(data: OrderedData | None) -> TrainingOrder:
    """Return the order of the training examples.

    Raises:
        ScheduleError: The training loader has no `order`.
    """
    order = getattr(data.train_dataloader(), "order", None) if data is not None else None
    if not isinstance(order, TrainingOrder):
        raise ScheduleError(
            "a schedule counted in passes, or scale_lr_from_batch, needs a training loader with an `order` (as in "
            f"datamodules.AuditoryDataModule), got {type(data).__name__}; otherwise set `unit: step`"
        )
    return order


def scale_rates(optimizer: Optimizer, trainer: pl.Trainer, *, reference_batch_size: int) -> None:
    """Scale the rate of every parameter group in proportion to the number of examples in a step.

    The linear scaling rule of Goyal et al. 2017: `k` times the examples in a step, `k` times the rate.

    Args:
        optimizer: Optimiser without a schedule, changed in place.
        trainer: Trainer with a data module.
        reference_batch_size: Examples in a step for which the rate was chosen.

    Raises:
        ScheduleError: The reference is below 1, or the order of the data is unknown.
    """
    if reference_batch_size < 1:
        raise ScheduleError(f"scale_lr_from_batch must be at least 1, got {reference_batch_size}")
    size = order_of(_data_of(trainer)).global_batch_size * trainer.accumulate_grad_batches
    for group in optimizer.param_groups:
        group["lr"] = group["lr"] * size / reference_batch_size


def with_schedule(optimizer: Optimizer, schedule: TrainingSchedule, trainer: pl.Trainer) -> dict[str, Any]:
    """Make what `configure_optimizers` returns: the optimiser and, unless its rate is constant, a scheduler.

    Args:
        optimizer: Optimiser.
        schedule: Course of the rate.
        trainer: Trainer with a data module.
    """
    if schedule.is_constant:
        return {"optimizer": optimizer}
    steps = 1.0
    if schedule.unit != "step":
        order = order_of(_data_of(trainer))
        steps = schedule.steps_per_unit(order, accumulated=trainer.accumulate_grad_batches)
    scheduler = ScheduledRate(optimizer, schedule, steps_per_unit=steps)
    return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}


def _data_of(trainer: pl.Trainer) -> Any:
    return getattr(trainer, "datamodule", None)


def _noise_epochs(order: TrainingOrder) -> float:
    """Epochs in a pass over the noise clips: an epoch uses as many noise clips as there are signal clips."""
    if not order.num_noises:
        raise ScheduleError("schedule: passes over the noise cannot be counted without noise; unit: signal_pass")
    return order.num_noises / order.num_signals
