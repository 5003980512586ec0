"""The loggers of a run: tables and TensorBoard in its directory, and Weights & Biases if asked for."""

import logging
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers import CSVLogger, Logger, TensorBoardLogger, WandbLogger

from train.run.run_directory import CSV_FOLDER, TENSORBOARD_FOLDER, wandb_run_id

WANDB_TIMEOUT_S = 60
"""How long a run waits for Weights & Biases before it starts without it."""

_log = logging.getLogger(__name__)


def loggers_of(run_dir: str, wandb_project: str | None) -> list[Logger]:
    """Make the loggers of a run.

    Args:
        run_dir: Run directory.
        wandb_project: Project at Weights & Biases, or None for no such logger.

    Returns:
        The loggers.
    """
    loggers: list[Logger] = [
        # Written at once: a run that is killed would lose rows in memory, even those before its last checkpoint.
        CSVLogger(run_dir, name=CSV_FOLDER, flush_logs_every_n_steps=1),
        TensorBoardLogger(run_dir, name=TENSORBOARD_FOLDER, version=""),
    ]
    if wandb_project is not None:
        loggers.append(_wandb_logger(run_dir, wandb_project))
    return loggers


def _wandb_logger(run_dir: str, project: str) -> WandbLogger:
    """Make a logger that reaches the server, or otherwise one that keeps the run in its directory, to send it later."""
    import wandb

    run_id, name = wandb_run_id(run_dir), Path(run_dir).name

    def make(**settings: Any) -> WandbLogger:
        logger = WandbLogger(
            project=project,
            name=name,
            group=name,
            save_dir=run_dir,
            id=run_id,
            resume="allow",
            settings=wandb.Settings(**settings),
        )
        _ = logger.experiment  # connects, on the first rank
        return logger

    try:
        return make(init_timeout=WANDB_TIMEOUT_S)
    except wandb.Error as error:
        reason = " ".join(str(error).split())
        _log.warning(
            "Weights & Biases cannot be used (%s): this run is kept in %s/wandb; `wandb sync` sends it later",
            reason,
            run_dir,
        )
        wandb.teardown()  # removes the run that it could not start
        return make(mode="offline")
