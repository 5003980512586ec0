"""The command `python -m evaluate watch`: scores checkpoints of a run while it trains, from another process."""

from __future__ import annotations

import argparse
import logging
import math
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from datamodules.progress import ProgressDisplay
from evaluate.benchmarks import ALL
from evaluate.commands.errors import CommandError
from evaluate.commands.scoring_arguments import (
    CACHE_FOLDER,
    FIGURES_FOLDER,
    PARTS_FOLDER,
    add_scoring_arguments,
    make_request,
)
from evaluate.options import CHECKPOINT_PATTERN
from evaluate.scoring import table as t

if TYPE_CHECKING:
    import pandas as pd

    from evaluate.scoring.score_run import Request
    from evaluate.watch.wandb_scores import WandbScores
    from evaluate.watch.watching import Ledger


WATCH_FOLDER = "watch"
DEFAULT_POLL_S = 20.0
EXIT_SOME_FAILED = 1

DESCRIPTION = f"""
Score the checkpoints of a run as training saves them, from another process, on this machine or another that sees the
folder. Rows go into RUN_DIR/{t.SCORES_FILE}, the table of the training run (both may write to it), pictures into
RUN_DIR/{FIGURES_FOLDER}. Training is not touched. Checkpoints that are there already are scored first; copies of the
same network (best, last) once; runs that have not begun and files that are not whole yet are waited for; those that
are removed before their turn are left out. Stop with Ctrl-C, or see --until-step and --idle-minutes; started again, the
command goes on where it was (RUN_DIR/{WATCH_FOLDER}, RUN_DIR/{PARTS_FOLDER}). Exit code: 0; 1 where some checkpoints
could not be scored.
"""

_log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments.

    Args:
        parser: Gets them.
    """
    parser.description = DESCRIPTION
    parser.add_argument(
        "run_dir", type=Path, metavar="RUN_DIR", help="folder of a run; may be made later, when training starts"
    )
    add_scoring_arguments(parser, folder="RUN_DIR", default_cache_gib=0.0)
    parser.add_argument(
        "--poll-seconds",
        type=float,
        default=DEFAULT_POLL_S,
        metavar="S",
        help="how often to look for new checkpoints (default: %(default)s)",
    )
    parser.add_argument(
        "--until-step", type=int, metavar="STEP", help="stop when a checkpoint of this step or a later one is scored"
    )
    parser.add_argument(
        "--idle-minutes", type=float, metavar="MIN", help="stop when no new checkpoint has come for so long"
    )
    parser.add_argument(
        "--pattern",
        default=CHECKPOINT_PATTERN,
        help="names of checkpoints to score, as 'step-*.ckpt' to leave out last.ckpt (default: %(default)s)",
    )
    parser.add_argument("--no-figures", action="store_true", help="draw no pictures")
    parser.add_argument(
        "--wandb",
        metavar="PROJECT",
        help="also log to this Weights & Biases project: a run of its own, in the group named as RUN_DIR",
    )
    parser.add_argument(
        "--wandb-join",
        action="store_true",
        help="with --wandb: log into the training run itself; only where training was started with "
        "WANDB_MODE=shared, else wandb loses values of training",
    )


def run(args: argparse.Namespace) -> int:
    """Watch until there is a reason to stop.

    Args:
        args: What `add_arguments` asks for.

    Returns:
        Exit code, see the description of the command.

    Raises:
        CommandError: Numbers or a device that cannot be, or another watcher does the same.
        BenchmarkError: A benchmark that cannot be loaded.
        TableError: What is in the table's place is no score table.
    """
    from evaluate.locks import LockTimeoutError, locked
    from evaluate.watch.checkpoint_folder import run_dir_of
    from evaluate.watch.watching import Ledger, request_key

    args.run_dir = run_dir_of(args.run_dir)
    _check(args)
    request = make_request(args, (), args.device)
    with _stopped_by_sigterm():
        if not _wait_for_first(args, Console(soft_wrap=True, highlight=False, markup=False)):
            return 0
        args.run_dir = run_dir_of(args.run_dir)  # what was not there before is known now
        key = request_key(request)
        path = args.run_dir / WATCH_FOLDER / f"{key[:16]}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with locked(path, timeout_s=0):
                return _watch(args, request, key, Ledger(path))
        except LockTimeoutError as error:
            raise CommandError(f"another process is watching {args.run_dir} for the same scores") from error


def _check(args: argparse.Namespace) -> None:
    """Find what cannot be before any work."""
    for name in ("poll_seconds", "idle_minutes"):
        value = getattr(args, name)
        if value is not None and not (0 < value < math.inf):
            raise CommandError(f"--{name.replace('_', '-')} is more than 0, got {value}")
    if args.run_dir.exists() and not args.run_dir.is_dir():
        raise CommandError(f"expected the folder of a run, got the file {args.run_dir}")
    if (args.run_dir / t.SCORES_FILE).exists():
        t.read_table(args.run_dir / t.SCORES_FILE)


def _wait_for_first(args: argparse.Namespace, console: Console) -> bool:
    """Wait for a run that has not begun, without leaving anything; whether there is a checkpoint now."""
    from evaluate.watch.checkpoint_folder import folder_of_checkpoints, list_checkpoints

    begin_s, is_told = time.monotonic(), False
    try:
        while not list_checkpoints(folder_of_checkpoints(args.run_dir), args.pattern):
            if not is_told:
                console.print(f"no checkpoints yet ({args.pattern}) in {args.run_dir}, waiting; Ctrl-C stops")
                is_told = True
            if args.idle_minutes is not None and time.monotonic() - begin_s >= 60 * args.idle_minutes:
                console.print(f"stopped: no checkpoint for {args.idle_minutes:g} minutes")
                return False
            time.sleep(args.poll_seconds)
    except KeyboardInterrupt:
        console.print("stopped: interrupted")
        return False
    return True


def _watch(args: argparse.Namespace, request: Request, key: str, ledger: Ledger) -> int:
    from evaluate.features.cache import ActivationCache
    from evaluate.scoring.parts import Parts
    from evaluate.watch.wandb_scores import WandbScores
    from evaluate.watch.watching import Watcher

    console = Console()
    wandb = WandbScores(args.run_dir, project=args.wandb, key=key, is_joined=args.wandb_join) if args.wandb else None
    try:
        with ProgressDisplay(f"watching {args.run_dir}") as display:

            def tell(sentence: str) -> None:
                style = "red" if sentence.startswith("error") else None
                console.print(sentence, style=style, soft_wrap=True, highlight=False, markup=False)
                display.rest("waiting for checkpoints")

            def publish(rows: pd.DataFrame) -> None:
                _publish(rows, args, wandb)
                tell(_summary(rows))

            watcher = Watcher(
                run_dir=args.run_dir,
                request=request,
                ledger=ledger,
                parts=Parts(args.run_dir / PARTS_FOLDER),
                publish=publish,
                tell=tell,
                pattern=args.pattern,
                cache=ActivationCache(args.cache or args.run_dir / CACHE_FOLDER, args.cache_gib)
                if args.cache_gib
                else None,
                progress=display.report,
            )
            tell(f"watching {args.run_dir}, every {args.poll_seconds:g} s; Ctrl-C stops")
            try:
                idle_s = None if args.idle_minutes is None else 60 * args.idle_minutes
                reason = watcher.watch(poll_s=args.poll_seconds, until_step=args.until_step, idle_s=idle_s)
            except KeyboardInterrupt:
                reason = "interrupted; started again, it goes on where it was"
            tell(f"stopped: {reason}")
            return EXIT_SOME_FAILED if watcher.failures else 0
    finally:
        if wandb is not None:
            wandb.finish()


def _publish(rows: pd.DataFrame, args: argparse.Namespace, wandb: WandbScores | None) -> None:
    """Write a checkpoint's rows into the table, then the pictures, then Weights & Biases."""
    from evaluate.report.figures import write_figures

    table = t.append_rows(args.run_dir / t.SCORES_FILE, rows)
    if wandb is not None:
        wandb.log(rows)
    if args.no_figures:
        return
    try:
        write_figures(table, args.run_dir / FIGURES_FOLDER)
    except Exception:  # pictures are drawn again with the next checkpoint
        _log.warning("drawing pictures failed", exc_info=True)


def _summary(rows: pd.DataFrame) -> str:
    """One line on a checkpoint: the score at the best stage on each benchmark."""
    best = t.summary_rows(rows)
    best = best[best[t.METRIC].isin(t.BEST_METRICS) & (best[t.REGION] == ALL)]
    scores = [f"{row.benchmark} {row.value:.3f}" for row in best.itertuples()]
    return f"step {rows[t.STEP].iloc[0]}: {', '.join(scores) or 'scored'} ({rows[t.CHECKPOINT].iloc[0]})"


@contextmanager
def _stopped_by_sigterm() -> Iterator[None]:
    """Let the signal that ends jobs on a cluster stop as Ctrl-C does."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
