"""Bars that compare networks with the published ones."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from evaluate.benchmarks.benchmark import ALL
from evaluate.metrics.score_kinds import ENCODING_KINDS
from evaluate.report.comparisons import summarise
from evaluate.report.figures import selection as s
from evaluate.report.figures import style
from evaluate.report.figures.selection import ScoreKind
from evaluate.report.figures.series import Entry
from evaluate.report.published_values import BASELINE_MODEL, COMPONENTS, PERMUTED_COMPONENTS, PUBLISHED_MODELS
from evaluate.scoring import table as t

ROW_HEIGHT_IN = 0.2
HATCH = {"untrained": "////", "permuted": "...."}


@dataclass(frozen=True, eq=False)
class _Row:
    """The bars of one network: score, error and score of the permuted network, by region."""

    label: str
    values: np.ndarray
    errors: np.ndarray
    permuted: np.ndarray
    look: dict[str, Any]
    is_own: bool


def bars_figure(entries: Sequence[Entry], benchmark: str, kind: ScoreKind, *, published: bool = True) -> Figure | None:
    """Draw scores at the best stage as bars, with one panel per region and networks in the order of their mean.

    Args:
        entries: See `entries_of`.
        benchmark: Name of the benchmark.
        kind: Kind of score.
        published: Whether to show published networks, if there are any.

    Returns:
        The figure, or None if no best stage was scored.
    """
    frames = [entry.rows[entry.rows[t.METRIC] == kind.best_metric] for entry in entries]
    shown = [(entry, rows) for entry, rows in zip(entries, frames, strict=True) if len(rows)]
    if not shown:
        return None
    own_regions = s.regions_of(t.summary_rows(shown[0][1]))
    regions = _panels_of(own_regions, benchmark, kind) if published else own_regions
    rows = _own_rows(shown, kind, regions)
    if published:
        rows += _published_rows(benchmark, regions, kind)
    means = [float(np.mean(values)) if (values := row.values[~np.isnan(row.values)]).size else -1.0 for row in rows]
    rows = [rows[i] for i in np.argsort(means, kind="stable")]
    ceiling = summarise([entries[0].rows], kind.ceiling_metric, ALL, stage=ALL).means[0]
    return _draw(rows, regions, benchmark, kind, ceiling=float(ceiling))


def _panels_of(regions: list[str], benchmark: str, kind: ScoreKind) -> list[str]:
    """Regions with published scores in the order of the paper, "all" first; all regions if none were published."""
    order = {name: number for number, name in enumerate((ALL, *COMPONENTS))}
    known = [region for region in regions if s.published_score(kind, benchmark, region) is not None]
    return sorted(known, key=lambda region: order.get(region, len(order))) or regions


def _own_rows(shown: Sequence[tuple[Entry, Any]], kind: ScoreKind, regions: Sequence[str]) -> list[_Row]:
    summaries = [summarise([rows for _, rows in shown], kind.best_metric, region) for region in regions]
    rows = []
    for number, (entry, _) in enumerate(shown):
        colour = entry.series.colour
        hatch = HATCH.get(entry.state)
        look = {"facecolor": "white" if hatch else colour, "edgecolor": colour, "hatch": hatch}
        values = np.array([summary.means[number] for summary in summaries])
        errors = np.array([summary.errors[number] for summary in summaries])
        rows.append(_Row(entry.label, values, errors, np.full(len(regions), np.nan), look, True))
    return rows


def _published_rows(benchmark: str, regions: Sequence[str], kind: ScoreKind) -> list[_Row]:
    rows = []
    for model in PUBLISHED_MODELS:
        values = [s.published_score(kind, benchmark, region, model) for region in regions]
        if all(value is None for value in values):
            continue
        colour = "#E9B99A" if model == BASELINE_MODEL else style.PUBLISHED_COLOUR
        look = {"facecolor": colour, "edgecolor": "none", "hatch": None}
        numbers = np.array([np.nan if value is None else value for value in values])
        has_permuted = kind in ENCODING_KINDS
        permuted = [_published_permuted(benchmark, region, model) if has_permuted else np.nan for region in regions]
        label = f"{model} (published)" if model == BASELINE_MODEL else model
        rows.append(_Row(label, numbers, np.full(len(regions), np.nan), np.array(permuted), look, False))
    return rows


def _published_permuted(benchmark: str, region: str, model: str) -> float:
    row = PUBLISHED_MODELS[model]
    if benchmark == "NH2015comp":
        values = PERMUTED_COMPONENTS.get(model)
        if values is None:
            return np.nan
        return float(np.mean(values)) if region == ALL else values[COMPONENTS.index(region)]
    value = {"NH2015": row.nh2015_permuted, "B2021": row.b2021_permuted}.get(benchmark) if region == ALL else None
    return np.nan if value is None else value


def _draw(rows: list[_Row], regions: list[str], benchmark: str, kind: ScoreKind, *, ceiling: float) -> Figure:
    has_published = not all(row.is_own for row in rows)
    panel_width_in = 1.55 if len(regions) > 1 else 5.0
    height_in = 1.5 + ROW_HEIGHT_IN * len(rows)
    title = f"{benchmark}: {kind.title} at the best stage"
    figure = style.new_figure(2.6 + panel_width_in * len(regions), height_in, title)
    panels = list(figure.subplots(1, len(regions), squeeze=False, sharey=True, sharex=True)[0])
    places = [float(place) for place in range(len(rows))]
    highest = max(float(np.nanmax(np.append(row.values + np.nan_to_num(row.errors), 0.0))) for row in rows)
    highest = float(np.nanmax([highest, ceiling / 1.15]))
    lowest = 1.1 * min(float(np.nanmin([*(row.values - np.nan_to_num(row.errors)), ceiling, 0.0])) for row in rows)
    for column, (panel, region) in enumerate(zip(panels, regions, strict=True)):
        for place, row in zip(places, rows, strict=True):
            _draw_bar(panel, place, row, column, bold=row.is_own and has_published)
        if len(regions) > 1:
            panel.set_title(style.region_title(region, regions), fontsize=style.LABEL_SIZE)
        panel.set_xlabel(kind.label if len(regions) == 1 else kind.symbol, fontsize=style.TICK_SIZE)
        panel.set_xlim(lowest, max(0.5, 1.22 * highest))
        panel.set_ylim(-0.7, len(rows) - 0.3)
        if not np.isnan(ceiling):
            panel.axvline(ceiling, color="black", ls=":", lw=1.4, label="ceiling", zorder=0)
        style.tidy_axes(panel, grid="x")
        panel.tick_params(axis="y", length=0)
    panels[0].set_yticks(places, [row.label for row in rows])
    for label, row in zip(panels[0].get_yticklabels(), rows, strict=True):
        label.set_fontweight("bold" if row.is_own and has_published else "normal")
        label.set_fontsize(style.TICK_SIZE)
    handles = [
        *(_published_handles(rows) if has_published else []),
        *([] if np.isnan(ceiling) else [_ceiling_handle()]),
    ]
    if handles:
        legend_title = "bold: networks of this report" if has_published else None
        _add_legend(figure, handles, legend_title, num_columns=4 if len(regions) > 2 else 2)
    return figure


def _draw_bar(panel: Axes, place: float, row: _Row, column: int, *, bold: bool) -> None:
    value, error, permuted = row.values[column], row.errors[column], row.permuted[column]
    if np.isnan(value):
        panel.text(0.0, place, " –", va="center", fontsize=style.SMALL_SIZE, color=style.PUBLISHED_INK)
        return
    panel.barh(place, value, height=0.72, lw=1.0, **row.look)
    end = value
    if not np.isnan(error):
        panel.errorbar(value, place, xerr=error, color="black", lw=1.0, capsize=2)
        end = value + error
    if not np.isnan(permuted):
        panel.plot(permuted, place, "o", color=style.PUBLISHED_INK, mfc="white", ms=4, mew=1.1)
    weight = "bold" if bold else "normal"
    text = f" {style.score_text(value)}"
    panel.text(max(end, 0.0), place, text, va="center", fontsize=style.SMALL_SIZE, fontweight=weight)


def _published_handles(rows: Sequence[_Row]) -> list[Patch | Line2D]:
    handles: list[Patch | Line2D] = [
        Patch(facecolor=style.PUBLISHED_COLOUR, label="published networks"),
        Patch(facecolor="#E9B99A", label=f"published baseline ({BASELINE_MODEL})"),
    ]
    if not all(np.isnan(row.permuted).all() for row in rows):
        look = {"color": style.PUBLISHED_INK, "mfc": "white", "ms": 4, "ls": "none"}
        handles.append(Line2D([], [], marker="o", label="their permuted weights", **look))  # type: ignore[arg-type]
    return handles


def _ceiling_handle() -> Line2D:
    return Line2D([], [], color="black", ls=":", lw=1.4, label="ceiling (this report)")


def _add_legend(figure: Figure, handles: list[Patch | Line2D], title: str | None, *, num_columns: int) -> None:
    placing: dict[str, Any] = {"loc": "outside lower center", "ncols": num_columns, "frameon": False}
    legend = figure.legend(handles=handles, title=title, fontsize=style.TICK_SIZE, **placing)
    legend.get_title().set_fontsize(style.TICK_SIZE)
    legend.get_title().set_fontweight("bold")
