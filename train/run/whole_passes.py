"""Resuming after a whole pass over the data, if a run is counted in steps."""

import pytorch_lightning as pl

from train.run.lightning_internals import close_whole_pass


class ResumeAfterWholePass(pl.Callback):
    """Lets a run with `max_steps` resume with the next pass if the last one was whole, as with `max_epochs`.

    Must come before all callbacks that count passes.
    """

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Close the pass."""
        close_whole_pass(trainer)
