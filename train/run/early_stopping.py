"""Early stopping by brain scores."""

from math import isnan
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities import rank_zero_info

from train.run.brain_monitor import check_monitor, score_at
from train.run.lightning_internals import OpenEarlyStopping


class StopByBrainScore(OpenEarlyStopping):
    """Stops training when a brain score has not improved for a number of evaluations.

    Looks at each evaluation of `BrainScoreCallback` once: patience counts evaluations, not epochs or validations,
    wherever in an epoch they are. Epochs without an evaluation, failed evaluations and that of the untrained network do
    not count. It is one of Lightning's `EarlyStopping` callbacks because Lightning calls those at the end of an epoch
    after all that measure. In a configuration:

        trainer:
          callbacks:
            - class_path: StopByBrainScore
              init_args: {monitor: brain/NH2015comp/best, patience: 5}

    Args:
        monitor: The score, such as "brain/NH2015comp/best".
        patience: Stop after this many evaluations without an improvement.
        min_delta: The smallest rise that counts as an improvement.
        verbose: Whether to log each improvement, too; why training stops is always logged.
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
        super().__init__(
            monitor,
            mode="max",
            patience=patience,
            min_delta=min_delta,
            verbose=verbose,
            stopping_threshold=stopping_threshold,
        )
        self._last_seen_step = -1

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

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Do nothing: validations do not count here."""

    def state_dict(self) -> dict[str, Any]:
        """Return the state of `EarlyStopping`, and the last evaluation looked at."""
        return super().state_dict() | {"last_seen_step": self._last_seen_step}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore it, patience included."""
        super().load_state_dict(state_dict)
        self._last_seen_step = int(state_dict["last_seen_step"])

    def _look(self, trainer: pl.Trainer) -> None:
        """Judge the score once for each evaluation."""
        step, score = score_at(self.monitor, trainer)
        if step <= 0 or step == self._last_seen_step:
            return
        self._last_seen_step = step
        if isnan(score):
            return
        should_stop, reason = self.judge(torch.tensor(score, dtype=torch.float64))
        if trainer.strategy.reduce_boolean_decision(should_stop, all=False):
            trainer.should_stop = True
            self.stopped_epoch = trainer.current_epoch
            self.stopping_reason_message = self._why(score)
            rank_zero_info(f"training stops: {self.stopping_reason_message}")
        elif reason and self.verbose:
            rank_zero_info(reason)

    def _why(self, score: float) -> str:
        if self.stopping_threshold is not None and score > self.stopping_threshold:
            return f"{self.monitor} is {score:.3f}, above the threshold {self.stopping_threshold:g}"
        return f"{self.monitor} has not risen above {float(self.best_score):.3f} in {self.patience} evaluations"
