"""Score tables in a terminal: a few numbers per network instead of all rows."""

from __future__ import annotations

from collections.abc import Iterable
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from evaluate.benchmarks.benchmark import ALL
from evaluate.options import NO_VALUE
from evaluate.report.published_values import BASELINE_MODEL
from evaluate.scoring import table as t
from networks.commands.console_tables import print_table

if TYPE_CHECKING:
    import pandas as pd

    from evaluate.metrics.metric import ScoreKind


NETWORK_COLUMNS = [t.RUN, t.CHECKPOINT, t.STEP, t.PARENT]


def show_scores(table: pd.DataFrame, console: Console, kinds: Iterable[ScoreKind] = ()) -> None:
    """Print a table per benchmark and metric, a line per network.

    Args:
        table: Score table.
        console: Where to print.
        kinds: Kinds of users' metrics, see `evaluate.metrics.score_kinds`.
    """
    from evaluate.metrics.score_kinds import kinds_in

    summary = t.summary_rows(table)
    for benchmark, rows in summary.groupby(t.BENCHMARK, sort=False):
        for kind in kinds_in(rows[t.METRIC], kinds):
            shown = _at_best_stage if kind.best_metric else _along_stages
            print_table(shown(str(benchmark), rows, kind), console)


def _at_best_stage(benchmark: str, rows: pd.DataFrame, kind: ScoreKind) -> Table:
    """Make a table of scores at the best stage by region, with ceiling and published baseline if there are any."""
    from evaluate.report.figures.selection import published_score, regions_of

    best = rows[rows[t.METRIC] == kind.best_metric]
    regions = regions_of(best)
    shown = _table(
        f"{benchmark}: {kind.title} at the best stage", [*regions, *(["ceiling"] if kind.ceiling_metric else [])]
    )
    for name, step, group in _networks(rows[rows[t.METRIC].isin([kind.best_metric, kind.ceiling_metric])]):
        values = group[group[t.METRIC] == kind.best_metric].set_index(t.REGION)[t.VALUE].reindex(regions)
        ceiling = group[group[t.METRIC] == kind.ceiling_metric][t.VALUE]
        shown.add_row(name, step, *map(_number, values), *map(_number, ceiling))
    published = [published_score(kind, benchmark, region) for region in regions]
    if any(value is not None for value in published):
        shown.add_section()
        shown.add_row("published", "", *("" if value is None else f"{value:.3f}" for value in published))
        shown.caption = f"published: {BASELINE_MODEL} (Tuckute et al. 2023)"
    return shown


def _along_stages(benchmark: str, rows: pd.DataFrame, kind: ScoreKind) -> Table:
    """Make a table of the stages with the lowest and the highest score, for metrics without a best stage."""
    shown = _table(f"{benchmark}: {kind.title}", ["lowest", "highest"])
    of_stages = rows[(rows[t.METRIC] == kind.stage_metric) & (rows[t.REGION] == ALL)]
    for name, step, group in _networks(of_stages):
        by_stage = group.set_index(t.STAGE)[t.VALUE].dropna()
        ends = (str(by_stage.idxmin()), str(by_stage.idxmax())) if len(by_stage) else ()
        shown.add_row(name, step, *(f"{_short(by_stage[stage])} ({stage})" for stage in ends))
    return shown


def _number(value: float) -> str:
    return NO_VALUE if isnan(value) else f"{value:.3f}"


def _short(value: float) -> str:
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.3f}"


def _table(title: str, columns: list[str]) -> Table:
    shown = Table(title=title, box=SIMPLE, padding=(0, 1, 0, 0))
    shown.add_column("network", overflow="fold", min_width=16)
    shown.add_column("step", justify="right", no_wrap=True)
    for column in columns:
        shown.add_column(column, justify="right", no_wrap=True)
    return shown


def _networks(rows: pd.DataFrame) -> list[tuple[str, str, pd.DataFrame]]:
    """List name (run and file), step and rows of each network, in order of appearance."""
    found = []
    for (run, checkpoint, step, parent), group in rows.groupby(NETWORK_COLUMNS, sort=False):
        name = Path(str(checkpoint)).name or str(run)
        if parent:
            name = str(run)  # names the control and its network
        elif run and checkpoint and run not in (checkpoint, Path(str(checkpoint)).stem):
            name = f"{run}/{name}"
        found.append((name, str(step), group))
    return found
