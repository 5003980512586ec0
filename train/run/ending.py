"""How a training run ended: why, and which of its checkpoints is the best."""

from pathlib import Path
from typing import NamedTuple

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Timer
from pytorch_lightning.callbacks.early_stopping import EarlyStoppingReason

from train.run.checkpoints.checkpoint_selection import step_in_name
from train.run.checkpoints.run_checkpoint import RunCheckpoint
from train.run.lightning_internals import passes_completed


class BestCheckpoint(NamedTuple):
    """The checkpoint with the best value of what it was chosen by."""

    monitor: str
    value: float
    step: int
    path: str


def why_ended(trainer: pl.Trainer) -> str:
    """Say why training ended.

    Args:
        trainer: Trainer that has just trained to its end.

    Returns:
        The reason, as the end of a sentence.
    """
    if 0 <= trainer.max_steps <= trainer.global_step:
        return f"max_steps={trainer.max_steps} is reached"
    if trainer.max_epochs is not None and 0 <= trainer.max_epochs <= passes_completed(trainer):
        return f"max_epochs={trainer.max_epochs} is reached"
    for stopping in trainer.early_stopping_callbacks:
        if stopping.stopping_reason != EarlyStoppingReason.NOT_STOPPED and stopping.stopping_reason_message:
            message = stopping.stopping_reason_message.removesuffix("Signaling Trainer to stop.").strip().rstrip(".")
            return f"{message} ({type(stopping).__name__})"
    callbacks: list[pl.Callback] = trainer.callbacks  # type: ignore[attr-defined]
    if any(isinstance(each, Timer) and (each.time_remaining() or 1) <= 0 for each in callbacks):
        return "its time is over (max_time)"
    return "a callback asked for it"


def best_checkpoint_of(trainer: pl.Trainer) -> BestCheckpoint | None:
    """Find the best checkpoint that a run has kept; None if it has chosen none."""
    for saving in trainer.checkpoint_callbacks:
        if not isinstance(saving, RunCheckpoint) or saving.monitor is None or saving.best_model_score is None:
            continue
        step = step_in_name(Path(saving.best_model_path))
        if step is not None and Path(saving.best_model_path).is_file():
            return BestCheckpoint(saving.monitor, float(saving.best_model_score), step, saving.best_model_path)
    return None
