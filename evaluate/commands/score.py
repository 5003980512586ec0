"""The command `python -m evaluate score`: many networks, benchmarks and metrics, on one or several processes."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from datamodules.progress import ProgressDisplay
from evaluate.commands.errors import CommandError, check_out, remark
from evaluate.commands.named_networks import HELP, NamedNetworks, networks_named
from evaluate.commands.scoring_arguments import (
    CACHE_FOLDER,
    FIGURES_FOLDER,
    PARTS_FOLDER,
    add_scoring_arguments,
    make_request,
)
from evaluate.commands.shown_scores import show_scores
from evaluate.scoring import table as t

if TYPE_CHECKING:
    import pandas as pd

    from evaluate.features.cache import ActivationCache
    from evaluate.scoring.ranks import Ranks
    from evaluate.scoring.score_run import Failure, Request


EXIT_SOME_FAILED = 1
EXIT_ALL_FAILED = 2

DESCRIPTION = """
Score every stage of every network on every benchmark. Writes DIR/scores.csv, where rows of the same network are
replaced, and pictures in DIR/figures; prints the scores at the best stage. A run that was stopped goes on where it
was: finished pieces are in DIR/parts, activations in DIR/cache; both can be deleted, at the cost of computing again.
Under torchrun, as in `torchrun --nproc-per-node 4 -m evaluate score ...`, networks and stages are divided among the
processes, which must all see DIR. Exit code: 0; 1 where some networks could not be scored (the others are in the
table); 2 where none could, or what was asked for cannot be done.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments.

    Args:
        parser: Gets them.
    """
    parser.description = DESCRIPTION
    parser.add_argument("networks", nargs="+", metavar="NETWORK", help=HELP)
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="where table and pictures go (default: the run directory or folder, where one is given)",
    )
    add_scoring_arguments(parser, folder="DIR")


def run(args: argparse.Namespace) -> int:
    """Score, one of several processes where torchrun started this one.

    Args:
        args: What `add_arguments` asks for.

    Returns:
        Exit code, see the description of the command.

    Raises:
        CommandError: Numbers, a device or a folder that cannot be, two benchmarks of one name.
        SourceError: A network that is not known.
        BenchmarkError: A benchmark that cannot be loaded.
        TableError: What is in the table's place is no score table.
    """
    from evaluate.scoring.ranks import OtherRankError
    from evaluate.watch.checkpoint_folder import run_dir_of

    named = networks_named(args.networks)
    if args.out is None:
        if len(args.networks) > 1 or not Path(args.networks[0]).is_dir():
            raise CommandError("say where the scores go: --out DIR")
        args.out = run_dir_of(Path(args.networks[0]))
    check_out(args.out)
    request = _request(args, named)
    with _connected() as ranks:
        try:
            return _score(request, named, args, ranks)
        except OtherRankError:
            if ranks.rank == 0:
                raise
            return EXIT_SOME_FAILED  # told by the process that it happened in


def _request(args: argparse.Namespace, named: NamedNetworks) -> Request:
    """Check what was asked for, before any work."""
    request = make_request(args, named.sources, _device_name(args.device))
    if (args.out / t.SCORES_FILE).exists():
        t.read_table(args.out / t.SCORES_FILE)  # what is no table shows now, not after hours
    return request


def _device_name(name: str | None) -> str | None:
    """Deal GPUs out among the processes of a machine, unless one was asked for."""
    import torch

    if name in (None, "cuda") and torch.cuda.is_available() and "LOCAL_RANK" in os.environ:
        return f"cuda:{int(os.environ['LOCAL_RANK']) % torch.cuda.device_count()}"
    return name


@contextmanager
def _connected() -> Iterator[Ranks]:
    """Join the processes that torchrun started; alone where it did not."""
    from torch import distributed as dist

    from evaluate.scoring.ranks import EVALUATION_TIMEOUT, Ranks

    if int(os.environ.get("WORLD_SIZE", "1")) == 1 or "MASTER_ADDR" not in os.environ:
        yield Ranks()
        return
    dist.init_process_group("gloo", timeout=EVALUATION_TIMEOUT)
    try:
        yield Ranks.connect()
    finally:
        dist.destroy_process_group()


def _score(request: Request, named: NamedNetworks, args: argparse.Namespace, ranks: Ranks) -> int:
    """Score all networks; the table in the file grows round by round."""
    from evaluate.features.cache import ActivationCache
    from evaluate.scoring.parts import Parts
    from evaluate.scoring.score_run import ScoreRun

    is_first = ranks.rank == 0
    console = Console(quiet=not is_first)
    errors = Console(stderr=True, soft_wrap=True, quiet=not is_first)
    cache = ActivationCache(args.cache or args.out / CACHE_FOLDER, args.cache_gib) if args.cache_gib else None
    for text in named.remarks:
        remark(text, console)
    scored: list[pd.DataFrame] = []
    failures: list[Failure] = []

    def publish(rows: pd.DataFrame) -> None:
        t.append_rows(args.out / t.SCORES_FILE, rows)
        scored.append(rows)

    with _display(request, ranks) as display:
        work = ScoreRun(
            request=request, parts=Parts(args.out / PARTS_FOLDER), cache=cache, ranks=ranks, progress=display.report
        )
        for failed in work.run(publish):
            failures += failed
            for failure in failed:
                line = f"error: {failure.source} is left out: {failure.reason}"
                errors.print(line, style="red", markup=False, highlight=False)
            display.finish_part()
    if cache is not None:
        counts = ranks.gather((cache.num_found, cache.num_missed))
        cache.num_found, cache.num_missed = (sum(numbers) for numbers in zip(*counts, strict=True))
    ranks.together(lambda: _finish(scored, cache, args.out, console) if scored else None)
    if not failures:
        return 0
    return EXIT_SOME_FAILED if len(failures) < len(request.sources) else EXIT_ALL_FAILED


def _finish(scored: list[pd.DataFrame], cache: ActivationCache | None, folder: Path, console: Console) -> None:
    """Show the scores, draw the pictures, say where all is; on rank 0, which has the rows."""
    import pandas as pd

    from evaluate.report.figures import write_figures

    show_scores(pd.concat(scored, ignore_index=True), console)
    pictures = write_figures(t.read_table(folder / t.SCORES_FILE), folder / FIGURES_FOLDER)
    for path in (folder / t.SCORES_FILE, *pictures):
        console.print(f"wrote {path}", soft_wrap=True, highlight=False, markup=False)
    if cache is not None:
        console.print(f"activations in {cache}", soft_wrap=True, highlight=False, markup=False)


def _display(request: Request, ranks: Ranks) -> ProgressDisplay:
    """Show how far it is, on one process."""
    from evaluate.scoring.shares import plan_rounds

    num_networks, num_rounds = len(request.sources), len(plan_rounds(request.sources, ranks.num_ranks))
    return ProgressDisplay(
        f"scoring {num_networks} network{'s' * (num_networks > 1)}",
        num_parts=num_rounds,
        part="network" if ranks.num_ranks == 1 else f"round of {ranks.num_ranks} processes",
        is_shown=ranks.rank == 0,
    )
