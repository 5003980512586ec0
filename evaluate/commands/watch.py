"""The command `python -m evaluate watch`: score the checkpoints of a run during training, from another process."""

from __future__ import annotations

import logging
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from rich.console import Console

from datamodules.progress import Progress
from evaluate.benchmarks import ALL
from evaluate.commands.scoring_options import PARTS_FOLDER, ScoringOptions
from evaluate.options import CHECKPOINT_PATTERN, FIGURES_FOLDER
from evaluate.scoring import table as t
from networks.commands.dispatch import EXIT_IN_PART, CommandError, text_console
from networks.commands.interruption import stopped_by_sigterm

if TYPE_CHECKING:
    import pandas as pd

    from evaluate.metrics.metric import ScoreKind
    from evaluate.scoring.plan import ScoringPlan
    from evaluate.watch.wandb_scores import WandbScores
    from evaluate.watch.watching import Ledger


WATCH_FOLDER = "watch"
DEFAULT_POLL_S = 20.0

_log = logging.getLogger(__name__)


@dataclass(kw_only=True)
class Watch(ScoringOptions):
    """Score the checkpoints of a run as training saves them, from another process.

    The process may run on another machine that shares the folder. It adds rows to RUN_DIR/scores.csv, the table of the
    training run (both may write to it), and draws figures in RUN_DIR/figures. Training is not affected. Existing
    checkpoints are scored first, and copies of the same network (best, last) only once. The command waits for runs that
    have not started and for files that are incomplete; checkpoints that are removed before they are scored are left
    out.

    Stop with Ctrl-C, or see --until_step and --idle_minutes. A restarted command resumes (from RUN_DIR/watch and
    RUN_DIR/parts). Exit code: 0; 1 if some checkpoints could not be scored.

    Attributes:
        run_dir: Folder of a run; it need not exist yet.
        cache_gib: Maximum size of the folder of activations in GiB; above it, the least recently used activations are
            removed. 0 keeps nothing.
        poll_seconds: Seconds between checks for new checkpoints.
        until_step: Stop after a checkpoint of this step or a later one is scored.
        idle_minutes: Stop if there is no new checkpoint for this many minutes.
        pattern: File names of checkpoints to score, such as 'step-*.ckpt' to leave out last.ckpt.
        figures: Whether to draw figures.
        wandb: Also log to this Weights & Biases project (PROJECT or TEAM/PROJECT), as a separate run in the group
            named as RUN_DIR.
        wandb_join: With --wandb, log into the training run itself. Only if training was started with
            WANDB_MODE=shared; otherwise wandb loses values of training.
    """

    run_dir: Path
    cache_gib: float = 0.0
    poll_seconds: float = DEFAULT_POLL_S
    until_step: int | None = None
    idle_minutes: float | None = None
    pattern: str = CHECKPOINT_PATTERN
    figures: bool = True
    wandb: str | None = None
    wandb_join: bool = False
    positionals: ClassVar[tuple[str, ...]] = ("run_dir",)

    def run(self) -> int:
        """Watch until there is a reason to stop.

        Returns:
            Exit code, see the description of the command.

        Raises:
            CommandError: A number or a device cannot be used, or another watcher does the same work.
            BenchmarkError: A benchmark cannot be loaded.
            TableError: RUN_DIR/scores.csv is not a score table.
        """
        self.check_names()
        from datamodules.files import LockTimeoutError, locked
        from evaluate.run_folder import run_dir_of
        from evaluate.watch.watching import Ledger, plan_key

        self.run_dir = run_dir_of(self.run_dir)
        self._check()
        plan = self.make_plan()
        with stopped_by_sigterm():
            if not self._wait_for_first(text_console(soft_wrap=True, highlight=False)):
                return 0
            self.run_dir = run_dir_of(self.run_dir)  # the folder may not have existed before
            key = plan_key(plan)
            path = self.run_dir / WATCH_FOLDER / f"{key[:16]}.json"
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                with locked(path, timeout_s=0):
                    return self._watch(plan, key, Ledger(path))
            except LockTimeoutError as error:
                raise CommandError(
                    f"another process is watching {self.run_dir} for the same scores: stop it, or choose other scores"
                ) from error

    def _check(self) -> None:
        """Check the options before any work."""
        for name in ("poll_seconds", "idle_minutes"):
            value = getattr(self, name)
            if value is not None and not (0 < value < math.inf):
                raise CommandError(f"--{name} must be more than 0, got {value}")
        if self.run_dir.exists() and not self.run_dir.is_dir():
            raise CommandError(f"expected the folder of a run, got the file {self.run_dir}")
        if (self.run_dir / t.SCORES_FILE).exists():
            t.read_table(self.run_dir / t.SCORES_FILE)

    def _wait_for_first(self, console: Console) -> bool:
        """Wait for the first checkpoint of a run, without creating any files; return whether there is one."""
        from evaluate.run_folder import folder_of_checkpoints
        from evaluate.watch.checkpoint_folder import list_checkpoints

        begin_s, is_announced = time.monotonic(), False
        try:
            while not list_checkpoints(folder_of_checkpoints(self.run_dir), self.pattern):
                if not is_announced:
                    console.print(f"no checkpoints yet ({self.pattern}) in {self.run_dir}: waiting; stop with Ctrl-C")
                    is_announced = True
                if self.idle_minutes is not None and time.monotonic() - begin_s >= 60 * self.idle_minutes:
                    console.print(f"stopped: no checkpoint for {self.idle_minutes:g} minutes")
                    return False
                time.sleep(self.poll_seconds)
        except KeyboardInterrupt:
            console.print("stopped: interrupted")
            return False
        return True

    def _watch(self, plan: ScoringPlan, key: str, ledger: Ledger) -> int:
        from evaluate.metrics.score_kinds import save_kinds
        from evaluate.scoring.engine import ScoringEngine
        from evaluate.scoring.parts import Parts
        from evaluate.scoring.scored_benchmarks import save_benchmarks
        from evaluate.watch.wandb_scores import WandbScores
        from evaluate.watch.watching import Watcher

        console = text_console()
        wandb = None
        if self.wandb:
            wandb = WandbScores(self.run_dir, project=self.wandb, key=key, kinds=plan.kinds, is_joined=self.wandb_join)
        try:
            with Progress(f"watching {self.run_dir}") as display:

                def report(sentence: str) -> None:
                    style = "red" if sentence.startswith("error") else None
                    console.print(sentence, style=style, soft_wrap=True, highlight=False, markup=False)
                    display.rest("waiting for checkpoints")

                def publish(rows: pd.DataFrame) -> None:
                    self._publish(rows, wandb)
                    save_kinds(self.run_dir, plan.kinds)
                    save_benchmarks(self.run_dir, plan.benchmarks)
                    report(_summary(rows, plan))

                watcher = Watcher(
                    run_dir=self.run_dir,
                    engine=ScoringEngine(plan=plan, cache=self.make_cache(self.run_dir), progress=display.report),
                    ledger=ledger,
                    parts=Parts(self.run_dir / PARTS_FOLDER),
                    publish=publish,
                    report=report,
                    pattern=self.pattern,
                )
                for text in self.remarks(plan):
                    report(f"remark: {text}")
                report(f"watching {self.run_dir}, every {self.poll_seconds:g} s; stop with Ctrl-C")
                try:
                    idle_s = None if self.idle_minutes is None else 60 * self.idle_minutes
                    reason = watcher.watch(poll_s=self.poll_seconds, until_step=self.until_step, idle_s=idle_s)
                except KeyboardInterrupt:
                    reason = "interrupted; run the command again to resume"
                report(f"stopped: {reason}")
                return EXIT_IN_PART if watcher.failures else 0
        finally:
            if wandb is not None:
                wandb.finish()

    def _publish(self, rows: pd.DataFrame, wandb: WandbScores | None) -> None:
        """Add a checkpoint's rows to the table, then log them to Weights & Biases, then draw the figures."""
        from evaluate.report.figures import write_figures

        table = t.append_rows(self.run_dir / t.SCORES_FILE, rows)
        if wandb is not None:
            wandb.log(rows)
        if not self.figures:
            return
        try:
            write_figures(table, self.run_dir / FIGURES_FOLDER)
        except Exception:  # the next checkpoint draws them again
            _log.warning("drawing figures failed", exc_info=True)


def _summary(rows: pd.DataFrame, plan: ScoringPlan) -> str:
    """Summarise a checkpoint in one line: its scores at the best stage on each benchmark."""
    best = t.summary_rows(rows)
    best = best[best[t.REGION] == ALL]
    scores = [
        " ".join(filter(None, (benchmark.name, kind.name, f"{value:.3f}", _stage_in_brackets(of_benchmark, kind))))
        for benchmark in plan.benchmarks
        for of_benchmark in (best[best[t.BENCHMARK] == benchmark.name],)
        for kind in plan.kinds
        for value in of_benchmark[of_benchmark[t.METRIC] == kind.best_metric][t.VALUE]
    ]
    return f"step {rows[t.STEP].iloc[0]}: {', '.join(scores) or 'scored'} ({rows[t.CHECKPOINT].iloc[0]})"


def _stage_in_brackets(rows: pd.DataFrame, kind: ScoreKind) -> str:
    from evaluate.metrics.selected_stage import selected_stages

    stage = selected_stages(rows, kind).get(ALL)
    return f"({stage.name})" if stage else ""
