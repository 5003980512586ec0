"""The command `python -m evaluate report`: one page, and figures, from the score tables of runs."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from datamodules.progress import ProgressDisplay
from evaluate.benchmarks import Benchmark, load_benchmark
from evaluate.commands.errors import CommandError, check_out, remark
from evaluate.commands.probe import show_probes
from evaluate.commands.scoring_arguments import CACHE_FOLDER
from evaluate.commands.shown_scores import show_scores
from evaluate.folders import short_names
from evaluate.options import REPORT_FILE, SEED_PATTERN
from evaluate.scoring import table as t

if TYPE_CHECKING:
    import pandas as pd

    from evaluate.report.report import Report


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes.

    Args:
        parser: Gets the arguments.
    """
    parser.description = (
        f"Write one self-contained page ({REPORT_FILE}) and figures (figures/*.png, *.pdf) from "
        f"RUN_DIR/{t.SCORES_FILE} and RUN_DIR/{t.PROBE_FILE}; several runs are compared."
    )
    parser.add_argument(
        "run_dirs", nargs="+", type=Path, metavar="RUN_DIR", help="folders of runs, or the --out of score or probe"
    )
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="where page and figures go (default: RUN_DIR; needed for several)"
    )
    parser.add_argument(
        "--benchmark",
        action="append",
        default=[],
        metavar="NAME_OR_PATH",
        help="also draw the dissimilarity matrix of this benchmark's sounds, and those of networks whose activations "
        "are kept in RUN_DIR/cache; give it again for more",
    )
    parser.add_argument(
        "--group",
        default=SEED_PATTERN,
        metavar="PATTERN",
        help="runs whose names are equal once what this regular expression matches is taken out are also shown as one, "
        "with mean and standard error over them (default: %(default)s, as in words_seed0 and words_seed1)",
    )


def run(args: argparse.Namespace) -> int:
    """Write the report.

    Args:
        args: What `add_arguments` asks for.

    Returns:
        0.

    Raises:
        CommandError: Several folders without `--out`, or a `--group` that is no regular expression.
        TableError: A folder without a score table, or without scores in it.
        BenchmarkError: A benchmark that cannot be loaded.
    """
    from evaluate.report.report import FIGURES_FOLDER
    from evaluate.report.sections import FILE_KINDS

    console = Console()
    if args.out is None and len(args.run_dirs) > 1:
        raise CommandError(f"say where the report on {len(args.run_dirs)} runs goes: --out DIR")
    try:
        re.compile(args.group)
    except re.error as error:
        raise CommandError(f"--group is a regular expression, got {args.group!r}: {error}") from error
    folder = args.out or _folder_named(args.run_dirs[0])
    check_out(folder)
    args.run_dirs, unscored = _scored([_folder_named(path) for path in args.run_dirs])
    for each in unscored:
        remark(f"{each} is left out: it holds no scores", console)
    tables = read_tables(args.run_dirs)
    benchmarks = [load_benchmark(name) for name in args.benchmark]
    report = _write(tables, folder, benchmarks, args)
    for table in tables.values():
        show_scores(table, console)
        for _, rows in table[table[t.METRIC].isin(t.PROBE_METRICS)].groupby(t.BENCHMARK, sort=False):
            show_probes(rows, console)
    _tell_failures(tables, console)
    for path in (path for run_dir in args.run_dirs for path in _files_of(run_dir)):
        console.print(f"scores are in {path}", soft_wrap=True, highlight=False, markup=False)
    for line in (
        f"{len(report.figures) // len(FILE_KINDS)} figures as PNG and PDF to {folder / FIGURES_FOLDER}",
        str(report.page),
    ):
        console.print(f"wrote {line}", soft_wrap=True, highlight=False, markup=False)
    return 0


def read_tables(folders: Sequence[Path]) -> dict[str, pd.DataFrame]:
    """Read the tables of folders, under the shortest names that tell the folders apart.

    Args:
        folders: Each with a `scores.csv`, a `probe.csv` or both; one given twice is read once.

    Returns:
        Name -> table.

    Raises:
        TableError: A table is missing or is none; names the file.
    """
    paths = {folder.resolve(): _read_tables_of(folder) for folder in folders}
    return dict(zip(short_names(list(paths)), paths.values(), strict=True))


def _folder_named(path: Path) -> Path:
    """The folder that is meant: a run's, where its checkpoints or its table are given."""
    from evaluate.watch.checkpoint_folder import run_dir_of

    return path.parent if path.name in (t.SCORES_FILE, t.PROBE_FILE) and path.is_file() else run_dir_of(path)


def _scored(folders: Sequence[Path]) -> tuple[list[Path], list[Path]]:
    """Folders with a table, and among several those that are there without one, as runs that are not scored yet."""
    unscored = [folder for folder in folders if folder.is_dir() and not _files_of(folder)[0].is_file()]
    if len(unscored) == len(folders):
        return list(folders), []  # told as an error
    return [folder for folder in folders if folder not in unscored], unscored


def _files_of(folder: Path) -> list[Path]:
    """The tables of a folder; that of scores, which is asked for, where there is none."""
    files = [path for name in (t.SCORES_FILE, t.PROBE_FILE) if (path := folder / name).is_file()]
    return files or [folder / t.SCORES_FILE]


def _read_tables_of(folder: Path) -> pd.DataFrame:
    import pandas as pd

    return pd.concat([t.read_table(path) for path in _files_of(folder)], ignore_index=True)


def _write(
    tables: dict[str, pd.DataFrame],
    folder: Path,
    benchmarks: list[Benchmark],
    args: argparse.Namespace,
) -> Report:
    """Write the report, and show how far it is."""
    from evaluate.report.figures.series import series_of
    from evaluate.report.kept_features import kept_features
    from evaluate.report.report import write_report

    with ProgressDisplay(f"writing the report to {folder}") as display:
        display.report("reading activations")
        series = series_of(tables)
        caches = [run_dir / CACHE_FOLDER for run_dir in args.run_dirs]
        features = {one.name: kept_features(series, one, caches, args.run_dirs) for one in benchmarks}
        return write_report(
            tables,
            folder,
            benchmarks=benchmarks,
            features=features,
            seed_pattern=args.group,
            progress=lambda what, *numbers: display.report(f"report: {what}", *numbers),
        )


def _tell_failures(tables: dict[str, pd.DataFrame], console: Console) -> None:
    for table in tables.values():
        for row in table[table[t.METRIC] == t.FAILED].itertuples():
            console.print(f"scoring {row.benchmark} at step {row.step} of run {row.run!r} failed", style="red")
