"""When a network is scored while it trains: after epochs, after steps, at steps of a list."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, kw_only=True)
class EvaluationSchedule:
    """Epochs and optimiser steps after which a network is scored.

    Attributes:
        every_n_epochs: After every so many epochs; 0 for none.
        every_n_steps: After every so many optimiser steps; 0 for none.
        at_steps: After these optimiser steps; 0 is the untrained network.

    Raises:
        ValueError: A number is negative.
    """

    every_n_epochs: int = 0
    every_n_steps: int = 0
    at_steps: frozenset[int] = frozenset()

    def __post_init__(self) -> None:
        """Check the numbers."""
        for name in ("every_n_epochs", "every_n_steps"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} is 0 (never) or more, got {getattr(self, name)}")
        if any(step < 0 for step in self.at_steps):
            raise ValueError(f"at_steps are 0 (untrained) or more, got {sorted(self.at_steps)}")

    def is_after_epoch(self, num_epochs: int) -> bool:
        """Whether to score when so many epochs are completed."""
        return self.every_n_epochs > 0 and num_epochs > 0 and num_epochs % self.every_n_epochs == 0

    def is_after_step(self, step: int) -> bool:
        """Whether to score when so many optimiser steps are done, wherever in an epoch that is."""
        is_multiple = self.every_n_steps > 0 and step > 0 and step % self.every_n_steps == 0
        return is_multiple or step in self.at_steps


def log_spaced_steps(first: int, last: int, number: int) -> tuple[int, ...]:
    """Steps that lie evenly on a logarithmic axis, so that the fast changes early in training are seen.

    `first * (last / first) ** (i / (number - 1))` for i from 0 to `number - 1`, rounded to whole steps.

    Args:
        first: The first step, at least 1.
        last: The last step, above the first.
        number: How many steps, at least 2.

    Returns:
        Rising steps from `first` to `last`; fewer than `number` where early ones round to the same step.

    Raises:
        ValueError: Numbers out of these ranges.
    """
    if not 1 <= first < last or number < 2:
        raise ValueError(
            f"log-spaced steps are [first, last, number] with 1 <= first < last and number >= 2, "
            f"got [{first}, {last}, {number}]"
        )
    return tuple(int(step) for step in np.unique(np.rint(np.geomspace(first, last, number)).astype(np.int64)))


def make_schedule(
    *,
    every_n_epochs: int | None = None,
    every_n_steps: int = 0,
    at_steps: Sequence[int] = (),
    log_spaced: Sequence[int] | None = None,
) -> EvaluationSchedule:
    """Build a schedule from the settings of a configuration; they add up.

    Args:
        every_n_epochs: After every so many epochs, 0 for none; None: 1 where no steps are asked for, else 0.
        every_n_steps: After every so many optimiser steps; 0 for none.
        at_steps: After these optimiser steps.
        log_spaced: `[first, last, number]`, see `log_spaced_steps`.

    Returns:
        The schedule.

    Raises:
        ValueError: A number that cannot be.
    """
    if log_spaced is not None and len(log_spaced) != 3:
        raise ValueError(f"log_spaced is [first, last, number], got {list(log_spaced)}")
    steps = {int(step) for step in at_steps} | set(log_spaced_steps(*log_spaced) if log_spaced else ())
    if every_n_epochs is None:
        every_n_epochs = 0 if steps or every_n_steps else 1
    return EvaluationSchedule(every_n_epochs=every_n_epochs, every_n_steps=every_n_steps, at_steps=frozenset(steps))
