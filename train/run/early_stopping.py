"""Early stopping by brain scores."""

from math import isfinite, isnan
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities import rank_zero_info

from train.run.brain_monitor import check_monitor, score_at


class StopByBrainScore(pl.Callback):
    """Stops training when a brain score has not improved for a number of evaluations.

    Like Lightning's `EarlyStopping`, but looks at each evaluation of `BrainScoreCallback` once: patience counts
    evaluations, not epochs or validations, wherever in an epoch they are. Epochs without an evaluation, failed
    evaluations and that of the untrained network do not count. In a configuration:

        trainer:
          callbacks:
            - class_path: StopByBrainScore
              init_args: {monitor: brain/NH2015comp/best, patience: 5}

    Args:
        monitor: The score, such as "brain/NH2015comp/best".
        patience: Stop after this many evaluations without an improvement.
        min_delta: The smallest rise that counts as an improvement.
        verbose: Whether to log each improvement, and why training stops.
        stopping_threshold: Stop at once if the score is above this.
    """

    def __init__(
        self,
        monitor: str,
        *,
        patience: int = 5,
        min_delta: float = 0.0,
        verbose: bool = False,
        stopping_threshold: float | None = None,
    ) -> None:
        self.monitor = monitor
        self.patience = patience
        self.min_delta = min_delta
        self.verbose = verbose
        self.stopping_threshold = stopping_threshold
        self.best_score = float("-inf")
        self.wait_count = 0
        self.stopped_epoch = 0
        self._last_seen_step = -1

    @property
    def state_key(self) -> str:
        """Key of the state in checkpoints: two callbacks with different scores have different states."""
        settings = {"monitor": self.monitor, "mode": "max"}  # as in Lightning's `EarlyStopping`, whose states it reads
        return f"{type(self).__qualname__}{settings}"

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Check that the score to stop by exists."""
        check_monitor(self.monitor, trainer, asked_by=type(self).__name__)

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Look at an evaluation in the middle of an epoch."""
        self._look(trainer)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Look at an evaluation at the end of an epoch."""
        self._look(trainer)

    def state_dict(self) -> dict[str, Any]:
        """Return the best score, the evaluations since then, and the last evaluation looked at."""
        return {
            "best_score": torch.tensor(self.best_score, dtype=torch.float64),
            "wait_count": self.wait_count,
            "stopped_epoch": self.stopped_epoch,
            "patience": self.patience,
            "last_seen_step": self._last_seen_step,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore it, patience included."""
        self.best_score = float(state_dict["best_score"])
        self.wait_count = int(state_dict["wait_count"])
        self.stopped_epoch = int(state_dict["stopped_epoch"])
        self.patience = int(state_dict["patience"])
        self._last_seen_step = int(state_dict["last_seen_step"])

    def _look(self, trainer: pl.Trainer) -> None:
        """Judge the score once for each evaluation."""
        step, score = score_at(self.monitor, trainer)
        if step <= 0 or step == self._last_seen_step:
            return
        self._last_seen_step = step
        if isnan(score):
            return
        should_stop, reason = self._judge(score)
        if trainer.strategy.reduce_boolean_decision(should_stop, all=False):
            trainer.should_stop = True
            self.stopped_epoch = trainer.current_epoch
        if reason and self.verbose:
            rank_zero_info(reason)

    def _judge(self, score: float) -> tuple[bool, str]:
        """Whether to stop after a score, and what to log about it."""
        if self.stopping_threshold is not None and score > self.stopping_threshold:
            return True, f"{self.monitor} = {score:.3f} is above the stopping threshold {self.stopping_threshold}"
        if score - self.min_delta > self.best_score:
            rise = f" by {score - self.best_score:.3f}" if isfinite(self.best_score) else ""
            self.best_score, self.wait_count = score, 0
            return False, f"{self.monitor} improved{rise} to {score:.3f}"
        self.wait_count += 1
        if self.wait_count >= self.patience:
            reason = f"did not improve in the last {self.wait_count} evaluations; the best score was"
            return True, f"{self.monitor} {reason} {self.best_score:.3f}"
        return False, ""
