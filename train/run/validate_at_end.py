"""A validation of the trained network, whenever training ends."""

from typing import Any

import pytorch_lightning as pl

from evaluate.callback.callback import is_last_epoch


class ValidateAtEnd(pl.Callback):
    """Validates the network after the last step if no validation is due there, so that results are those of the end.

    Lightning validates at the end of epochs, or of every n-th one: a run of `max_steps` within the first epoch would
    have no results, and another run those of an earlier network. Must come after callbacks that stop training.
    """

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Ask for a validation after the last step: Lightning validates before it stops at a request."""
        is_last_step = 0 <= trainer.max_steps <= trainer.global_step or trainer.should_stop
        if is_last_step or (trainer.is_last_batch and is_last_epoch(trainer)):
            trainer.check_val_every_n_epoch = 1
            # Lightning refuses a request before `min_epochs`, and says so.
            trainer.should_stop = not trainer.min_epochs or trainer.current_epoch >= trainer.min_epochs
