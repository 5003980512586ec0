"""Score tables in a terminal: a few numbers per network instead of all rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from evaluate.benchmarks.benchmark import ALL
from evaluate.metrics.selected_stage import ONE_STAGE, has_choice, has_one_stage, selected_stages
from evaluate.options import NO_VALUE
from evaluate.report.network_names import readable_name, short_stage_names
from evaluate.report.published_values import BASELINE_MODEL, PUBLISHED
from evaluate.report.significance import few_text
from evaluate.scoring import table as t
from networks.commands.console_tables import Name, fitting, print_table

if TYPE_CHECKING:
    import pandas as pd

    from evaluate.metrics.metric import ScoreKind


NAME_WIDTH, STAGE_WIDTH, SCORE_WIDTH = 16, 12, 6
"""Narrowest columns of names of networks, names of stages, and scores."""
NETWORK_COLUMNS = [t.RUN, t.CHECKPOINT, t.STEP, t.KIND, t.PARENT]


MAX_CONDITIONS = 8
"""Of more conditions of listeners, the mean alone is shown."""


def show_scores(table: pd.DataFrame, console: Console, kinds: Iterable[ScoreKind] = ()) -> None:
    """Print a table per benchmark and metric, a line per network.

    In a terminal, tables are as wide as it is: names are shortened, and regions that do not fit follow in another
    table.

    Args:
        table: Score table.
        console: Where to print.
        kinds: Kinds of users' metrics, see `evaluate.metrics.score_kinds`.
    """
    from evaluate.metrics.score_kinds import kinds_in

    summary = t.summary_rows(table)
    for benchmark, rows in summary.groupby(t.BENCHMARK, sort=False):
        for kind in kinds_in(rows[t.METRIC], kinds):
            of_parts = kind.of_parts(rows)
            if kind.best_metric:
                every = kind.of_parts(table[table[t.BENCHMARK] == benchmark])
                tables = _at_best_stage(str(benchmark), of_parts, kind, console, few=_few_participants(every, kind))
            else:
                tables = iter([_along_stages(str(benchmark), of_parts, kind)])
            for shown in tables:
                print_table(shown, console)


def _few_participants(rows: pd.DataFrame, kind: ScoreKind) -> str:
    """Remark on scores that are means over few participants; empty if they are many, or not of participants."""
    subjects = {str(name) for name in rows[rows[t.METRIC] == kind.best_metric][t.SUBJECT]} - {ALL}
    number = sum(not any(t.is_numbered(name, prefix) for prefix in (t.ITERATION, t.SPLIT)) for name in subjects)
    few = few_text(number)
    return f"mean over participants, {few}" if few else ""


def _at_best_stage(
    benchmark: str, rows: pd.DataFrame, kind: ScoreKind, console: Console, *, few: str
) -> Iterator[Table]:
    """Make tables of scores at the best stage, and which it is, by region; `few` is a remark below them."""
    from evaluate.report.figures.selection import regions_of

    regions = regions_of(rows[rows[t.METRIC] == kind.best_metric])
    is_short = not kind.selects_stage and len(regions) > MAX_CONDITIONS
    regions = [ALL] if is_short else regions

    def make(some: Sequence[str], start: int) -> Table:
        is_last = start + len(some) == len(regions)
        shown = _of_regions(benchmark, rows, kind, some, is_first=start == 0, is_last=is_last)
        if is_short:
            _write_below(shown, "mean over conditions, which the report shows one by one")
        if is_last and few:
            _write_below(shown, few)
        return shown

    yield from fitting(make, regions, console)


def _of_regions(
    benchmark: str, rows: pd.DataFrame, kind: ScoreKind, some: Sequence[str], *, is_first: bool, is_last: bool
) -> Table:
    """Make the table of some regions, with the ceiling after the last one and the published baseline below."""
    from evaluate.report.figures.selection import published_score

    is_ceiling = (rows[t.METRIC] == kind.ceiling_metric) & (rows[t.REGION] == ALL)
    has_ceiling = bool(kind.ceiling_metric) and bool(is_ceiling.any()) and is_last
    networks = _networks(rows[rows[t.METRIC].isin((kind.best_metric, kind.share_metric, kind.ceiling_metric))])
    has_stages = any(has_choice(group, kind) for _, _, group in networks)
    title = f"{benchmark}: {kind.best_title}{'' if is_first else ' (continued)'}"
    shown = _table(title, some, STAGE_WIDTH if has_stages else SCORE_WIDTH)
    if has_ceiling:
        shown.add_column(kind.ceiling_label, justify="right", no_wrap=True)
    for name, step, group in networks:
        values = group[group[t.METRIC] == kind.best_metric].set_index(t.REGION)[t.VALUE].reindex(list(some))
        is_own = (group[t.METRIC] == kind.ceiling_metric) & (group[t.REGION] == ALL)
        ceiling = group[is_own][t.VALUE] if has_ceiling else ()
        shown.add_row(Name(name), step, *map(_number, values), *map(_number, ceiling))
        stages = selected_stages(group, kind)
        if has_choice(group, kind) and any(region in stages for region in some):
            short = short_stage_names(set(group[group[t.METRIC] == kind.share_metric][t.STAGE]))
            names = (Name(short[stages[region].name] if region in stages else NO_VALUE) for region in some)
            shown.add_row("  best stage", "", *names, style="dim")
    published = [published_score(kind, benchmark, region) for region in some]
    if any(value is not None for value in published):
        shown.add_section()
        cells = ("" if value is None else f"{value:.3f}" for value in published)
        shown.add_row(PUBLISHED, "", *cells, style="italic")
        _write_below(shown, f"{PUBLISHED}: the value of {BASELINE_MODEL} in Tuckute et al. 2023")
    if is_last and any(has_one_stage(group, kind) for _, _, group in networks):
        _write_below(shown, ONE_STAGE)
    return shown


def _write_below(shown: Table, text: str) -> None:
    """Add a line to the caption of a table."""
    shown.caption = f"{shown.caption}\n{text}" if shown.caption else text


def _along_stages(benchmark: str, rows: pd.DataFrame, kind: ScoreKind) -> Table:
    """Make a table of the stages with the lowest and the highest score, for metrics without a best stage."""
    shown = _table(f"{benchmark}: {kind.title}", ["lowest", "highest"], STAGE_WIDTH + SCORE_WIDTH)
    of_stages = rows[rows[t.METRIC] == kind.stage_metric]
    for name, step, group in _networks(of_stages):
        for region in [ALL] if kind.parts is None else dict.fromkeys(group[t.REGION]):
            by_stage = group[group[t.REGION] == region].set_index(t.STAGE)[t.VALUE].dropna()
            ends = (str(by_stage.idxmin()), str(by_stage.idxmax())) if len(by_stage) else ()
            label = name if region == ALL else f"{name}: {region}"
            shown.add_row(Name(label), step, *(Name(f"{_short(by_stage[stage])} ({stage})") for stage in ends))
    return shown


def _number(value: float) -> str:
    return NO_VALUE if isnan(value) else f"{value:.3f}"


def _short(value: float) -> str:
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.3f}"


def _table(title: str, columns: Sequence[str], width: int) -> Table:
    """Make a table of networks whose columns of scores may become as narrow as `width`, or as their titles."""
    shown = Table(title=title, box=SIMPLE, padding=(0, 1, 0, 0))
    shown.add_column("network", min_width=NAME_WIDTH)
    shown.add_column("step", justify="right", no_wrap=True)
    for column in columns:
        shown.add_column(column, justify="right", min_width=max(width, len(column)))
    return shown


def _networks(rows: pd.DataFrame) -> list[tuple[str, str, pd.DataFrame]]:
    """List name (run and file), step and rows of each network, in order of appearance."""
    found = []
    for (run, checkpoint, step, kind, parent), group in rows.groupby(NETWORK_COLUMNS, sort=False):
        name = Path(str(checkpoint)).name or str(run)
        if parent:
            name = str(run)  # names the control and its network
        elif run == checkpoint:
            name = readable_name(str(run))
        elif run and checkpoint and run != Path(str(checkpoint)).stem:
            name = f"{run}/{name}"
        is_known = t.is_step_known(int(str(step)), str(kind), str(parent))
        found.append((name, str(step) if is_known else NO_VALUE, group))
    return found
