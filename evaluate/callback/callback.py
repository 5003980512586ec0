"""Brain scores during training: the only module of this package that uses Lightning."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pytorch_lightning as pl
from pytorch_lightning.loggers import WandbLogger
from torch import nn

from datamodules.progress import ReportProgress
from evaluate.benchmarks import Benchmark, load_benchmark
from evaluate.callback.evaluation_schedule import make_schedule
from evaluate.callback.logged import PREFIX, STEP_KEY, best_key, logged_names, logged_values
from evaluate.features.activations import resolve_stages
from evaluate.isolation import undisturbed
from evaluate.metrics import DEFAULT_METRIC, load_metrics
from evaluate.metrics.score_kinds import save_kinds
from evaluate.options import DEFAULT_BATCH_SIZE, FIGURES_FOLDER
from evaluate.scoring import table as t
from evaluate.scoring.engine import ScoringEngine
from evaluate.scoring.plan import ScoringPlan
from evaluate.scoring.ranks import Ranks
from networks import NetworkIdentity

if TYPE_CHECKING:
    import pandas as pd


_log = logging.getLogger(__name__)


class BrainScoreCallback(pl.Callback):
    """Scores the stages of `pl_module.network` against brain responses during training.

    Evaluates before the first update, after the epochs or steps of a schedule, and at the end. Each evaluation sends
    the score of every stage on every benchmark to all loggers, adds rows to the table `scores.csv` and draws figures in
    `figures/`. Training itself does not change: its weights are bitwise equal with and without the callback, even if
    an evaluation fails.

    Logged names are `brain/{benchmark}/{stage}` (all units together), `brain/{benchmark}/{region}` and
    `brain/{benchmark}/best` (both at the best stage, independently selected), with `brain/checkpoint_step`. Metrics
    other than encoding have their name after the benchmark's: `brain/{benchmark}/{metric}/{stage}` and so on.

    Later callbacks find the scores in `trainer.callback_metrics`, from the hook that evaluates onwards and at the end
    of each epoch. Between evaluations, these are the last scores (NaN before the first evaluation). A callback that
    selects weights by them must check `last_step`, as the checkpoints and early stopping of `train.run` do. Lightning's
    own `ModelCheckpoint` does not: it saves other weights than those that were scored if its `every_n_epochs` or
    `every_n_train_steps` differs from the schedule of the evaluations.

    The evaluation at the end is available to other callbacks if the end is known in advance: `max_epochs` or
    `max_steps` is reached, or another callback requests a stop before the end of the epoch. Otherwise it reaches only
    the table and the loggers, as Lightning accepts no values for callbacks in `on_train_end`.

    If training resumes from a checkpoint, so does the table: rows of this run beyond the checkpoint's step are dropped,
    since they may belong to other weights, and scores missing at the checkpoint's own step are computed.

    With several processes (DistributedDataParallel), each one scores its share of the stages.

    Args:
        benchmarks: Names or folders, see `load_benchmark`.
        metrics: Names of metrics, see `evaluate.metrics.load_metric`.
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
        on_error: What to do if an evaluation raises: "warn" writes a row with metric "failed", logs the traceback and
            continues training; "raise" stops. Benchmarks that cannot be loaded and unknown stages always raise, before
            training starts. Rows that cannot be written are kept for the next evaluation.
    """

    def __init__(
        self,
        benchmarks: Sequence[str] = ("simulated",),
        *,
        metrics: Sequence[str] = (DEFAULT_METRIC,),
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
    ) -> None:
        super().__init__()
        if any(isinstance(names, str) for names in (benchmarks, metrics, stages)):
            raise TypeError(
                "expected lists of names for benchmarks, metrics and stages, got a single string: put it in a list"
            )
        if on_error not in ("warn", "raise"):
            raise ValueError(f"expected on_error 'warn' or 'raise', got {on_error!r}")
        self.benchmark_names = tuple(str(name) for name in benchmarks)
        self.metric_names = tuple(str(name) for name in metrics)
        self.stages = stages
        self.schedule = make_schedule(
            every_n_epochs=every_n_epochs, every_n_steps=every_n_steps, at_steps=at_steps, log_spaced=log_spaced
        )
        self.at_start = at_start or self.schedule.is_after_step(0)
        self.at_end = at_end
        self.batch_size = batch_size
        self.run_dir = run_dir
        self.figures = figures
        self.on_error = on_error
        self.progress: ReportProgress | None = None
        """Called as `progress(what, num_done, num_total)` while this process scores; set by the progress display."""
        self._plan = ScoringPlan(benchmarks=(), metrics={})
        self._ranks = Ranks()
        self._last_step = -1
        self._values: dict[str, float] = {}
        self._names: tuple[str, ...] = ()
        self._unwritten: list[pd.DataFrame] = []

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Load benchmarks and their sounds, so that problems in them raise before training starts."""
        if stage != "fit":
            return
        net = _network_of(pl_module)
        with undisturbed(pl_module):
            stages = resolve_stages(net, self.stages)
            self._plan = ScoringPlan(
                benchmarks=tuple(load_benchmark(name) for name in self.benchmark_names),
                metrics=load_metrics(self.metric_names),
                stages=None if self.stages is None else stages,
                batch_size=self.batch_size,
            )
            names: list[str] = []
            for benchmark in self._plan.benchmarks:
                benchmark.stimuli(net.sample_rate_hz, net.num_samples)
                kinds = self._plan.kinds_on(benchmark)
                names += logged_names(benchmark, stages, kinds)
                for kind in kinds:
                    if kind.best_metric:
                        self._values.setdefault(best_key(benchmark.name, kind.name), float("nan"))
            self._names = tuple(names)
        self._ranks = Ranks.connect()

    @property
    def last_step(self) -> int:
        """Optimiser step of the last evaluation, -1 before the first."""
        return self._last_step

    @property
    def score_names(self) -> tuple[str, ...]:
        """Names of the scores that are logged, available after `setup`; empty without benchmarks."""
        return self._names

    @property
    def values(self) -> dict[str, float]:
        """Scores logged at `last_step`; NaN if the evaluation failed, or before the first."""
        return dict(self._values)

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Score the untrained network; if training resumes from a later step, bring the table to that step."""
        for logger in trainer.loggers:
            if isinstance(logger, WandbLogger) and trainer.is_global_zero:
                _plot_over_steps(logger)
        if not self._plan.benchmarks:
            return
        has_rows = self._resume_table(trainer, pl_module)
        # Rows of a later step may be missing too: the checkpoint may have been saved before this callback ran in the
        # same hook, or the table may be lost. Then the step counts as not scored.
        if self._is_due_at_start(trainer):
            self._last_step = self._last_step if has_rows else -1
            self._evaluate(trainer, pl_module, epoch=trainer.current_epoch)

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Score after steps of the schedule, and pass the scores to later callbacks of the same step."""
        # With gradients accumulated over batches, successive batches have the same step: score after the first one.
        if trainer.global_step == self._last_step or not self.schedule.is_after_step(trainer.global_step):
            return
        self._evaluate(trainer, pl_module, epoch=trainer.current_epoch + int(trainer.is_last_batch))
        self._log_for_callbacks(pl_module, on_step=True)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Score after every n-th epoch and after the last; pass scores to callbacks after every epoch."""
        num_epochs = trainer.current_epoch + 1
        if self.schedule.is_after_epoch(num_epochs) or (self.at_end and is_last_epoch(trainer)):
            self._evaluate(trainer, pl_module, epoch=trainer.current_epoch + int(trainer.is_last_batch))
        self._log_for_callbacks(pl_module, on_step=False)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Score the trained network, unless its last step has already been scored."""
        if self.at_end:
            self._evaluate(trainer, pl_module, epoch=trainer.current_epoch)

    def _is_due_at_start(self, trainer: pl.Trainer) -> bool:
        """Whether to score the network at the moment when training starts or resumes."""
        if trainer.global_step == 0:
            return self.at_start
        # If the checkpoint was saved after the last batch of an epoch, Lightning does not call the epoch's last hooks
        # again: an evaluation due there is due here.
        num_batches = trainer.fit_loop.epoch_loop.batch_progress.current.ready
        is_at_epochs_end = num_batches >= trainer.num_training_batches
        is_after_epoch = is_at_epochs_end and self.schedule.is_after_epoch(trainer.current_epoch)
        return is_after_epoch or self.schedule.is_after_step(trainer.global_step)

    def _log_for_callbacks(self, pl_module: pl.LightningModule, *, on_step: bool) -> None:
        """Log the last scores for callbacks only: `_publish` has sent them to the loggers once, with their step."""
        for name, value in self._values.items():
            pl_module.log(
                name, value, on_step=on_step, on_epoch=not on_step, logger=False, sync_dist=not on_step, batch_size=1
            )

    def state_dict(self) -> dict[str, Any]:
        """Return the last step and its scores as plain Python values."""
        return {"last_step": self._last_step, "values": dict(self._values)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the last step and its scores."""
        self._last_step = int(state_dict["last_step"])
        self._values.update({str(name): float(value) for name, value in state_dict["values"].items()})

    def _evaluate(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *, epoch: int) -> None:
        """Score all benchmarks, at most once per step; write and log the rows."""
        import pandas as pd

        if trainer.global_step == self._last_step or not self._plan.benchmarks:
            return
        self._last_step = trainer.global_step
        identity = NetworkIdentity(
            run=self._run_of(trainer, pl_module),
            step=trainer.global_step,
            epoch=epoch,
            kind="trained" if trainer.global_step else "untrained",
        )
        with undisturbed(pl_module):
            rows = pd.concat([self._score(pl_module, benchmark, identity) for benchmark in self._plan.benchmarks])
            try:
                self._ranks.together(lambda: self._publish(trainer, rows))
            except Exception:  # a table that cannot be written must not end the training
                self._warn_or_raise("writing brain scores failed")

    def _folder(self, trainer: pl.Trainer) -> Path:
        return Path(self.run_dir or trainer.default_root_dir)

    def _run_of(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> str:
        return getattr(pl_module, "run_name", "") or self._folder(trainer).resolve().name

    def _resume_table(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> bool:
        """Drop rows beyond the step that training starts from; return whether that step has rows of all benchmarks."""
        path, run, step = self._folder(trainer) / t.SCORES_FILE, self._run_of(trainer, pl_module), trainer.global_step

        def resume() -> bool:
            if not trainer.is_global_zero or not path.exists():
                return False
            num_dropped = t.drop_rows_beyond(path, run=run, step=step)
            if num_dropped:
                _log.info("%s: dropped %d rows beyond step %d, where training resumes", path, num_dropped, step)
            table = t.read_table(path)
            here = table[(table[t.RUN] == run) & (table[t.STEP] == step) & (table[t.CHECKPOINT] == "")]
            return all(self._has_rows(here[here[t.BENCHMARK] == each.name], each) for each in self._plan.benchmarks)

        try:
            # Rank 0 reads the file; the others return False.
            return any(self._ranks.together(resume))
        except Exception:  # for example if the file is not a score table: reported again when rows are written
            self._warn_or_raise(f"{path} could not be read to resume from it")
            return False

    def _has_rows(self, rows: "pd.DataFrame", benchmark: Benchmark) -> bool:
        """Whether the table has an evaluation on a benchmark, complete or failed."""
        wanted = {kind.stage_metric for kind in self._plan.kinds_on(benchmark)}
        return not rows.empty and (wanted <= set(rows[t.METRIC]) or t.FAILED in set(rows[t.METRIC]))

    def _score(self, pl_module: pl.LightningModule, benchmark: Benchmark, identity: NetworkIdentity) -> "pd.DataFrame":
        """Score one benchmark: each process measures its stages, then all exchange results."""
        engine = ScoringEngine(plan=self._plan, ranks=self._ranks, progress=self._progress_on(benchmark))
        try:
            rows = engine.score(_network_of(pl_module), benchmark, identity)
        except Exception:  # of any kind: training continues unless `on_error` is "raise"
            self._warn_or_raise(f"scoring {benchmark.name} at step {identity.step} failed")
            rows = t.failed_row(benchmark.name, identity)
        # Scores of an earlier evaluation that this one lacks become NaN.
        prefix = f"{PREFIX}/{benchmark.name}/"
        stale = {name: float("nan") for name in self._values if name.startswith(prefix)}
        self._values |= stale | logged_values(rows, self._plan.kinds_on(benchmark))
        return rows

    def _progress_on(self, benchmark: Benchmark) -> ReportProgress:
        def report(what: str, num_done: int, num_total: int) -> None:
            if self.progress is not None:
                self.progress(f"scoring {benchmark.name}, {what}", num_done, num_total)

        return report

    def _publish(self, trainer: pl.Trainer, rows: "pd.DataFrame") -> None:
        """Write the table, log the scores and draw figures, on rank 0; `fast_dev_run` writes nothing."""
        if not trainer.is_global_zero or trainer.fast_dev_run:  # type: ignore[attr-defined]
            return
        import pandas as pd

        folder = self._folder(trainer)
        self._unwritten.append(rows)  # to rows that could not be written before
        table = t.append_rows(folder / t.SCORES_FILE, pd.concat(self._unwritten))
        save_kinds(folder, self._plan.kinds)
        self._unwritten.clear()
        values = {name: value for name, value in self._values.items() if not np.isnan(value)}
        for logger in trainer.loggers:
            logger.log_metrics(values | {STEP_KEY: trainer.global_step}, step=trainer.global_step)
        if self.figures:
            from evaluate.report.figures import write_figures  # imports matplotlib, which is slow

            write_figures(table, folder / FIGURES_FOLDER)

    def _warn_or_raise(self, what: str) -> None:
        """Re-raise the exception being handled, or log it and continue; it is raised on all ranks, rank 0 logs it."""
        if self.on_error == "raise":
            raise  # noqa: PLE0704 - called only from except blocks
        if self._ranks.rank == 0:
            _log.warning("%s; training continues", what, exc_info=True)


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


def _network_of(pl_module: pl.LightningModule) -> Any:
    """Return the network with named stages that a LightningModule trains."""
    net = getattr(pl_module, "network", None)
    if not isinstance(net, nn.Module) or not hasattr(net, "stage_modules"):
        raise TypeError(
            f"BrainScoreCallback expected {type(pl_module).__name__}.network to be a network with named stages "
            f"(such as networks.AuditoryNetwork), got {type(net).__name__}"
        )
    return net
