"""Score tables in a terminal: a few numbers per network, not all rows."""

from __future__ import annotations

from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from evaluate.report.figures.selection import regions_of
from evaluate.report.published_values import BASELINE_MODEL, published_value
from evaluate.scoring import table as t
from networks.commands.tables import print_table

if TYPE_CHECKING:
    import pandas as pd


NETWORK_COLUMNS = [t.RUN, t.CHECKPOINT, t.STEP]
NO_VALUE = "–"
CONTROLS = ("permuted:", "untrained:")
"""What the names of controls begin with, see `networks.weights.sources`."""


def show_scores(table: pd.DataFrame, console: Console) -> None:
    """Print a table per benchmark and metric, a line per network.

    Args:
        table: Score table.
        console: Where to print.
    """
    summary = t.summary_rows(table)
    for benchmark, rows in summary.groupby(t.BENCHMARK, sort=False):
        for shown in (
            _encoding(str(benchmark), rows),
            _rsa(str(benchmark), rows),
            _dimensionality(str(benchmark), rows),
        ):
            if shown.row_count:
                print_table(shown, console)


def _encoding(benchmark: str, rows: pd.DataFrame) -> Table:
    """Scores at the best stage, a column per region, with the published baseline where there is one."""
    best = rows[rows[t.METRIC].isin(t.BEST_METRICS)]
    regions = regions_of(best)
    corrected = "noise-corrected " if (best[t.METRIC] == t.BEST_STAGE_R2_CORRECTED).any() else ""
    shown = _table(f"{benchmark}: {corrected}R² at the best stage", regions)
    for name, step, group in _networks(best):
        values = group.set_index(t.REGION)[t.VALUE].reindex(regions)
        shown.add_row(name, step, *map(_number, values))
    published = [published_value(benchmark, region) for region in regions]
    if any(value is not None for value in published):
        shown.add_section()
        shown.add_row("published", "", *("" if value is None else f"{value:.3f}" for value in published))
        shown.caption = f"published: {BASELINE_MODEL} (Tuckute et al. 2023)"
    return shown


def _rsa(benchmark: str, rows: pd.DataFrame) -> Table:
    """Similarity at the best stage and its ceiling, means over subjects."""
    shown = _table(f"{benchmark}: representational similarity at the best stage", ["mean", "ceiling"])
    wanted = [t.BEST_STAGE_RSA, t.RSA_CEILING]
    for name, step, group in _networks(rows[rows[t.METRIC].isin(wanted)]):
        values = group.set_index(t.METRIC)[t.VALUE].reindex(wanted)
        shown.add_row(name, step, *map(_number, values))
    return shown


def _dimensionality(benchmark: str, rows: pd.DataFrame) -> Table:
    """The stages of lowest and highest effective dimensionality."""
    shown = _table(f"{benchmark}: effective dimensionality", ["lowest", "highest"])
    defined = rows[(rows[t.METRIC] == t.EFFECTIVE_DIMENSIONALITY) & rows[t.VALUE].notna()]
    for name, step, group in _networks(defined):
        by_stage = group.set_index(t.STAGE)[t.VALUE]
        ends = (str(by_stage.idxmin()), str(by_stage.idxmax()))
        shown.add_row(name, step, *(f"{by_stage[stage]:.1f} ({stage})" for stage in ends))
    return shown


def _number(value: float) -> str:
    return NO_VALUE if isnan(value) else f"{value:.3f}"


def _table(title: str, columns: list[str]) -> Table:
    shown = Table(title=title, box=SIMPLE, padding=(0, 1, 0, 0))
    shown.add_column("network", overflow="fold", min_width=16)
    shown.add_column("step", justify="right", no_wrap=True)
    for column in columns:
        shown.add_column(column, justify="right", no_wrap=True)
    return shown


def _networks(rows: pd.DataFrame) -> list[tuple[str, str, pd.DataFrame]]:
    """Name (run and file), step and rows of each network, in order of appearance."""
    found = []
    for (run, checkpoint, step), group in rows.groupby(NETWORK_COLUMNS, sort=False):
        name = Path(str(checkpoint)).name or str(run)
        if str(checkpoint).startswith(CONTROLS):
            name = str(run)  # says which control of which network it is
        elif run and checkpoint and run not in (checkpoint, Path(str(checkpoint)).stem):
            name = f"{run}/{name}"
        found.append((name, str(step), group))
    return found
