"""The loggers of a run: `metrics.csv` and TensorBoard in its directory, and Weights & Biases if asked for.

`metrics.csv` is the record of the run, which resuming and the run page read: if it cannot be written, the run ends, as
it does if a checkpoint cannot be written. The other two show the same values again: their errors do not end a run.
"""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.loggers import Logger, TensorBoardLogger, WandbLogger
from pytorch_lightning.loggers.logger import DummyExperiment
from pytorch_lightning.utilities import rank_zero_only

from evaluate.watch.wandb_scores import first_line, parse_wandb_project
from train.run.metrics_file import MetricsFile
from train.run.run_directory import METRICS_FILE, TENSORBOARD_FOLDER, wandb_run_id

WANDB_TIMEOUT_S = 60
"""How long a run waits for Weights & Biases before it starts without it."""

_log = logging.getLogger(__name__)


class MetricsLogger(Logger):
    """Logs to `metrics.csv`, one table for all of a run.

    Args:
        run_dir: Run directory.
    """

    def __init__(self, run_dir: str) -> None:
        super().__init__()
        self._run_dir = run_dir
        self._file = MetricsFile(Path(run_dir) / METRICS_FILE)

    @property
    def name(self) -> None:
        """None: there is only one in a run directory."""

    @property
    def version(self) -> None:
        """None: a run that is resumed continues its table."""

    @property
    def save_dir(self) -> str:
        """The run directory."""
        return self._run_dir

    @rank_zero_only
    def start(self, num_steps: int) -> None:
        """Continue the table after this number of optimiser steps, see `MetricsFile.resume`."""
        self._file.resume(num_steps)

    @rank_zero_only
    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        """Add a row."""
        self._file.append(metrics, 0 if step is None else step)

    def log_hyperparams(self, *args: Any, **kwargs: Any) -> None:
        """Do nothing: the configuration is in `config.yaml`."""


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
    _has_started = False

    @property
    def experiment(self) -> Any:
        """What writes; nothing before training starts, so that a run that cannot start leaves no files."""
        return super().experiment if self._has_started else DummyExperiment()

    def start(self, num_steps: int) -> None:
        """Write from now on."""
        self._has_started = True


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
    loggers: list[Logger] = [MetricsLogger(run_dir)]
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


def start_loggers(trainer: pl.Trainer) -> None:
    """Let the loggers of a run write from the step on that training starts from."""
    for logger in trainer.loggers:
        if isinstance(logger, MetricsLogger | _TensorBoard):
            logger.start(trainer.global_step)


def _warn_left_out(name: str, error: Exception) -> None:
    _log.warning("%s is left out (%s): values are in the run directory, in %s", name, first_line(error), METRICS_FILE)


def _wandb_logger(run_dir: str, name: str) -> Logger:
    """Make a logger that reaches the server, or otherwise one that keeps the run in its directory, to send it later."""
    import wandb

    where, run_id, run_name = parse_wandb_project(name), wandb_run_id(run_dir), Path(run_dir).name

    def make(**settings: Any) -> _WeightsAndBiases:
        # Settings check the names.
        checked = wandb.Settings(entity=where.entity, project=where.project, **settings)
        return _WeightsAndBiases(
            entity=where.entity,
            project=where.project,
            name=run_name,
            group=run_name,
            save_dir=run_dir,
            id=run_id,
            resume="allow",
            settings=checked,
        )

    made = make(init_timeout=WANDB_TIMEOUT_S)
    if wandb.setup().settings.mode != "online":
        return made  # nothing to reach: the run begins with its first value, and a refused one leaves no process behind
    try:
        made.connect()
        return made
    except wandb.Error as error:
        wandb.teardown()  # removes the run that it could not start
        made = make(mode="offline")
        made.connect()
        _log.warning(
            "Weights & Biases cannot be used (%s): this run is kept in %s/wandb; `wandb sync` sends it later",
            first_line(error),
            run_dir,
        )
        return made
