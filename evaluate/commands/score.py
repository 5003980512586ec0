"""The command `python -m evaluate score`: many networks, benchmarks and metrics, in one or several processes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from datamodules.files import check_writable
from datamodules.progress import Progress
from evaluate.commands.errors import remark
from evaluate.commands.named_networks import NamedNetworks, NetworksOption, networks_named
from evaluate.commands.scoring_options import PARTS_FOLDER, ScoringOptions
from evaluate.commands.shown_scores import show_scores
from evaluate.options import FIGURES_FOLDER
from evaluate.scoring import table as t
from networks.commands.dispatch import EXIT_IN_PART, EXIT_USER_ERROR, CommandError, text_console

if TYPE_CHECKING:
    import pandas as pd

    from evaluate.features.cache import ActivationCache
    from evaluate.scoring.failures import Failure
    from evaluate.scoring.plan import ScoringPlan
    from evaluate.scoring.ranks import Ranks


@dataclass(kw_only=True)
class Score(ScoringOptions, NetworksOption):
    """Score every stage of every network on every benchmark.

    Writes DIR/scores.csv, where rows of the same network are replaced, and figures to DIR/figures; prints the scores at
    the best stage. An interrupted command resumes: finished results are in DIR/parts, activations in DIR/cache. Both
    can be deleted, at the cost of computing them again.

    Under torchrun, as in `torchrun --nproc-per-node 4 -m evaluate score ...`, networks and stages are divided among
    the processes, which must share DIR.

    Exit code: 0; 1 if some networks could not be scored (the others are in the table); 2 if none could, or the options
    are wrong.

    Attributes:
        out: Folder for table and figures (default: the run directory or folder, if only one is given).
    """

    out: Path | None = None

    def run(self) -> int:
        """Score networks, as one of several processes if torchrun started this one.

        Returns:
            Exit code, see the description of the command.

        Raises:
            CommandError: A number, a device or a folder cannot be used.
            SourceError: A network is unknown.
            BenchmarkError: A benchmark cannot be loaded, or two share a name.
            TableError: DIR/scores.csv is not a score table.
        """
        from evaluate.scoring.ranks import OtherRankError

        named = networks_named(self.networks)
        self.device = _device_of_rank(self.device)
        self.out = self._folder()
        check_writable(self.out)
        plan = self.make_plan()
        if (self.out / t.SCORES_FILE).exists():
            t.read_table(self.out / t.SCORES_FILE)  # a damaged table raises before hours of work
        with _connected() as ranks:
            try:
                return _score(plan, named, self.out, self.make_cache(self.out), ranks)
            except OtherRankError:
                if ranks.rank == 0:
                    raise
                return EXIT_IN_PART  # that process reports it

    def _folder(self) -> Path:
        from evaluate.watch.checkpoint_folder import run_dir_of

        if self.out is not None:
            return self.out
        if len(self.networks) > 1 or not Path(self.networks[0]).is_dir():
            raise CommandError("give a folder for the scores: --out DIR")
        return run_dir_of(Path(self.networks[0]))


def _device_of_rank(name: str | None) -> str | None:
    """Distribute the GPUs of a machine over its processes, unless one is named."""
    import torch

    if name in (None, "cuda") and torch.cuda.is_available() and "LOCAL_RANK" in os.environ:
        return f"cuda:{int(os.environ['LOCAL_RANK']) % torch.cuda.device_count()}"
    return name


@contextmanager
def _connected() -> Iterator[Ranks]:
    """Join the processes that torchrun started, if it did."""
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


def _score(plan: ScoringPlan, named: NamedNetworks, folder: Path, cache: ActivationCache | None, ranks: Ranks) -> int:
    """Score all networks; the table in the file grows round by round."""
    from evaluate.metrics.score_kinds import save_kinds
    from evaluate.scoring.engine import ScoringEngine
    from evaluate.scoring.parts import Parts

    is_first = ranks.rank == 0
    console = text_console(quiet=not is_first)
    errors = text_console(stderr=True, soft_wrap=True, quiet=not is_first)
    for text in named.remarks:
        remark(text, console)
    scored: list[pd.DataFrame] = []
    failures: list[Failure] = []

    def publish(rows: pd.DataFrame) -> None:
        t.append_rows(folder / t.SCORES_FILE, rows)
        save_kinds(folder, plan.kinds)
        scored.append(rows)

    with _display(len(named.sources), ranks) as display:
        engine = ScoringEngine(plan=plan, cache=cache, ranks=ranks, progress=display.report)
        for failed in engine.run(named.sources, parts=Parts(folder / PARTS_FOLDER), publish=publish):
            failures += failed
            for failure in failed:
                line = f"error: {failure.source} is left out: {failure.reason}"
                errors.print(line, style="red", markup=False, highlight=False)
            display.finish_part()
    if cache is not None:
        counts = ranks.gather((cache.num_found, cache.num_missed))
        cache.num_found, cache.num_missed = (sum(numbers) for numbers in zip(*counts, strict=True))
    ranks.together(lambda: _finish(scored, plan, cache, folder, console) if scored else None)
    if not failures:
        return 0
    return EXIT_IN_PART if len(failures) < len(named.sources) else EXIT_USER_ERROR


def _finish(
    scored: list[pd.DataFrame], plan: ScoringPlan, cache: ActivationCache | None, folder: Path, console: Console
) -> None:
    """Show the scores, draw the figures, list the files; on rank 0, which has the rows."""
    import pandas as pd

    from evaluate.report.figures import write_figures

    show_scores(pd.concat(scored, ignore_index=True), console, plan.kinds)
    pictures = write_figures(t.read_table(folder / t.SCORES_FILE), folder / FIGURES_FOLDER)
    for path in (folder / t.SCORES_FILE, *pictures):
        console.print(f"wrote {path}", soft_wrap=True, highlight=False, markup=False)
    if cache is not None:
        console.print(f"activations in {cache}", soft_wrap=True, highlight=False, markup=False)


def _display(num_networks: int, ranks: Ranks) -> Progress:
    """Make the progress display, which only rank 0 shows."""
    from evaluate.scoring.shares import plan_rounds

    return Progress(
        f"scoring {num_networks} network{'s' * (num_networks > 1)}",
        num_parts=len(plan_rounds([""] * num_networks, ranks.num_ranks)),
        part="network" if ranks.num_ranks == 1 else f"round of {ranks.num_ranks} processes",
        is_shown=ranks.rank == 0,
    )
