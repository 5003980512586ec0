"""Going on after a whole pass over the data, where a run is counted in steps."""

from typing import Any

import pytorch_lightning as pl


class GoOnAfterWholePass(pl.Callback):
    """Lets a run that is counted in steps go on with the next pass where the last one was whole.

    Lightning takes every checkpoint of such a run (`max_steps`) for one within a pass: it ends a finished pass again,
    after one batch more where no validation is due at its end, and counts the logged steps one too high from there on.
    Here its loops are put where those of a run counted in epochs are. It belongs before all that counts passes.
    """

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Take the pass for finished."""
        loop = trainer.fit_loop
        progress: Any = loop.epoch_progress.current
        is_whole = loop.epoch_loop.batch_progress.current.completed >= trainer.num_training_batches
        if loop.restarting and progress.processed > progress.completed and is_whole:
            loop.epoch_progress.increment_completed()
            loop._restarting = False  # its own setter refuses where steps are counted
            loop.epoch_loop.restarting = False
            loop.reset_restart_stage()
            loop.epoch_loop.reset_restart_stage()
