"""Brain scores while a network trains: the one module of this package that knows Lightning."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import pytorch_lightning as pl
from pytorch_lightning.loggers import WandbLogger
from torch import nn

from evaluate import table as t
from evaluate.activations import DEFAULT_BATCH_SIZE, resolve_stages, stage_activations
from evaluate.benchmarks import ALL, Benchmark, load_benchmark
from evaluate.figures import write_figures
from evaluate.isolation import undisturbed
from evaluate.ranks import Ranks
from evaluate.scores import Origin, StageScores, encode_stages, failed_row, tabulate
from evaluate.splits import published_splits

FIGURES_FOLDER = "figures"
STEP_KEY = "brain/checkpoint_step"
"""Logged beside the scores: the x axis of all of them in Weights & Biases."""

_log = logging.getLogger(__name__)


class BrainScoreCallback(pl.Callback):
    """Scores the stages of `pl_module.network` against brain responses while it trains.

    Before the first update, after every n-th epoch and at the end, each stage's score on each benchmark goes to
    every logger, into the table `scores.csv` and onto pictures in `figures/`. Training itself is not touched:
    with the callback and without it, weights come out bitwise equal, also when an evaluation fails.

    Logged are `brain/{benchmark}/{stage}` (all units together), `brain/{benchmark}/{region}` and
    `brain/{benchmark}/best` (at the best stage, independently selected). Each epoch has a value for them, the last
    one between evaluations, so that `ModelCheckpoint(monitor="brain/NH2015comp/best", mode="max")` works; give
    it the same `every_n_epochs`, and `save_on_train_epoch_end=True` where validation is not once an epoch.

    With several processes (DistributedDataParallel), each scores its share of the stages.

    Args:
        benchmarks: Names or folders, see `load_benchmark`.
        stages: Stages to score, or None for all.
        every_n_epochs: Score after every so many epochs; 0 for none in between.
        at_start: Score the untrained network.
        at_end: Score at the end of training, where the last epoch has not been scored already.
        batch_size: Sounds per forward pass.
        run_dir: Where table and pictures go; None means the trainer's `default_root_dir`.
        figures: Whether to draw pictures after each evaluation.
        on_error: What to do when an evaluation raises: "warn" writes a row with metric "failed", logs the
            traceback and goes on training; "raise" stops. Benchmarks that cannot be loaded and unknown stages
            always raise, before training starts.
    """

    def __init__(
        self,
        benchmarks: Sequence[str] = ("simulated",),
        *,
        stages: Sequence[str] | None = None,
        every_n_epochs: int = 1,
        at_start: bool = True,
        at_end: bool = True,
        batch_size: int = DEFAULT_BATCH_SIZE,
        run_dir: str | None = None,
        figures: bool = True,
        on_error: Literal["warn", "raise"] = "warn",
    ) -> None:
        super().__init__()
        if isinstance(benchmarks, str) or isinstance(stages, str):
            raise TypeError("benchmarks and stages are lists of names, got one text: put it into a list")
        if every_n_epochs < 0:
            raise ValueError(f"every_n_epochs is 0 (never) or more, got {every_n_epochs}")
        if on_error not in ("warn", "raise"):
            raise ValueError(f"on_error is 'warn' or 'raise', got {on_error!r}")
        self.benchmark_names = tuple(str(name) for name in benchmarks)
        self.stages = stages
        self.every_n_epochs = every_n_epochs
        self.at_start = at_start
        self.at_end = at_end
        self.batch_size = batch_size
        self.run_dir = run_dir
        self.figures = figures
        self.on_error = on_error
        self._benchmarks: list[Benchmark] = []
        self._ranks = Ranks()
        self._last_step = -1
        self._values: dict[str, float] = {}

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Load benchmarks and their sounds, so that what is wrong with them shows before training."""
        if stage != "fit":
            return
        net = _network_of(pl_module)
        with undisturbed(pl_module):
            resolve_stages(net, self.stages)
            self._benchmarks = [load_benchmark(name) for name in self.benchmark_names]
            for benchmark in self._benchmarks:
                benchmark.stimuli(net.sample_rate_hz, net.num_samples)
                self._values.setdefault(f"brain/{benchmark.name}/{t.BEST}", float("nan"))
        self._ranks = Ranks.connect()

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Score the untrained network; nothing when training goes on from a later step."""
        for logger in trainer.loggers:
            if isinstance(logger, WandbLogger) and trainer.is_global_zero:
                logger.experiment.define_metric(STEP_KEY)
                logger.experiment.define_metric("brain/*", step_metric=STEP_KEY)
        if self.at_start and trainer.global_step == 0:
            self._evaluate(trainer, pl_module, epoch=0)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Score every n-th epoch, and give checkpoints a value to choose by after every epoch."""
        num_epochs = trainer.current_epoch + 1
        if self.every_n_epochs and num_epochs % self.every_n_epochs == 0:
            self._evaluate(trainer, pl_module, epoch=num_epochs)
        for name, value in self._values.items():
            # The loggers have had it from _log_values, once, with its step.
            pl_module.log(name, value, on_step=False, on_epoch=True, logger=False, sync_dist=True, batch_size=1)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Score the trained network, where its last epoch has not been scored already."""
        if self.at_end:
            self._evaluate(trainer, pl_module, epoch=trainer.current_epoch)

    def state_dict(self) -> dict[str, Any]:
        """Give what was scored last, in plain Python."""
        return {"last_step": self._last_step, "values": dict(self._values)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up what was scored last."""
        self._last_step = int(state_dict["last_step"])
        self._values.update({str(name): float(value) for name, value in state_dict["values"].items()})

    def _evaluate(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *, epoch: int) -> None:
        """Score all benchmarks once per step; write and log what came."""
        if trainer.global_step == self._last_step or not self._benchmarks:
            return
        self._last_step = trainer.global_step
        folder = Path(self.run_dir or trainer.default_root_dir)
        run = getattr(pl_module, "run_name", "") or folder.resolve().name
        origin = Origin(run=run, step=trainer.global_step, epoch=epoch)
        with undisturbed(pl_module):
            rows = pd.concat([self._score(pl_module, benchmark, origin) for benchmark in self._benchmarks])
            try:
                self._ranks.together(lambda: self._publish(trainer, rows, folder))
            except Exception:  # the table is not worth the training
                self._warn_or_raise("writing brain scores failed")

    def _score(self, pl_module: pl.LightningModule, benchmark: Benchmark, origin: Origin) -> pd.DataFrame:
        """Score one benchmark: every process its stages, then all together."""
        net = _network_of(pl_module)
        stages = resolve_stages(net, self.stages)

        def score_share() -> dict[str, StageScores]:
            share = self._ranks.share(stages)
            if not share:
                return {}
            waveforms = benchmark.stimuli(net.sample_rate_hz, net.num_samples)
            features = stage_activations(net, waveforms, stages=share, batch_size=self.batch_size)
            return encode_stages(features, benchmark, published_splits(benchmark.num_stimuli))

        try:
            with self._ranks.first_rank_buffers(net):
                shares = self._ranks.together(score_share)
        except Exception:  # whatever it is, training goes on unless asked otherwise
            self._warn_or_raise(f"scoring {benchmark.name} at step {origin.step} failed")
            rows = failed_row(benchmark.name, origin)
        else:
            scores = {stage: share[stage] for stage in stages for share in shares if stage in share}
            rows = tabulate(scores, benchmark, origin)
        prefix = f"brain/{benchmark.name}/"
        stale = {name: float("nan") for name in self._values if name.startswith(prefix)}
        self._values |= stale | logged_values(rows)
        return rows

    def _publish(self, trainer: pl.Trainer, rows: pd.DataFrame, folder: Path) -> None:
        """Write table and pictures and tell the loggers, on rank 0."""
        if not trainer.is_global_zero:
            return
        table = t.append_rows(folder / t.SCORES_FILE, rows)
        values = {name: value for name, value in self._values.items() if not np.isnan(value)}
        for logger in trainer.loggers:
            logger.log_metrics(values | {STEP_KEY: trainer.global_step}, step=trainer.global_step)
        if self.figures:
            write_figures(table, folder / FIGURES_FOLDER)

    def _warn_or_raise(self, what: str) -> None:
        """Re-raise the exception being handled, or log it and go on."""
        if self.on_error == "raise":
            raise  # noqa: PLE0704 - called from except blocks alone
        _log.warning("%s; training goes on", what, exc_info=True)


def logged_values(rows: pd.DataFrame) -> dict[str, float]:
    """Choose the scores that are logged.

    Args:
        rows: Score table of one step.

    Returns:
        `brain/{benchmark}/{stage}` and, at the best stage, `brain/{benchmark}/{region}` and
        `brain/{benchmark}/best`.
    """
    rows = t.summary_rows(rows)
    values = {}
    curve = rows[rows[t.METRIC].isin(t.STAGE_METRICS) & (rows[t.REGION] == ALL)]
    best = rows[rows[t.METRIC].isin(t.BEST_METRICS)]
    for benchmark, stage, value in curve[[t.BENCHMARK, t.STAGE, t.VALUE]].itertuples(index=False):
        values[f"brain/{benchmark}/{stage}"] = float(value)
    # "best" comes last, so that no region's name can take its place.
    best = best.sort_values(t.REGION, key=lambda regions: regions == ALL)
    for benchmark, region, value in best[[t.BENCHMARK, t.REGION, t.VALUE]].itertuples(index=False):
        values[f"brain/{benchmark}/{t.BEST if region == ALL else region}"] = float(value)
    return values


def _network_of(pl_module: pl.LightningModule) -> Any:
    """The network with named stages that a LightningModule trains."""
    net = getattr(pl_module, "network", None)
    if not isinstance(net, nn.Module) or not hasattr(net, "stage_modules"):
        raise TypeError(
            f"BrainScoreCallback needs {type(pl_module).__name__}.network to be a network with named stages "
            f"(networks.AuditoryNetwork), got {type(net).__name__}"
        )
    return net
