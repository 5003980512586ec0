"""Brain scores during training: the only module of this package that uses Lightning."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pytorch_lightning as pl
from pytorch_lightning.loggers import Logger, TensorBoardLogger, WandbLogger
from pytorch_lightning.utilities import rank_zero_info
from torch import nn

from datamodules.progress import ReportProgress
from evaluate.benchmarks import Benchmark, load_benchmark
from evaluate.callback.evaluation_schedule import make_schedule
from evaluate.callback.found_network import TRAINED_NETWORK, find_averaged, find_network, is_built
from evaluate.callback.logged import (
    EMA_SUFFIX,
    PREFIX,
    STEP_KEY,
    StagePlace,
    averaged_names,
    best_key,
    best_stages,
    described_scores,
    logged_names,
    logged_values,
)
from evaluate.callback.metric_schedules import metric_schedules
from evaluate.callback.training_rows import claim_rows, new_training
from evaluate.features.activations import resolve_stages
from evaluate.isolation import undisturbed
from evaluate.metrics import DEFAULT_METRIC, MetricError, load_metrics
from evaluate.metrics.metric import Arrays
from evaluate.metrics.score_kinds import save_kinds
from evaluate.options import DEFAULT_BATCH_SIZE, FIGURES_FOLDER
from evaluate.scoring import table as t
from evaluate.scoring.engine import ScoringEngine
from evaluate.scoring.plan import ScoringPlan
from evaluate.scoring.ranks import Ranks
from evaluate.scoring.references import References
from evaluate.scoring.scored_benchmarks import save_benchmarks
from networks import NetworkIdentity
from networks.commands.program import program
from networks.weights.checkpoint import averaged_run
from networks.weights.source_names import SourceError

if TYPE_CHECKING:
    import pandas as pd


_log = logging.getLogger(__name__)


class BrainScoreCallback(pl.Callback):
    """Scores the stages of the network that a LightningModule trains against brain responses.

    Evaluates before the first update, after the epochs or steps of a schedule, and at the end; metrics may have
    schedules of their own. Each evaluation sends the score of every stage on every benchmark to all loggers, adds rows
    to the table `scores.csv` and draws figures in `figures/`. Training itself does not change: its weights are bitwise
    equal with and without the callback, even if an evaluation fails.

    Logged names are `brain/{benchmark}/{stage}` (all units together), `brain/{benchmark}/{region}` and
    `brain/{benchmark}/best` (both at the best stage, independently selected), with `brain/checkpoint_step`. Metrics
    other than encoding have their name after the benchmark's: `brain/{benchmark}/{metric}/{stage}` and so on. Which
    stage is best is logged as `brain/{benchmark}/best_stage` and `brain/{benchmark}/{region}/best_stage`: the index of
    the stage that was selected most often, and its name (`..._name`) as a text in Weights & Biases and TensorBoard.

    If the LightningModule keeps an average of the weights (`model.ema_decay`), that is scored, too: logged as
    `brain/{benchmark}_ema/...`, and in the table as the run `RUN (ema)`.

    Later callbacks find the scores in `trainer.callback_metrics`, from the hook that evaluates onwards and at the end
    of each epoch. Between evaluations, these are the last scores (NaN before the first evaluation). A callback that
    selects weights by them must check `step_of`, as the checkpoints and early stopping of `train.run` do. Lightning's
    own `ModelCheckpoint` does not: it saves other weights than those that were scored if its `every_n_epochs` or
    `every_n_train_steps` differs from the schedule of the evaluations.

    The evaluation at the end is available to other callbacks if the end is known in advance: `max_epochs` or
    `max_steps` is reached, or another callback requests a stop before the end of the epoch. Otherwise it reaches only
    the table and the loggers, as Lightning accepts no values for callbacks in `on_train_end`.

    If training resumes from a checkpoint, so does the table: rows of this run beyond the checkpoint's step are dropped,
    since they may belong to other weights, and scores missing at the checkpoint's own step are computed. Rows of
    another training in the same folder are moved to `scores.ID.csv` and come back when that training resumes.

    With several processes (DistributedDataParallel), each one scores its share of the stages.

    Each evaluation logs its scores in one line, as Lightning logs messages, and the first one where the table and the
    figures are; a progress display that sets `progress` shows them instead.

    The callback works with any LightningModule that trains a network on waveforms, such as

    ```python
    def network_of(module: pl.LightningModule) -> nn.Module:
        return networks.StagedNetwork(
            module.backbone.encoder, stages=["conv*", "layers.*"], sample_rate_hz=16_000, num_samples=32_000
        )

    trainer = pl.Trainer(callbacks=[BrainScoreCallback(["simulated"], network=network_of, run_dir="runs/mine")])
    ```

    Args:
        benchmarks: Names or folders, see `load_benchmark`; by default nothing is scored.
        metrics: Names of metrics, see `evaluate.metrics.load_metric`. A metric with a schedule of its own is a mapping
            of `name` and any of the six settings below from `every_n_epochs` to `at_end`, such as
            `{name: rsa, every_n_epochs: 10}`. A metric is computed on the benchmarks that have what it needs.
        stages: Stages to score, or None for all.
        every_n_epochs: Score after every n-th epoch; 0 for none. None means 1, or 0 if steps are given.
        every_n_steps: Score after every n-th optimiser step, anywhere in an epoch; 0 for none.
        at_steps: Score after these optimiser steps; 0 is the untrained network.
        log_spaced: `[first, last, number]` of steps evenly spaced on a logarithmic axis, see `log_spaced_steps`.
        at_start: Score the untrained network.
        at_end: Score at the end of training, unless its last step has already been scored.
        batch_size: Sounds per forward pass.
        run_dir: Folder of the table and figures; None means the trainer's `default_root_dir`.
        figures: Whether to draw figures after each evaluation.
        on_error: What to do if an evaluation raises: "warn" computes its metrics one by one, writes a row with metric
            "failed" if one raises, logs the traceback and continues training; "raise" stops. Benchmarks that cannot be
            loaded, unknown stages and networks that cannot be compared with always raise, before training starts. Rows
            that cannot be written are kept for the next evaluation.
        network: Where the LightningModule has its network with named stages, as a path of attributes such as
            "backbone.encoder"; or a function that is called once with the LightningModule and returns that network,
            which must share its parameters, also named as `package.module:function` or `path/file.py:function`.
            `networks.StagedNetwork` adds stages to any module.
    """

    def __init__(
        self,
        benchmarks: Sequence[str] = (),
        *,
        metrics: Sequence[str | dict[str, Any]] = (DEFAULT_METRIC,),
        stages: Sequence[str] | None = None,
        every_n_epochs: int | None = None,
        every_n_steps: int = 0,
        at_steps: Sequence[int] = (),
        log_spaced: Sequence[int] | None = None,
        at_start: bool = True,
        at_end: bool = True,
        batch_size: int = DEFAULT_BATCH_SIZE,
        run_dir: str | None = None,
        figures: bool = True,
        on_error: Literal["warn", "raise"] = "warn",
        network: str | Callable[[pl.LightningModule], nn.Module] = TRAINED_NETWORK,
    ) -> None:
        super().__init__()
        if any(isinstance(names, str) for names in (benchmarks, metrics, stages)):
            raise TypeError(
                "expected lists of names for benchmarks, metrics and stages, got a single string: put it in a list"
            )
        if on_error not in ("warn", "raise"):
            raise ValueError(f"expected on_error 'warn' or 'raise', got {on_error!r}")
        self.benchmark_names = tuple(str(name) for name in benchmarks)
        self.stages = stages
        schedule = make_schedule(
            every_n_epochs=every_n_epochs,
            every_n_steps=every_n_steps,
            at_steps=at_steps,
            log_spaced=log_spaced,
            at_start=at_start,
            at_end=at_end,
        )
        self.schedules = metric_schedules(metrics, schedule)
        """When each metric is computed, by its name."""
        self.batch_size = batch_size
        self.run_dir = run_dir
        self.figures = figures
        self.on_error = on_error
        self.network = network
        self.progress: ReportProgress | None = None
        """Called as `progress(what, num_done, num_total)` while this process scores; set by the progress display."""
        self._plan = ScoringPlan(benchmarks=(), metrics={})
        self._ranks = Ranks()
        self._scored: Any = None
        self._averaged: Any = None
        self._references = References()
        self._ceilings: dict[tuple[str, str], Arrays] = {}
        self._last_steps = dict.fromkeys(self.schedules, -1)
        self._values: dict[str, float] = {}
        self._names: dict[str, str] = {}  # the metric of each logged name
        self._unwritten: list[pd.DataFrame] = []
        self._best_stages: dict[StagePlace, str] = {}
        self._has_said_where = False
        self._training, self._is_loaded = "", False
        """ID of the training, see `training_rows`, and whether it is from a checkpoint."""

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Load benchmarks and their sounds, so that problems in them raise before training starts."""
        if stage != "fit":
            return
        self._ranks = Ranks.connect()
        self._scored = None
        self._is_loaded = False  # until Lightning restores the states of callbacks
        if is_built(pl_module, self.network):
            self._prepare(pl_module)

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Do the same for a network that `setup` or `configure_model` of the LightningModule makes."""
        if self._scored is None:
            self._prepare(pl_module)

    def _prepare(self, pl_module: pl.LightningModule) -> None:
        with undisturbed(pl_module):
            net = self._scored = find_network(pl_module, self.network)
            self._averaged = find_averaged(pl_module, self.network)
            stages = resolve_stages(net, self.stages)
            self._plan = ScoringPlan(
                benchmarks=tuple(load_benchmark(name) for name in self.benchmark_names),
                metrics=load_metrics(list(self.schedules)),
                stages=None if self.stages is None else stages,
                batch_size=self.batch_size,
            )
            if self._ranks.rank == 0:
                for remark in self._plan.remarks:
                    _log.info(remark)
            self._names = {}
            for benchmark in self._plan.benchmarks:
                benchmark.stimuli(net.sample_rate_hz, net.num_samples)
                for metric, found in self._plan.metrics_on(benchmark).items():
                    if found.reference:
                        self._check_reference(metric, found.reference, net)
                    kinds = self._plan.only([metric]).kinds_on(benchmark)
                    own = logged_names(benchmark, stages, kinds)
                    best = [best_key(benchmark.name, kind.name) for kind in kinds if kind.best_metric]
                    if self._averaged is not None:
                        own += averaged_names(dict.fromkeys(own, 0.0), benchmark.name)
                        best += averaged_names(dict.fromkeys(best, 0.0), benchmark.name)
                    self._names |= dict.fromkeys(own, metric)
                    for name in best:
                        self._values.setdefault(name, float("nan"))

    def _check_reference(self, metric: str, reference: str, net: nn.Module) -> None:
        """Load a reference network, so that a problem with it raises before training starts."""
        try:
            self._references.key(reference, net)
        except SourceError as error:
            raise MetricError(f"metric {metric}: {error}") from error

    @property
    def last_step(self) -> int:
        """Optimiser step of the last evaluation of any metric, -1 before the first."""
        return max(self._last_steps.values(), default=-1)

    def step_of(self, name: str) -> int:
        """Optimiser step of the last evaluation of one of `score_names`, -1 before the first."""
        return self._last_steps.get(self._names.get(name, ""), -1)

    @property
    def score_names(self) -> tuple[str, ...]:
        """Names of the scores that are logged, available after `setup`; empty without benchmarks."""
        return tuple(self._names)

    @property
    def best_stages(self) -> dict[StagePlace, str]:
        """Names of the best stages at the last evaluation of each metric; on rank 0."""
        return dict(self._best_stages)

    @property
    def values(self) -> dict[str, float]:
        """The last scores by name, each of `step_of(name)`; NaN if the evaluation failed, or before the first."""
        return dict(self._values)

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Score the untrained network; if training resumes from a later step, bring the table to that step."""
        for logger in trainer.loggers:
            if isinstance(logger, WandbLogger) and trainer.is_global_zero:
                _plot_over_steps(logger)
        if not self._plan.benchmarks:
            return
        scored = self._resume_table(trainer, pl_module)
        due = [name for name in self.schedules if self._is_due_at_start(name, trainer)]
        # Rows of a later step may be missing too: the checkpoint may have been saved before this callback ran in the
        # same hook, or the table may be lost. Then the step counts as not scored.
        self._last_steps |= {name: -1 for name in due if name not in scored}
        self._evaluate(trainer, pl_module, due, epoch=trainer.current_epoch)

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Score after steps of a schedule, and pass the scores to later callbacks of the same step."""
        step = trainer.global_step
        due = [name for name, schedule in self.schedules.items() if schedule.is_after_step(step)]
        # With gradients accumulated over batches, successive batches have the same step: score after the first one.
        if all(self._last_steps[name] == step for name in due):
            return
        self._evaluate(trainer, pl_module, due, epoch=trainer.current_epoch + int(trainer.is_last_batch))
        self._log_for_callbacks(pl_module, on_step=True)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Score after epochs of a schedule and after the last; pass scores to callbacks after every epoch."""
        num_epochs, is_last = trainer.current_epoch + 1, is_last_epoch(trainer)
        due = [
            name
            for name, schedule in self.schedules.items()
            if schedule.is_after_epoch(num_epochs) or (schedule.at_end and is_last)
        ]
        self._evaluate(trainer, pl_module, due, epoch=trainer.current_epoch + int(trainer.is_last_batch))
        self._log_for_callbacks(pl_module, on_step=False)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Score the trained network, unless its last step has already been scored."""
        due = [name for name, schedule in self.schedules.items() if schedule.at_end]
        self._evaluate(trainer, pl_module, due, epoch=trainer.current_epoch)
        if self._has_said_where:
            folder = self._folder(trainer)
            report = program("evaluate", "report")
            rank_zero_info(f"brain scores are in {folder / t.SCORES_FILE}; `{report} {folder}` makes a page of them")

    def _is_due_at_start(self, metric: str, trainer: pl.Trainer) -> bool:
        """Whether to compute a metric at the moment when training starts or resumes."""
        schedule = self.schedules[metric]
        if trainer.global_step == 0:
            return schedule.is_before_training
        # If the checkpoint was saved after the last batch of an epoch, Lightning does not call the epoch's last hooks
        # again: an evaluation due there is due here.
        num_batches = trainer.fit_loop.epoch_loop.batch_progress.current.ready
        is_at_epochs_end = num_batches >= trainer.num_training_batches
        is_after_epoch = is_at_epochs_end and schedule.is_after_epoch(trainer.current_epoch)
        return is_after_epoch or schedule.is_after_step(trainer.global_step)

    def _log_for_callbacks(self, pl_module: pl.LightningModule, *, on_step: bool) -> None:
        """Log the last scores for callbacks only: `_publish` has sent them to the loggers once, with their step."""
        for name, value in self._values.items():
            pl_module.log(
                name, value, on_step=on_step, on_epoch=not on_step, logger=False, sync_dist=not on_step, batch_size=1
            )

    def state_dict(self) -> dict[str, Any]:
        """Return the last step of each metric, the scores and the training's ID as plain Python values."""
        return {"last_steps": dict(self._last_steps), "values": dict(self._values), "training": self._training}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the last steps and the scores; those of metrics that are no longer computed are dropped."""
        # Checkpoints of earlier versions have one step for all metrics.
        saved = state_dict.get("last_steps", dict.fromkeys(self.schedules, state_dict.get("last_step", -1)))
        self._last_steps |= {name: int(step) for name, step in saved.items() if name in self.schedules}
        self._training, self._is_loaded = str(state_dict.get("training", "")), True
        self._values |= {
            str(name): float(value)
            for name, value in state_dict["values"].items()
            if not self._names or name in self._names
        }

    def _evaluate(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, metrics: Sequence[str], *, epoch: int
    ) -> None:
        """Compute metrics on all benchmarks, each at most once per step; write and log the rows."""
        import pandas as pd

        due = [name for name in metrics if self._last_steps[name] != trainer.global_step]
        if not due or not self._plan.benchmarks:
            return
        self._last_steps |= dict.fromkeys(due, trainer.global_step)
        identity = NetworkIdentity(
            run=self._run_of(trainer, pl_module),
            step=trainer.global_step,
            epoch=epoch,
            # A module that takes weights from a checkpoint is trained before its first step.
            kind="trained" if trainer.global_step or getattr(pl_module, "init_from", None) else "untrained",
        )
        plan = self._plan.only(due)
        with undisturbed(pl_module):
            tables = [self._score(plan, each, identity) for each in plan.benchmarks if plan.metrics_on(each)]
            if not tables:
                return
            averaged: list[pd.DataFrame] = []
            if self._averaged is not None:
                of_average = replace(identity, run=averaged_run(identity.run))
                averaged = [
                    self._score(plan, each, of_average, averaged=True)
                    for each in plan.benchmarks
                    if plan.metrics_on(each)
                ]
            try:
                self._ranks.together(lambda: self._publish(trainer, pd.concat(tables), due, averaged))
                self._say(trainer, due)
            except Exception:  # a table that cannot be written must not end the training
                self._warn_or_raise("writing brain scores failed")

    def _folder(self, trainer: pl.Trainer) -> Path:
        return Path(self.run_dir or trainer.default_root_dir)

    def _run_of(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> str:
        return getattr(pl_module, "run_name", "") or self._folder(trainer).resolve().name

    def _resume_table(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> set[str]:
        """Keep the rows of this training up to the step that it starts from; return the metrics with rows of that step.

        Rows of another training are moved out of the table, and those beyond the step are dropped.
        """
        path, run, step = self._folder(trainer) / t.SCORES_FILE, self._run_of(trainer, pl_module), trainer.global_step
        is_resumed = self._is_loaded or step > 0
        if not self._training or not is_resumed:
            self._training = new_training()

        def resume() -> set[str]:
            is_written = trainer.is_global_zero and not trainer.fast_dev_run  # type: ignore[attr-defined]
            if not is_written:
                return set()
            runs = [run, *([averaged_run(run)] if self._averaged is not None else [])]
            for text in claim_rows(path, runs, self._training, is_resumed=is_resumed):
                _log.warning(text)
            if not path.exists():
                return set()
            num_dropped = sum(t.drop_rows_beyond(path, run=each, step=step) for each in runs)
            if num_dropped:
                _log.info("%s: dropped %d rows beyond step %d, where training resumes", path, num_dropped, step)
            table = t.read_table(path)
            here = table[(table[t.STEP] == step) & (table[t.CHECKPOINT] == "")]
            of_runs = [here[here[t.RUN] == each] for each in runs]
            return {name for name in self.schedules if all(self._has_rows(rows, name) for rows in of_runs)}

        try:
            # Rank 0 reads the file; the others return nothing.
            return set().union(*self._ranks.together(resume))
        except Exception:  # for example if the file is not a score table: reported again when rows are written
            self._warn_or_raise(f"{path} could not be read to resume from it")
            return set()

    def _has_rows(self, rows: "pd.DataFrame", metric: str) -> bool:
        """Whether a table has an evaluation of a metric on each benchmark, complete or failed."""
        plan = self._plan.only([metric])
        found = rows.groupby(t.BENCHMARK)[t.METRIC].agg(set)
        return all(
            {kind.stage_metric for kind in plan.kinds_on(benchmark)} <= found.get(benchmark.name, set())
            or t.FAILED in found.get(benchmark.name, set())
            for benchmark in plan.benchmarks
        )

    def _score(
        self, plan: ScoringPlan, benchmark: Benchmark, identity: NetworkIdentity, *, averaged: bool = False
    ) -> "pd.DataFrame":
        """Score one benchmark: each process measures its stages, then all exchange results."""
        import pandas as pd

        engine = ScoringEngine(
            plan=plan,
            ranks=self._ranks,
            progress=self._progress_on(benchmark),
            references=self._references,
            ceilings=self._ceilings,
        )
        metrics = list(plan.metrics_on(benchmark))
        try:
            rows = engine.score(self._averaged if averaged else self._scored, benchmark, identity)
        except Exception:  # of any kind: training continues unless `on_error` is "raise"
            if len(metrics) > 1 and self.on_error != "raise":  # what one of them raises is no loss of the others
                parts = [self._score(plan.only([each]), benchmark, identity, averaged=averaged) for each in metrics]
                return pd.concat(parts)
            self._warn_or_raise(f"scoring {benchmark.name} with {', '.join(metrics)} at step {identity.step} failed")
            rows = t.failed_row(benchmark.name, identity)
        # Scores of an earlier evaluation that this one lacks become NaN.
        prefix = f"{PREFIX}/{benchmark.name}{EMA_SUFFIX * averaged}/"
        own = {name for name in self._values if name.startswith(prefix) and self._names.get(name) in metrics}
        values = logged_values(rows, plan.kinds_on(benchmark))
        found = averaged_names(values, benchmark.name) if averaged else values
        self._values |= dict.fromkeys(own, float("nan")) | found
        return rows

    def _progress_on(self, benchmark: Benchmark) -> ReportProgress:
        def report(what: str, num_done: int, num_total: int) -> None:
            if self.progress is not None:
                self.progress(f"scoring {benchmark.name}: {what}", num_done, num_total)

        return report

    def _publish(
        self, trainer: pl.Trainer, rows: "pd.DataFrame", metrics: Sequence[str], averaged: "Sequence[pd.DataFrame]" = ()
    ) -> None:
        """Write the table, log the scores and draw figures, on rank 0; `fast_dev_run` writes nothing.

        Args:
            trainer: The trainer.
            rows: Scores of the network.
            metrics: Metrics that were due.
            averaged: Scores of its averaged weights.
        """
        if not trainer.is_global_zero or trainer.fast_dev_run:  # type: ignore[attr-defined]
            return
        import pandas as pd

        folder = self._folder(trainer)
        self._unwritten += [rows, *averaged]  # to rows that could not be written before
        table = t.append_rows(folder / t.SCORES_FILE, pd.concat(self._unwritten))
        save_kinds(folder, self._plan.kinds)
        save_benchmarks(folder, self._plan.benchmarks)
        self._unwritten.clear()
        values = {
            name: value
            for name, value in self._values.items()
            if self._names.get(name) in metrics and not np.isnan(value)
        }
        places = best_stages(rows, self._plan.kinds)
        self._best_stages |= {place: stage.name for place, stage in places.items()}
        stages = {place.key: stage for place, stage in places.items()}
        values |= {name: float(stage.place) for name, stage in stages.items()}
        for logger in trainer.loggers:
            logger.log_metrics(values | {STEP_KEY: trainer.global_step}, step=trainer.global_step)
            _log_texts(logger, {f"{name}_name": stage.name for name, stage in stages.items()}, trainer.global_step)
        if self.figures:
            from evaluate.report.figures import write_figures  # imports matplotlib, which is slow

            write_figures(table, folder / FIGURES_FOLDER, kinds=self._plan.kinds)

    def _say(self, trainer: pl.Trainer, metrics: Sequence[str]) -> None:
        """Log the scores of an evaluation in a line, as Lightning logs messages, unless a display shows them."""
        if self.progress is not None:
            return
        if not self._has_said_where and not trainer.fast_dev_run:  # type: ignore[attr-defined]
            self._has_said_where = True
            folder = self._folder(trainer)
            figures = f", figures to {folder / FIGURES_FOLDER}" if self.figures else ""
            rank_zero_info(f"brain scores go to {folder / t.SCORES_FILE}{figures}")
        values = {name: value for name, value in self._values.items() if self._names.get(name) in metrics}
        stages = {place.key: stage for place, stage in self._best_stages.items()}
        scores = "; ".join(described_scores(values, stages))
        at_best = f", at the best stage: {scores}" if scores else ": those of the stages are in the table"
        rank_zero_info(f"brain scores at step {trainer.global_step}{at_best}")

    def _warn_or_raise(self, what: str) -> None:
        """Re-raise the exception being handled, or log it and continue; it is raised on all ranks, rank 0 logs it."""
        if self.on_error == "raise":
            raise  # noqa: PLE0704 - called only from except blocks
        if self._ranks.rank == 0:
            _log.warning("%s; training continues", what, exc_info=True)


def _log_texts(logger: Logger, texts: Mapping[str, str], step: int) -> None:
    """Log the names of best stages where texts can be logged; other loggers have their indices."""
    if isinstance(logger, WandbLogger):
        logger.experiment.log({**texts, STEP_KEY: step})
    elif isinstance(logger, TensorBoardLogger):
        for name, text in texts.items():
            logger.experiment.add_text(name, text, step)


def is_last_epoch(trainer: pl.Trainer) -> bool:
    """Whether an epoch that ends is known to be the last, even if it is cut short."""
    max_epochs, max_steps = trainer.max_epochs, trainer.max_steps
    at_limit = max_epochs not in (None, -1) and trainer.current_epoch + 1 >= max_epochs
    return at_limit or (max_steps != -1 and trainer.global_step >= max_steps) or trainer.should_stop


def _plot_over_steps(logger: WandbLogger) -> None:
    """Make the step of the checkpoint the x axis of brain scores; if that fails, scores are logged all the same."""
    try:
        logger.experiment.define_metric(STEP_KEY)
        logger.experiment.define_metric(f"{PREFIX}/*", step_metric=STEP_KEY)
    except Exception as error:  # wandb fails in many ways
        _log.warning("Weights & Biases has no axis for brain scores: %s", " ".join(str(error).split()))
