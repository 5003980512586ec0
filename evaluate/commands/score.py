"""The command `python -m evaluate score`: many networks, benchmarks and metrics, in one or several processes."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from datamodules.files import check_writable
from datamodules.progress import Progress
from evaluate.commands.errors import remark
from evaluate.commands.named_networks import NamedNetworks, NetworksOption, networks_named
from evaluate.commands.scoring_options import CACHE_FOLDER, PARTS_FOLDER, ScoringOptions
from evaluate.commands.shown_scores import show_scores
from evaluate.options import FIGURES_FOLDER
from evaluate.scoring import table as t
from networks.commands.dispatch import EXIT_IN_PART, EXIT_USER_ERROR, CommandError, text_console
from networks.commands.interruption import NOTHING_IS_KEPT, has_content, stopped_by_sigterm
from networks.text.wording import counted

if TYPE_CHECKING:
    import pandas as pd

    from evaluate.features.cache import ActivationCache
    from evaluate.scoring.failures import Failure
    from evaluate.scoring.plan import ScoringPlan
    from evaluate.scoring.ranks import Ranks

_NUMBERS = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "MASTER_PORT")
"""Variables of torchrun that are integers."""


@dataclass(kw_only=True)
class Score(ScoringOptions, NetworksOption):
    """Score every stage of every network on every benchmark.

    Writes DIR/scores.csv, where rows of the same network are replaced, and figures to DIR/figures; prints the scores at
    the best stage. An interrupted command resumes: finished results are in DIR/parts, activations in DIR/cache. Both
    can be deleted, at the cost of computing them again.

    Under torchrun, as in `torchrun --nproc-per-node 4 -m cochlearn score ...`, networks and stages are divided among
    the processes, which must share DIR.

    Exit code: 0; 1 if some networks could not be scored (the others are in the table); 2 if none could, or the options
    are wrong.

    Attributes:
        out: Folder for table and figures (default: the run directory or folder, if only one is given).
    """

    out: Path | None = None

    @property
    def when_interrupted(self) -> str:
        """What a Ctrl-C leaves."""
        if self.out is None:
            return ""
        places = {
            "the networks scored so far": self.out / t.SCORES_FILE,
            "finished stages": self.out / PARTS_FOLDER,
            "activations": self.cache or self.out / CACHE_FOLDER,
        }
        kept = [f"{what} are in {path}" for what, path in places.items() if has_content(path)]
        return f"{', '.join(kept)}; the same command resumes" if kept else NOTHING_IS_KEPT

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
        check_launcher()
        self.check_names()
        named = networks_named(self.networks)
        from evaluate.scoring.ranks import OtherRankError

        self.device = _device_of_rank(self.device)
        self.out = self._folder()
        check_writable(self.out)
        plan = self.make_plan()
        if (self.out / t.SCORES_FILE).exists():
            t.read_table(self.out / t.SCORES_FILE)  # a damaged table raises before hours of work
        with stopped_by_sigterm(), _connected() as ranks:
            try:
                return _score(plan, named, self.out, self.make_cache(self.out), ranks, remarks=self.remarks(plan))
            except OtherRankError:
                if ranks.rank == 0:
                    raise
                return EXIT_IN_PART  # that process reports it

    def _folder(self) -> Path:
        from evaluate.run_folder import run_dir_of

        if self.out is not None:
            return self.out
        if len(self.networks) > 1 or not Path(self.networks[0]).is_dir():
            raise CommandError("give a folder for the scores: --out DIR")
        return run_dir_of(Path(self.networks[0]))


def check_launcher(environment: Mapping[str, str] = os.environ) -> None:
    """Check the environment variables of torchrun, which shells and scripts may have set in part.

    Raises:
        CommandError: One that must be an integer is not, or others are missing.
    """
    for name in _NUMBERS:
        value = environment.get(name)
        if value is not None and not value.strip().isdecimal():
            raise CommandError(
                f"the environment variable {name} must be an integer, got {value!r}: `unset {name}`, unless a launcher "
                "needs it"
            )
    if int(environment.get("WORLD_SIZE", "1")) > 1 and "MASTER_ADDR" in environment:
        missing = [name for name in ("RANK", "MASTER_PORT") if name not in environment]
        if missing:
            raise CommandError(
                f"WORLD_SIZE={environment['WORLD_SIZE']} and MASTER_ADDR are set, as by torchrun, but not "
                f"{' and '.join(missing)}: `unset WORLD_SIZE MASTER_ADDR` to score in one process, or start several "
                "with torchrun"
            )


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


def _score(
    plan: ScoringPlan,
    named: NamedNetworks,
    folder: Path,
    cache: ActivationCache | None,
    ranks: Ranks,
    *,
    remarks: Sequence[str],
) -> int:
    """Score all networks; the table in the file grows round by round."""
    from evaluate.metrics.score_kinds import save_kinds
    from evaluate.scoring.engine import ScoringEngine
    from evaluate.scoring.parts import Parts
    from evaluate.scoring.scored_benchmarks import save_benchmarks

    is_first = ranks.rank == 0
    console = text_console(quiet=not is_first)
    errors = text_console(stderr=True, soft_wrap=True, quiet=not is_first)
    for text in (*named.remarks, *remarks):
        remark(text, console)
    scored: list[pd.DataFrame] = []
    failures: list[Failure] = []

    def publish(rows: pd.DataFrame) -> None:
        t.append_rows(folder / t.SCORES_FILE, rows)
        save_kinds(folder, plan.kinds)
        save_benchmarks(folder, plan.benchmarks)
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

    rows = pd.concat(scored, ignore_index=True)
    show_scores(rows, console, plan.kinds)
    table = t.order_networks(folder / t.SCORES_FILE, rows)  # as on the command line, also if one failed before
    pictures = write_figures(table, folder / FIGURES_FOLDER, of=rows, kinds=plan.kinds)
    console.print(f"wrote {folder / t.SCORES_FILE}", soft_wrap=True, highlight=False, markup=False)
    if pictures:
        line = f"wrote {counted(len(pictures), 'figure')} to {folder / FIGURES_FOLDER}"
        console.print(line, soft_wrap=True, highlight=False, markup=False)
    if cache is not None:
        console.print(f"activations in {cache}", soft_wrap=True, highlight=False, markup=False)


def _display(num_networks: int, ranks: Ranks) -> Progress:
    """Make the progress display, which only rank 0 shows."""
    from evaluate.scoring.shares import plan_rounds

    return Progress(
        f"scoring {counted(num_networks, 'network')}",
        num_parts=len(plan_rounds([""] * num_networks, ranks.num_ranks)),
        part="network" if ranks.num_ranks == 1 else f"round of {ranks.num_ranks} processes",
        is_shown=ranks.rank == 0,
    )
