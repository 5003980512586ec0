"""How fast training is, and how long it will take."""

import time
from collections import deque
from collections.abc import Callable
from statistics import median
from typing import Any

import pytorch_lightning as pl

from train.run.lightning_internals import batches_completed

NUM_RECENT_BATCHES = 50
"""The rate is that of this many batches."""
OUTLIER_FACTOR = 20.0
"""An interval this many times the typical one contains more than a batch, such as an evaluation or a checkpoint."""


class Pace(pl.Callback):
    """Measures samples per second and estimates the time left; for the live view and the run page.

    The rate counts only training batches, from the end of one to the end of the next, over all processes. The time left
    is estimated from everything since the first batch of the run, including validation and brain scores.

    Args:
        clock: Monotonic clock in seconds.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._recent: deque[tuple[int, float]] = deque(maxlen=NUM_RECENT_BATCHES)
        self._started: float | None = None
        self._last: float | None = None
        self._num_batches = 0

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Start the clock at the first batch of the run and after each break."""
        now = self._clock()
        self._started = now if self._started is None else self._started
        self._last = now if self._last is None else self._last

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Count a batch."""
        now = self._clock()
        if self._last is not None:
            self._recent.append((len(batch["waveform"]) * trainer.world_size, now - self._last))
        self._last = now
        self._num_batches += 1

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Stop the clock."""
        self._last = None

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Stop the clock."""
        self._last = None

    @property
    def samples_per_s(self) -> float | None:
        """Training examples per second; None before the first batch."""
        recent = self._recent.copy()  # one thread draws while another one trains
        if not recent:
            return None
        typical = median(seconds for _, seconds in recent)
        kept = [(number, seconds) for number, seconds in recent if seconds <= OUTLIER_FACTOR * typical]
        total = sum(seconds for _, seconds in kept)
        return sum(number for number, _ in kept) / total if total > 0 else None

    def seconds_left(self, trainer: pl.Trainer) -> float | None:
        """Estimate the remaining time of training.

        Args:
            trainer: Trainer in a fit.

        Returns:
            Seconds; None if the end is unknown, or before the first batch.
        """
        left = batches_left(trainer)
        if left is None or self._started is None or not self._num_batches:
            return None
        return left * (self._clock() - self._started) / self._num_batches


def batches_left(trainer: pl.Trainer) -> int | None:
    """Count the remaining training batches of each process.

    Args:
        trainer: Trainer in a fit.

    Returns:
        Batches until `max_epochs` or `max_steps`, whichever comes first; None if neither is set.
    """
    limits: list[float] = []
    if trainer.max_epochs is not None and trainer.max_epochs >= 0:
        epochs = trainer.max_epochs - trainer.current_epoch
        limits.append(epochs * trainer.num_training_batches - batches_completed(trainer) if epochs > 0 else 0)
    if trainer.max_steps >= 0:
        limits.append((trainer.max_steps - trainer.global_step) * trainer.accumulate_grad_batches)
    fewest = min(limits, default=float("inf"))
    return max(0, int(fewest)) if fewest < float("inf") else None
