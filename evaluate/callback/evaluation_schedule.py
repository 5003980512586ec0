"""When a network is scored during training: after epochs, after steps, at listed steps, at the start and the end."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, kw_only=True)
class EvaluationSchedule:
    """Epochs and optimiser steps after which a network is scored.

    Attributes:
        every_n_epochs: After every n-th epoch; 0 for none.
        every_n_steps: After every n-th optimiser step; 0 for none.
        at_steps: After these optimiser steps; 0 is the untrained network.
        at_start: Before the first update, also without 0 among the steps.
        at_end: At the end of training.

    Raises:
        ValueError: A number is negative.
    """

    every_n_epochs: int = 0
    every_n_steps: int = 0
    at_steps: frozenset[int] = frozenset()
    at_start: bool = False
    at_end: bool = False

    def __post_init__(self) -> None:
        """Check the numbers."""
        for name in ("every_n_epochs", "every_n_steps"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must be 0 (never) or more, got {getattr(self, name)}")
        if any(step < 0 for step in self.at_steps):
            raise ValueError(f"at_steps must be 0 (untrained) or more, got {sorted(self.at_steps)}")

    @property
    def is_before_training(self) -> bool:
        """Whether to score the network before its first update."""
        return self.at_start or self.is_after_step(0)

    def is_after_epoch(self, num_epochs: int) -> bool:
        """Whether to score after this number of completed epochs."""
        return self.every_n_epochs > 0 and num_epochs > 0 and num_epochs % self.every_n_epochs == 0

    def is_after_step(self, step: int) -> bool:
        """Whether to score after this number of optimiser steps, anywhere in an epoch."""
        is_multiple = self.every_n_steps > 0 and step > 0 and step % self.every_n_steps == 0
        return is_multiple or step in self.at_steps


def log_spaced_steps(first: int, last: int, number: int) -> tuple[int, ...]:
    """Space steps evenly on a logarithmic axis, to resolve the fast changes early in training.

    `first * (last / first) ** (i / (number - 1))` for i from 0 to `number - 1`, rounded to integers.

    Args:
        first: The first step, at least 1.
        last: The last step, above the first.
        number: Number of steps, at least 2.

    Returns:
        Increasing steps from `first` to `last`; fewer than `number` if early ones round to the same step.

    Raises:
        ValueError: A number is out of its range.
    """
    if not 1 <= first < last or number < 2:
        raise ValueError(
            f"expected log-spaced steps [first, last, number] with 1 <= first < last and number >= 2, "
            f"got [{first}, {last}, {number}]"
        )
    return tuple(int(step) for step in np.unique(np.rint(np.geomspace(first, last, number)).astype(np.int64)))


def make_schedule(
    *,
    every_n_epochs: int | None = None,
    every_n_steps: int = 0,
    at_steps: Sequence[int] = (),
    log_spaced: Sequence[int] | None = None,
    at_start: bool = False,
    at_end: bool = False,
) -> EvaluationSchedule:
    """Build a schedule from the settings of a configuration, which are combined.

    Args:
        every_n_epochs: After every n-th epoch, 0 for none; None means 0 if any steps are given, else 1.
        every_n_steps: After every n-th optimiser step; 0 for none.
        at_steps: After these optimiser steps.
        log_spaced: `[first, last, number]`, see `log_spaced_steps`.
        at_start: Before the first update.
        at_end: At the end of training.

    Returns:
        The schedule.

    Raises:
        ValueError: A number is out of its range.
    """
    if log_spaced is not None and len(log_spaced) != 3:
        raise ValueError(f"expected log_spaced [first, last, number], got {list(log_spaced)}")
    steps = {int(step) for step in at_steps} | set(log_spaced_steps(*log_spaced) if log_spaced else ())
    if every_n_epochs is None:
        every_n_epochs = 0 if steps or every_n_steps else 1
    return EvaluationSchedule(
        every_n_epochs=every_n_epochs,
        every_n_steps=every_n_steps,
        at_steps=frozenset(steps),
        at_start=at_start,
        at_end=at_end,
    )
