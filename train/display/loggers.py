"""The loggers of a run: tables and TensorBoard in its directory, and Weights & Biases if asked for.

`csv/` is the record of the run, which resuming and the run page read: if it cannot be written, the run ends, as it does
if a checkpoint cannot be written. The other two show the same values again: their errors do not end a run.
"""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers import CSVLogger, Logger, TensorBoardLogger, WandbLogger
from pytorch_lightning.loggers.logger import DummyExperiment

from evaluate.watch.wandb_scores import first_line, parse_wandb_project
from train.run.run_directory import CSV_FOLDER, TENSORBOARD_FOLDER, wandb_run_id

WANDB_TIMEOUT_S = 60
"""How long a run waits for Weights & Biases before it starts without it."""

_log = logging.getLogger(__name__)


class LeftOutOnError(Logger):
    """A logger whose errors do not end the run: the first one is logged in one line, and the logger is used no more.

    A base class to be named before that of the logger. Its methods are those that Lightning and this project call.
    """

    title: str
    """What messages call the logger."""
    _is_left_out = False

    @property
    def experiment(self) -> Any:
        """What writes: an object that does nothing if the logger cannot be used."""
        try:
            return DummyExperiment() if self._is_left_out else super().experiment  # type: ignore[misc]
        except Exception as error:
            self._leave_out(error)
            return DummyExperiment()

    def log_metrics(self, *args: Any, **kwargs: Any) -> None:
        """Log values."""
        self._try(super().log_metrics, *args, **kwargs)  # type: ignore[safe-super]  # that of the logger

    def log_hyperparams(self, *args: Any, **kwargs: Any) -> None:
        """Log settings."""
        self._try(super().log_hyperparams, *args, **kwargs)  # type: ignore[safe-super]  # that of the logger

    def log_graph(self, *args: Any, **kwargs: Any) -> None:
        """Log the graph of the network."""
        self._try(super().log_graph, *args, **kwargs)

    def save(self) -> None:
        """Write what is in memory."""
        self._try(super().save)

    def after_save_checkpoint(self, *args: Any, **kwargs: Any) -> None:
        """Take note of a checkpoint."""
        self._try(super().after_save_checkpoint, *args, **kwargs)

    def finalize(self, *args: Any, **kwargs: Any) -> None:
        """Write what is in memory at the end."""
        self._try(super().finalize, *args, **kwargs)

    def _try(self, call: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        if self._is_left_out:
            return
        try:
            call(*args, **kwargs)
        except Exception as error:  # the network, a quota, a full disk, another release of the package
            self._leave_out(error)

    def _leave_out(self, error: Exception) -> None:
        self._is_left_out = True
        _warn_left_out(self.title, error)


class _TensorBoard(LeftOutOnError, TensorBoardLogger):
    title = "TensorBoard"


class _WeightsAndBiases(LeftOutOnError, WandbLogger):
    title = "Weights & Biases"

    def connect(self) -> None:
        """Start the run, on the first rank; raises what `experiment` does not."""
        _ = WandbLogger.experiment.fget(self)  # type: ignore[attr-defined]  # a property


def loggers_of(run_dir: str, wandb_project: str | None) -> list[Logger]:
    """Make the loggers of a run.

    Args:
        run_dir: Run directory.
        wandb_project: Project at Weights & Biases, as `project` or `team/project`, or None for no such logger.

    Returns:
        The loggers. One that cannot be used is left out, with a warning.
    """
    loggers: list[Logger] = [
        # Written at once: a run that is killed would lose rows in memory, even those before its last checkpoint.
        CSVLogger(run_dir, name=CSV_FOLDER, flush_logs_every_n_steps=1)
    ]
    makers: dict[str, Callable[[], Logger]] = {
        _TensorBoard.title: lambda: _TensorBoard(run_dir, name=TENSORBOARD_FOLDER, version="")
    }
    if wandb_project is not None:
        makers[_WeightsAndBiases.title] = lambda: _wandb_logger(run_dir, wandb_project)
    for name, make in makers.items():
        try:
            loggers.append(make())
        except Exception as error:  # missing or broken packages, wrong names, full disks
            _warn_left_out(name, error)
    return loggers


def _warn_left_out(name: str, error: Exception) -> None:
    _log.warning("%s is left out (%s): values are in the run directory, in %s/", name, first_line(error), CSV_FOLDER)


def _wandb_logger(run_dir: str, name: str) -> Logger:
    """Make a logger that reaches the server, or otherwise one that keeps the run in its directory, to send it later."""
    import wandb

    where, run_id, run_name = parse_wandb_project(name), wandb_run_id(run_dir), Path(run_dir).name

    def make(**settings: Any) -> Logger:
        logger = _WeightsAndBiases(
            entity=where.entity,
            project=where.project,
            name=run_name,
            group=run_name,
            save_dir=run_dir,
            id=run_id,
            resume="allow",
            settings=wandb.Settings(**settings),
        )
        logger.connect()
        return logger

    try:
        return make(init_timeout=WANDB_TIMEOUT_S)
    except wandb.Error as error:
        wandb.teardown()  # removes the run that it could not start
        made = make(mode="offline")
        _log.warning(
            "Weights & Biases cannot be used (%s): this run is kept in %s/wandb; `wandb sync` sends it later",
            first_line(error),
            run_dir,
        )
        return made
