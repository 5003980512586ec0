"""The network on its own, with a model card, at the end of training."""

import logging
from pathlib import Path

import pytorch_lightning as pl

from networks.weights.model_folder import CARD_FILE, export_model
from networks.weights.run_layout import CHECKPOINTS_FOLDER, LAST_CHECKPOINT, MODEL_FOLDER

_log = logging.getLogger(__name__)


class ExportModel(pl.Callback):
    """Writes `model/` in the run directory: weights, label sets, recipe and a model card with the results.

    Must come after the callback that writes the results.
    """

    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write it from the newest checkpoint; a problem with it is only a warning."""
        folder = Path(trainer.default_root_dir)
        if not trainer.is_global_zero or not (folder / CHECKPOINTS_FOLDER / LAST_CHECKPOINT).is_file():
            return
        try:
            export_model(folder, folder / MODEL_FOLDER)
        except Exception:  # what was trained is saved already
            _log.warning("writing %s failed", folder / MODEL_FOLDER / CARD_FILE, exc_info=True)
