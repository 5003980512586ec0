"""The command `python -m evaluate report`: one page and figures from the score tables of runs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from rich.console import Console

from datamodules.files import check_writable
from datamodules.progress import Progress
from evaluate.benchmarks import Benchmark, load_benchmark
from evaluate.commands.errors import remark
from evaluate.commands.probe import show_probes
from evaluate.commands.scoring_options import CACHE_FOLDER
from evaluate.commands.shown_scores import show_scores
from evaluate.options import FIGURES_FOLDER, PARTITION_FILE, SEED_PATTERN
from evaluate.report.network_names import short_names
from evaluate.scoring import table as t
from evaluate.scoring.scored_benchmarks import find_mixed
from networks.commands.dispatch import CommandError, text_console
from networks.text.wording import counted

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from evaluate.metrics.metric import ScoreKind
    from evaluate.report.report import Report


TABLE_FILES = (t.SCORES_FILE, t.PROBE_FILE, PARTITION_FILE)
"""Files of a folder that a report is made of."""


@dataclass(kw_only=True)
class ReportRuns:
    """Write one self-contained page and figures from the score tables of runs.

    Reads RUN_DIR/scores.csv, RUN_DIR/probe.csv and RUN_DIR/partition.csv; writes report.html and figures/*.png, *.pdf.
    Several runs are compared.

    Attributes:
        run_dirs: Folders of runs, or the --out of score, probe or partition; also a folder that holds several of them.
        out: Folder for page and figures (default: RUN_DIR; needed if several are named).
        benchmark: Also draw dissimilarity matrices of the sounds of these benchmarks, from the responses and from the
            networks with activations in RUN_DIR/cache.
        group: Regular expression to remove from names of runs; runs with equal remaining names, such as words_seed0 and
            words_seed1, are also shown as one, with mean and standard error over them.
        published: Show the published networks among the bars, too.
    """

    run_dirs: list[Path]
    out: Path | None = None
    benchmark: list[str] = field(default_factory=list)
    group: str = SEED_PATTERN
    published: bool = True
    positionals: ClassVar[tuple[str, ...]] = ("run_dirs",)

    def run(self) -> None:
        """Write the report.

        Raises:
            CommandError: There are several folders without `--out`, or `--group` is not a regular expression.
            TableError: A folder has no score table, or its table has no scores.
            BenchmarkError: A benchmark cannot be loaded.
        """
        from evaluate.metrics.score_kinds import load_kinds
        from evaluate.report.sections import FILE_KINDS

        console = text_console()
        if self.out is None and len(self.run_dirs) > 1:
            raise CommandError(f"give a folder for the report on {len(self.run_dirs)} runs: --out DIR")
        try:
            re.compile(self.group)
        except re.error as error:
            raise CommandError(f"--group must be a regular expression, got {self.group!r}: {error}") from error
        folder = self.out or _folder_named(self.run_dirs[0])
        check_writable(folder)
        named = [each for path in self.run_dirs for each in _runs_in(_folder_named(path))]
        run_dirs, unscored = _scored(list({each.resolve(): each for each in reversed(named)}.values())[::-1])
        for each in unscored:
            remark(f"{each} is left out: it holds no scores", console)
        tables = read_tables(run_dirs)
        benchmarks = [load_benchmark(name) for name in self.benchmark]
        kinds = [kind for run_dir in run_dirs for kind in load_kinds(run_dir)]
        remarks = find_mixed(run_dirs)
        report = _write(
            tables=tables,
            folder=folder,
            benchmarks=benchmarks,
            run_dirs=run_dirs,
            seed_pattern=self.group,
            kinds=kinds,
            remarks=remarks,
            has_published=self.published,
        )
        for table in tables.values():
            show_scores(table, console, kinds)
            for _, rows in table[table[t.METRIC].isin(t.PROBE_METRICS)].groupby(t.BENCHMARK, sort=False):
                show_probes(rows, console)
        _show_failures(tables, console)
        for text in remarks:
            remark(text, console)
        for path in (path for run_dir in run_dirs for path in _files_of(run_dir)):
            console.print(f"scores are in {path}", soft_wrap=True, highlight=False, markup=False)
        for line in (
            f"{counted(len(report.figures) // len(FILE_KINDS), 'figure')} as PNG and PDF to {folder / FIGURES_FOLDER}",
            str(report.page),
        ):
            console.print(f"wrote {line}", soft_wrap=True, highlight=False, markup=False)


def read_tables(folders: Sequence[Path]) -> dict[str, pd.DataFrame]:
    """Read the scores of folders (`scores.csv`, `probe.csv`), by the shortest names that distinguish the folders."""
    paths = {folder.resolve(): _read_tables_of(folder) for folder in folders}
    return dict(zip(short_names(list(paths)), paths.values(), strict=True))


def _folder_named(path: Path) -> Path:
    """Return the folder of a run; its folder of checkpoints or its table may be given instead."""
    from evaluate.run_folder import run_dir_of

    return path.parent if path.name in TABLE_FILES and path.is_file() else run_dir_of(path)


def _runs_in(folder: Path) -> list[Path]:
    """Return a folder, or those of the runs in it if it is none itself."""
    from evaluate.run_folder import CONFIG_FILE

    files = (*TABLE_FILES, CONFIG_FILE)
    if not folder.is_dir() or any((folder / name).is_file() for name in files):
        return [folder]
    return sorted({path.parent for name in files for path in folder.glob(f"*/{name}")}) or [folder]


def _scored(folders: Sequence[Path]) -> tuple[list[Path], list[Path]]:
    """Divide folders into those with a table and those without, such as runs that are not scored yet."""
    unscored = [folder for folder in folders if folder.is_dir() and not _files_of(folder)[0].is_file()]
    if len(unscored) == len(folders):
        return list(folders), []  # reading them will raise the error
    return [folder for folder in folders if folder not in unscored], unscored


def _files_of(folder: Path) -> list[Path]:
    """List the tables of a folder; the path of the score table if there are none."""
    files = [path for name in TABLE_FILES if (path := folder / name).is_file()]
    return files or [folder / t.SCORES_FILE]


def _read_tables_of(folder: Path) -> pd.DataFrame:
    import pandas as pd

    found = [t.read_table(path) for path in _files_of(folder) if path.name != PARTITION_FILE]
    return pd.concat(found, ignore_index=True) if found else t.make_table([])


def _read_pairs(folders: Sequence[Path]) -> pd.DataFrame | None:
    """Read what pairs of networks share, from all folders that say so; None if none does."""
    import pandas as pd

    from evaluate.metrics.partition.network_parts import KEY_COLUMNS
    from evaluate.metrics.partition.parts_table import read_parts

    found = [read_parts(path) for folder in folders if (path := folder / PARTITION_FILE).is_file()]
    return pd.concat(found, ignore_index=True).drop_duplicates(list(KEY_COLUMNS), keep="last") if found else None


def _write(
    *,
    tables: dict[str, pd.DataFrame],
    folder: Path,
    benchmarks: list[Benchmark],
    run_dirs: Sequence[Path],
    seed_pattern: str,
    kinds: Sequence[ScoreKind],
    remarks: Sequence[str],
    has_published: bool,
) -> Report:
    """Write the report and show progress."""
    from evaluate.report.figures.series import series_of
    from evaluate.report.findings.training import trainings_of
    from evaluate.report.report import write_report

    with Progress(f"writing the report to {folder}") as display:
        features = _features(tables, benchmarks, run_dirs, display) if benchmarks else {}
        return write_report(
            tables,
            folder,
            benchmarks=benchmarks,
            features=features,
            seed_pattern=seed_pattern,
            kinds=kinds,
            remarks=remarks,
            trainings=trainings_of(series_of(tables), run_dirs),
            pairs=_read_pairs(run_dirs),
            has_published=has_published,
            progress=lambda what, *numbers: display.report(f"report: {what}", *numbers),
        )


def _features(
    tables: dict[str, pd.DataFrame], benchmarks: Sequence[Benchmark], run_dirs: Sequence[Path], display: Progress
) -> dict[str, dict[str, np.ndarray]]:
    """Look up the features of each benchmark; this imports torch."""
    from evaluate.report.figures.series import series_of
    from evaluate.report.kept_features import kept_features

    display.report("reading activations")
    series = series_of(tables)
    caches = [run_dir / CACHE_FOLDER for run_dir in run_dirs]
    return {one.name: kept_features(series, one, caches, run_dirs) for one in benchmarks}


def _show_failures(tables: dict[str, pd.DataFrame], console: Console) -> None:
    for table in tables.values():
        for row in table[table[t.METRIC] == t.FAILED].itertuples():
            console.print(f"scoring {row.benchmark} at step {row.step} of run {row.run!r} failed", style="red")
