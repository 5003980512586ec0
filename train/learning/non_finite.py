"""Stopping when the loss is no longer finite, and saving what is needed to find out why."""

from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor

from evaluate.watch.checkpoint_folder import DIVERGED_FILE
from train.errors import TrainingError
from train.run.lightning_internals import loss_scale
from train.run.run_directory import NON_FINITE_BATCH_FILE, checkpoints_in


class NonFiniteLossError(RuntimeError):
    """The training loss is NaN or infinite, or above the limit."""


class StopWhenNonFinite(pl.Callback):
    """Ends training at the first loss that is NaN, infinite or above a limit, before it changes the weights.

    The state before that step goes to `checkpoints/non_finite.ckpt`, and the batch of each rank to
    `non_finite_batch.rank{rank}.pt` in the run directory. Each check waits for the device. If that takes too long
    (small steps on a GPU), check every n-th step; the saved state is then the one after the bad step.

    Args:
        every_n_steps: Check the loss every `every_n_steps` steps; 0 means never.
        above: A loss above this is divergence, in any precision; None means no limit.

    Raises:
        TrainingError: The number of steps is negative.
    """

    def __init__(self, *, every_n_steps: int = 1, above: float | None = None) -> None:
        if every_n_steps < 0:
            raise TrainingError(f"non_finite: expected every_n_steps of 0 (never) or more, got {every_n_steps}")
        self.every_n_steps = every_n_steps
        self.above = float("inf") if above is None else above
        self._batch: Any = None

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Keep the batch."""
        self._batch = batch

    def on_before_backward(self, trainer: pl.Trainer, pl_module: pl.LightningModule, loss: Tensor) -> None:
        """Check the loss; all ranks stop together."""
        if self.every_n_steps == 0 or trainer.global_step % self.every_n_steps:
            return
        value = _as_computed(loss, trainer)
        is_bad = not value <= self.above or value == float("inf")
        if not trainer.strategy.reduce_boolean_decision(is_bad, all=False):
            return
        folder = Path(trainer.default_root_dir)
        if is_bad:
            torch.save(self._batch, folder / NON_FINITE_BATCH_FILE.format(rank=trainer.global_rank))
        state = checkpoints_in(folder) / DIVERGED_FILE
        trainer.save_checkpoint(state)
        what = f"the loss is {value}" if is_bad else "the loss of another rank is not a finite number"
        raise NonFiniteLossError(
            f"{what} at step {trainer.global_step} of epoch {trainer.current_epoch}. The state before this step is in "
            f"{state}, the batch in {folder / NON_FINITE_BATCH_FILE.format(rank='*')}. Try a lower "
            "learning rate, a warm-up, or --trainer.gradient_clip_val 1"
        )


def _as_computed(loss: Tensor, trainer: pl.Trainer) -> float:
    """Loss of a batch before Lightning divided it by the number of accumulated batches and scaled it for float16."""
    return float(loss.detach()) * trainer.accumulate_grad_batches / loss_scale(trainer)
