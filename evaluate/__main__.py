"""The command `python -m evaluate`: score checkpoints, show what a table holds."""

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import torch
from rich.box import SIMPLE
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from datamodules.audio import AudioError
from evaluate import table as t
from evaluate.activations import DEFAULT_BATCH_SIZE, StageError, resolve_stages
from evaluate.benchmarks import ALL, BenchmarkError, load_benchmark
from evaluate.figures import write_figures
from evaluate.published import BASELINE_MODEL, published_value
from evaluate.scores import score_network
from networks import LoadedCheckpoint, load_checkpoint

FIGURES_FOLDER = "figures"
EXIT_USER_ERROR = 2


class CommandError(ValueError):
    """Something the user asked for cannot be done; the message says what and why."""


USER_ERRORS = (CommandError, BenchmarkError, StageError, AudioError, t.TableError)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        arguments: Command line without the program's name; None means `sys.argv`.

    Returns:
        Exit code: 0, or 2 for an error of the user's, which is told in one line.
    """
    options = _parser().parse_args(arguments)
    console = Console()
    try:
        options.run(options, console)
    except USER_ERRORS as error:
        message = " ".join(f"error: {error}".split())
        Console(stderr=True, soft_wrap=True).print(message, style="red", markup=False, highlight=False)
        return EXIT_USER_ERROR
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m evaluate", description="Compare the stages of networks with brain responses to sound."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_score(commands.add_parser("score", help="score checkpoints against benchmarks"))
    _add_report(commands.add_parser("report", help="show the scores of runs and draw their pictures"))
    return parser


def _add_score(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Score every stage of every checkpoint on every benchmark. Writes DIR/scores.csv, where rows of the same "
        "checkpoint are replaced, and pictures in DIR/figures; prints the scores at the best stage."
    )
    parser.add_argument("checkpoints", nargs="+", metavar="CHECKPOINT", help="files saved by python -m train fit")
    parser.add_argument(
        "--benchmark",
        action="append",
        required=True,
        metavar="NAME_OR_PATH",
        help="'simulated', or a folder with components.mat and stimuli/; give it again for more benchmarks",
    )
    parser.add_argument("--out", required=True, type=Path, metavar="DIR", help="where table and pictures go")
    parser.add_argument("--stages", nargs="+", metavar="STAGE", help="stages to score (default: all)")
    parser.add_argument("--device", help="where networks run, as cpu or cuda:0 (default: a GPU if there is one)")
    parser.add_argument(
        "--batch-size", type=int, default=DEFAULT_BATCH_SIZE, help="sounds per forward pass (default: %(default)s)"
    )
    parser.set_defaults(run=_score)


def _add_report(parser: argparse.ArgumentParser) -> None:
    parser.description = "Print the scores at the best stage from RUN_DIR/scores.csv and draw RUN_DIR/figures."
    parser.add_argument(
        "run_dirs", nargs="+", type=Path, metavar="RUN_DIR", help="folders of runs, or the --out of score"
    )
    parser.set_defaults(run=_report)


def _score(options: argparse.Namespace, console: Console) -> None:
    """Score checkpoint after checkpoint; the table in the file grows with each."""
    if options.batch_size < 1:
        raise CommandError(f"--batch-size is at least 1, got {options.batch_size}")
    device = _device(options.device)
    for path in options.checkpoints:
        if not Path(path).is_file():
            raise CommandError(f"there is no checkpoint {path}")
    benchmarks = [load_benchmark(name) for name in options.benchmark]
    scored = []
    for path in options.checkpoints:
        loaded = _load(path)
        resolve_stages(loaded.network, options.stages)
        for benchmark in benchmarks:
            with _progress(console, f"{Path(path).name} on {benchmark.name}") as progress:
                rows = score_network(
                    loaded.network.to(device),
                    benchmark,
                    stages=options.stages,
                    batch_size=options.batch_size,
                    device=device,
                    run=loaded.run,
                    checkpoint=str(path),
                    step=loaded.step,
                    epoch=loaded.epoch,
                    progress=progress,
                )
            table = t.append_rows(options.out / t.SCORES_FILE, rows)
            scored.append(rows)
    _show(pd.concat(scored, ignore_index=True), console)
    _draw(table, options.out, console)


def _report(options: argparse.Namespace, console: Console) -> None:
    """Show table after table."""
    tables = {folder: t.read_table(folder / t.SCORES_FILE) for folder in options.run_dirs}
    for folder, table in tables.items():
        _show(table, console)
        _draw(table, folder, console)


def _load(path: str) -> LoadedCheckpoint:
    """Load a checkpoint, with what is wrong with it as an error of the user's."""
    try:
        return load_checkpoint(path)
    except (OSError, ValueError) as error:
        raise CommandError(str(error)) from error


def _device(name: str | None) -> torch.device:
    """Find the device asked for, or the best one there is."""
    has_gpu = torch.cuda.is_available()
    try:
        device = torch.device(name or ("cuda" if has_gpu else "cpu"))
    except RuntimeError as error:
        raise CommandError(f"unknown device {name!r}: expected cpu, cuda or cuda:NUMBER") from error
    if device.type == "cuda" and not (has_gpu and (device.index or 0) < torch.cuda.device_count()):
        raise CommandError(f"there is no device {name!r} here: PyTorch sees {torch.cuda.device_count()} GPUs")
    return device


@contextmanager
def _progress(console: Console, title: str) -> Iterator[Callable[[str, int, int], None]]:
    """Show a bar for activations, then for encoding."""
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed}/{task.total}"))
    with Progress(*columns, TimeElapsedColumn(), console=console, transient=True) as bars:
        bar = bars.add_task(f"{title}: stimuli", total=None)

        def report(what: str, num_done: int, num_total: int) -> None:
            bars.update(bar, description=f"{title}: {what}", completed=num_done, total=num_total)

        yield report


def _show(table: pd.DataFrame, console: Console) -> None:
    """Print the scores at the best stage: a table per benchmark, a line per network, a column per region."""
    failed = table[table[t.METRIC] == t.FAILED]
    for row in failed.itertuples():
        console.print(f"scoring {row.benchmark} at step {row.step} of run {row.run!r} failed", style="red")
    summary = t.summary_rows(table)
    best = summary[summary[t.METRIC].isin(t.BEST_METRICS)]
    for benchmark, rows in best.groupby(t.BENCHMARK, sort=False):
        console.print(_best_stage_table(str(benchmark), rows))


def _best_stage_table(benchmark: str, rows: pd.DataFrame) -> Table:
    """One benchmark's scores at the best stage, with the published baseline where there is one."""
    regions = sorted(dict.fromkeys(rows[t.REGION]), key=lambda region: region != ALL)
    corrected = "noise-corrected " if (rows[t.METRIC] == t.BEST_STAGE_R2_CORRECTED).any() else ""
    shown = Table(title=f"{benchmark}: {corrected}R² at the best stage", box=SIMPLE, padding=(0, 1, 0, 0))
    shown.add_column("network", overflow="fold")
    shown.add_column("step", justify="right")
    for region in regions:
        shown.add_column(region, justify="right")
    has_runs = rows[t.RUN].nunique() > 1
    for (run, checkpoint, step), group in rows.groupby([t.RUN, t.CHECKPOINT, t.STEP], sort=False):
        name = Path(str(checkpoint)).name or str(run)
        values = group.set_index(t.REGION)[t.VALUE].reindex(regions)
        shown.add_row(
            f"{run}/{name}" if has_runs and checkpoint else name, str(step), *(f"{value:.3f}" for value in values)
        )
    published = [published_value(benchmark, region) for region in regions]
    if any(value is not None for value in published):
        shown.add_section()
        shown.add_row("published", "", *("" if value is None else f"{value:.3f}" for value in published))
        shown.caption = f"published: {BASELINE_MODEL} (Tuckute et al. 2023)"
    return shown


def _draw(table: pd.DataFrame, folder: Path, console: Console) -> None:
    """Draw the pictures and say where table and pictures are."""
    paths = write_figures(table, folder / FIGURES_FOLDER)
    for path in (folder / t.SCORES_FILE, *paths):
        console.print(f"wrote {path}", soft_wrap=True, highlight=False, markup=False)


if __name__ == "__main__":
    sys.exit(main())
