"""Brain scores while a network trains: the one module of this package that knows Lightning."""

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
    """Scores the stages of `pl_module.network` against brain responses while it trains.

    Before the first update, after epochs or steps of a schedule and at the end, each stage's score on each benchmark
    goes to every logger, into the table `scores.csv` and onto pictures in `figures/`. Training itself is not touched:
    with the callback and without it, weights come out bitwise equal, also when an evaluation fails.

    Logged are `brain/{benchmark}/{stage}` (all units together), `brain/{benchmark}/{region}` and
    `brain/{benchmark}/best` (at the best stage, independently selected), with `brain/checkpoint_step`; for metrics
    other than encoding `brain/{benchmark}/{metric}/{stage}` and so on. Callbacks that
    come after find them in `trainer.callback_metrics` from the hook of the evaluation on, and at the end of each
    epoch, where the last ones stand in between evaluations (NaN before the first). What chooses by them looks at
    `last_step`, as `train.run`'s checkpoints and early stopping do: with Lightning's own `ModelCheckpoint`, other
    weights than those that were scored are saved where its `every_n_epochs` or `every_n_train_steps` is not that of
    the evaluations. The evaluation at the end comes in time for both where the end is foreseen (`max_epochs`
    or `max_steps` is reached, or another callback asked to stop before the epoch's end); after any other end it goes
    to table and loggers alone, as Lightning takes no values for callbacks in `on_train_end`.

    Training that is resumed from a checkpoint goes on with the table: rows of this run beyond the checkpoint's step,
    which other weights may have had, are dropped, and what the checkpoint's own step lacks is scored.

    With several processes (DistributedDataParallel), each scores its share of the stages.

    Args:
        benchmarks: Names or folders, see `load_benchmark`.
        metrics: Names of metrics, see `evaluate.metrics.load_metric`.
        stages: Stages to score, or None for all.
        every_n_epochs: Score after every so many epochs, 0 for none; None: 1, or 0 where steps are given.
        every_n_steps: Score after every so many optimiser steps, wherever in an epoch that is; 0 for none.
        at_steps: Score after these optimiser steps; 0 is the untrained network.
        log_spaced: `[first, last, number]` of steps that lie evenly on a logarithmic axis, see `log_spaced_steps`.
        at_start: Score the untrained network.
        at_end: Score at the end of training, where its last step has not been scored already.
        batch_size: Sounds per forward pass.
        run_dir: Where table and pictures go; None means the trainer's `default_root_dir`.
        figures: Whether to draw pictures after each evaluation.
        on_error: What to do when an evaluation raises: "warn" writes a row with metric "failed", logs the
            traceback and goes on training; "raise" stops. Benchmarks that cannot be loaded and unknown stages
            always raise, before training starts. Rows that cannot be written are kept for the next evaluation.
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
            raise TypeError("benchmarks, metrics and stages are lists of names, got a single string: put it in a list")
        if on_error not in ("warn", "raise"):
            raise ValueError(f"on_error is 'warn' or 'raise', got {on_error!r}")
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
        """Called as `progress(what, num_done, num_total)` while this process scores; set by who shows it."""
        self._plan = ScoringPlan(benchmarks=(), metrics={})
        self._ranks = Ranks()
        self._last_step = -1
        self._values: dict[str, float] = {}
        self._names: tuple[str, ...] = ()
        self._unwritten: list[pd.DataFrame] = []

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Load benchmarks and their sounds, so that what is wrong with them shows before training."""
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
        """Optimiser steps at which the network was scored last, -1 before the first time."""
        return self._last_step

    @property
    def score_names(self) -> tuple[str, ...]:
        """Names of the scores that are logged, known from `setup` on; none where there are no benchmarks."""
        return self._names

    @property
    def values(self) -> dict[str, float]:
        """What was logged at that step, NaN where the evaluation failed or there was none yet."""
        return dict(self._values)

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Score the untrained network; where training goes on from a later step, bring the table to that step."""
        for logger in trainer.loggers:
            if isinstance(logger, WandbLogger) and trainer.is_global_zero:
                logger.experiment.define_metric(STEP_KEY)
                logger.experiment.define_metric(f"{PREFIX}/*", step_metric=STEP_KEY)
        if not self._plan.benchmarks:
            return
        has_rows = self._take_up_table(trainer, pl_module)
        # Of a later step too: the checkpoint may have been saved before this callback's turn, or the table lost.
        if self._is_due_at_start(trainer):
            self._last_step = self._last_step if has_rows else -1
            self._evaluate(trainer, pl_module, epoch=trainer.current_epoch)

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Score after steps of the schedule, and give callbacks of the same step the values to choose by."""
        # With gradients accumulated over batches, several in a row have the same step: the first of them is scored.
        if trainer.global_step == self._last_step or not self.schedule.is_after_step(trainer.global_step):
            return
        self._evaluate(trainer, pl_module, epoch=trainer.current_epoch + int(trainer.is_last_batch))
        self._tell_callbacks(pl_module, on_step=True)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Score every n-th epoch and the last, and give checkpoints a value to choose by after every epoch."""
        num_epochs = trainer.current_epoch + 1
        if self.schedule.is_after_epoch(num_epochs) or (self.at_end and is_last_epoch(trainer)):
            self._evaluate(trainer, pl_module, epoch=trainer.current_epoch + int(trainer.is_last_batch))
        self._tell_callbacks(pl_module, on_step=False)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Score the trained network, where its last step has not been scored already."""
        if self.at_end:
            self._evaluate(trainer, pl_module, epoch=trainer.current_epoch)

    def _is_due_at_start(self, trainer: pl.Trainer) -> bool:
        """Whether the network is to be scored as it is when training starts, or goes on."""
        if trainer.global_step == 0:
            return self.at_start
        # Lightning does not call an epoch's last hooks again where the checkpoint was saved after its last batch.
        num_batches = trainer.fit_loop.epoch_loop.batch_progress.current.ready
        is_at_epochs_end = num_batches >= trainer.num_training_batches
        is_after_epoch = is_at_epochs_end and self.schedule.is_after_epoch(trainer.current_epoch)
        return is_after_epoch or self.schedule.is_after_step(trainer.global_step)

    def _tell_callbacks(self, pl_module: pl.LightningModule, *, on_step: bool) -> None:
        """Log the last scores for callbacks alone: the loggers have had them from `_publish`, once, with the step."""
        for name, value in self._values.items():
            pl_module.log(
                name, value, on_step=on_step, on_epoch=not on_step, logger=False, sync_dist=not on_step, batch_size=1
            )

    def state_dict(self) -> dict[str, Any]:
        """Give what was scored last, in plain Python."""
        return {"last_step": self._last_step, "values": dict(self._values)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up what was scored last."""
        self._last_step = int(state_dict["last_step"])
        self._values.update({str(name): float(value) for name, value in state_dict["values"].items()})

    def _evaluate(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *, epoch: int) -> None:
        """Score all benchmarks once per step; write and log what came."""
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
            except Exception:  # the table is not worth the training
                self._warn_or_raise("writing brain scores failed")

    def _folder(self, trainer: pl.Trainer) -> Path:
        return Path(self.run_dir or trainer.default_root_dir)

    def _run_of(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> str:
        return getattr(pl_module, "run_name", "") or self._folder(trainer).resolve().name

    def _take_up_table(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> bool:
        """Drop what lies beyond the step that training starts from; whether that step has rows of all benchmarks."""
        path, run, step = self._folder(trainer) / t.SCORES_FILE, self._run_of(trainer, pl_module), trainer.global_step

        def take_up() -> bool:
            if not trainer.is_global_zero or not path.exists():
                return False
            num_dropped = t.drop_rows_beyond(path, run=run, step=step)
            if num_dropped:
                _log.info("%s: dropped %d rows beyond step %d, where training goes on", path, num_dropped, step)
            table = t.read_table(path)
            here = table[(table[t.RUN] == run) & (table[t.STEP] == step) & (table[t.CHECKPOINT] == "")]
            return all(self._has_rows(here[here[t.BENCHMARK] == each.name], each) for each in self._plan.benchmarks)

        try:
            return any(self._ranks.together(take_up))
        except Exception:  # as where what is in the table's place is none: told again when rows are written
            self._warn_or_raise(f"{path} could not be taken up")
            return False

    def _has_rows(self, rows: "pd.DataFrame", benchmark: Benchmark) -> bool:
        """Whether an evaluation on a benchmark is in the table, be it as a failure."""
        wanted = {kind.stage_metric for kind in self._plan.kinds_on(benchmark)}
        return not rows.empty and (wanted <= set(rows[t.METRIC]) or t.FAILED in set(rows[t.METRIC]))

    def _score(self, pl_module: pl.LightningModule, benchmark: Benchmark, identity: NetworkIdentity) -> "pd.DataFrame":
        """Score one benchmark: every process its stages, then all together."""
        engine = ScoringEngine(plan=self._plan, ranks=self._ranks, progress=self._progress_on(benchmark))
        try:
            rows = engine.score(_network_of(pl_module), benchmark, identity)
        except Exception:  # whatever it is, training continues unless asked otherwise
            self._warn_or_raise(f"scoring {benchmark.name} at step {identity.step} failed")
            rows = t.failed_row(benchmark.name, identity)
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
        """Write table and pictures and tell the loggers, on rank 0; a rehearsal leaves nothing behind."""
        if not trainer.is_global_zero or trainer.fast_dev_run:  # type: ignore[attr-defined]
            return
        import pandas as pd

        folder = self._folder(trainer)
        self._unwritten.append(rows)  # with those that could not be written before
        table = t.append_rows(folder / t.SCORES_FILE, pd.concat(self._unwritten))
        self._unwritten.clear()
        values = {name: value for name, value in self._values.items() if not np.isnan(value)}
        for logger in trainer.loggers:
            logger.log_metrics(values | {STEP_KEY: trainer.global_step}, step=trainer.global_step)
        if self.figures:
            from evaluate.report.figures import write_figures  # draws with matplotlib, which takes long to load

            write_figures(table, folder / FIGURES_FOLDER)

    def _warn_or_raise(self, what: str) -> None:
        """Re-raise the exception being handled, or log it and go on; all processes know of it, the first one logs."""
        if self.on_error == "raise":
            raise  # noqa: PLE0704 - called from except blocks alone
        if self._ranks.rank == 0:
            _log.warning("%s; training continues", what, exc_info=True)


def is_last_epoch(trainer: pl.Trainer) -> bool:
    """Whether an epoch that ends is known to be the last, also one that is broken off."""
    max_epochs, max_steps = trainer.max_epochs, trainer.max_steps
    at_limit = max_epochs not in (None, -1) and trainer.current_epoch + 1 >= max_epochs
    return at_limit or (max_steps != -1 and trainer.global_step >= max_steps) or trainer.should_stop


def _network_of(pl_module: pl.LightningModule) -> Any:
    """The network with named stages that a LightningModule trains."""
    net = getattr(pl_module, "network", None)
    if not isinstance(net, nn.Module) or not hasattr(net, "stage_modules"):
        raise TypeError(
            f"BrainScoreCallback needs {type(pl_module).__name__}.network to be a network with named stages "
            f"(networks.AuditoryNetwork), got {type(net).__name__}"
        )
    return net
