"""Bars that compare networks with the published ones."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from evaluate.report.against_baseline import BETTER, LEVEL, baseline_of, compare_with_baseline
from evaluate.report.comparisons import ceilings_of, errors_to_draw, summarise
from evaluate.report.figures import selection as s
from evaluate.report.figures import style
from evaluate.report.figures.selection import ScoreKind
from evaluate.report.figures.series import Entry
from evaluate.report.network_groups import published_as
from evaluate.report.published_values import BASELINE_MODEL, PUBLISHED_MODELS, published_label
from evaluate.scoring import table as t

ROW_HEIGHT_IN, SPLIT_ROW_HEIGHT_IN = 0.2, 0.32
"""Height of a network's row, and with a second bar for its permuted weights."""
PERMUTED_SIZE = 6.5
"""Size of the numbers of permuted weights, whose bars are lower."""
MAX_PANEL_COLUMNS = 8
PANEL_WIDTH_IN, WIDE_PANEL_WIDTH_IN = 1.55, 5.0
"""Width of one of several panels, and of a single one."""
MARK_WIDTH_IN, NUMBER_WIDTH_IN = 0.05, 0.4
"""Half the width of the mark of a published value, and the width of a number."""
HATCH = {"untrained": "////", "permuted": "...."}
PERMUTED_LOOK: dict[str, Any] = {
    "facecolor": style.PERMUTED_COLOUR,
    "edgecolor": style.PERMUTED_EDGE,
    "hatch": "......",
}
PUBLISHED_MARK: dict[str, Any] = {"marker": "D", "mfc": "white", "mec": "black", "ms": 4, "mew": 0.9, "ls": "none"}


@dataclass(frozen=True, eq=False)
class _Row:
    """The bars of one network, with values by region.

    Attributes:
        label: Name of the network.
        values: Scores.
        errors: Their errors.
        permuted: Scores with permuted weights, drawn as a second bar.
        permuted_errors: Their errors.
        published: Published scores of a network that is scored here.
        better: Whether the network predicts better than the baseline.
        look: Look of the bar.
        is_own: Whether it is scored here.
    """

    label: str
    values: np.ndarray
    errors: np.ndarray
    permuted: np.ndarray
    permuted_errors: np.ndarray
    published: np.ndarray
    better: Sequence[bool]
    look: dict[str, Any]
    is_own: bool

    @property
    def ends(self) -> np.ndarray:
        """Right end of what is drawn, by region."""
        with_error = self.values + np.nan_to_num(self.errors)
        return np.fmax(np.fmax(with_error, self.published), self.permuted + np.nan_to_num(self.permuted_errors))


def bars_figure(entries: Sequence[Entry], benchmark: str, kind: ScoreKind, *, published: bool = True) -> Figure | None:
    """Draw scores at the best stage as bars, with one panel per region and networks in the order of their mean.

    A network's permuted weights have a second, grey bar in its row. Published models have pale bars, or a mark in the
    row of the network of their name. With networks of this project and of others, colours are those of the groups.

    Args:
        entries: See `entries_of`.
        benchmark: Name of the benchmark.
        kind: Kind of score.
        published: Whether to show published networks, if there are any.

    Returns:
        The figure, or None if no best stage was scored.
    """
    shown = [entry for entry in entries if (entry.rows[t.METRIC] == kind.best_metric).any()]
    if not shown:
        return None
    first = shown[0].rows
    own_regions = s.regions_of(t.summary_rows(first[first[t.METRIC] == kind.best_metric]))
    regions = _panels_of(own_regions, benchmark, kind) if published else own_regions
    models = {entry.label: published_as(entry) for entry in shown} if published else {}
    by_group = {"in-house", "external"} <= {entry.group for entry in shown}
    rows = _own_rows(shown, regions, benchmark, kind, models=models, by_group=by_group)
    if published:
        others = [model for model in PUBLISHED_MODELS if model not in models.values()]
        rows += _published_rows(others, benchmark, regions, kind, by_group=by_group)
    means = [float(np.mean(values)) if (values := row.values[~np.isnan(row.values)]).size else -1.0 for row in rows]
    rows = [rows[i] for i in np.argsort(means, kind="stable")]
    ceilings = ceilings_of(shown, kind, regions)
    baseline = baseline_of(shown)
    handles = _handles(rows, by_group=by_group, baseline="" if baseline is None else baseline.label)
    return _draw(rows, regions, benchmark, kind, ceilings=ceilings, handles=handles)


def _panels_of(regions: list[str], benchmark: str, kind: ScoreKind) -> list[str]:
    """Regions with published scores in the order of the paper, "all" first; all regions if none were published."""
    return [region for region in s.published_regions(kind, benchmark) if region in regions] or regions


def _own_rows(
    shown: Sequence[Entry],
    regions: Sequence[str],
    benchmark: str,
    kind: ScoreKind,
    *,
    models: Mapping[str, str | None],
    by_group: bool,
) -> list[_Row]:
    summaries = [summarise([entry.rows for entry in shown], kind.best_metric, region) for region in regions]
    values = np.stack([summary.means for summary in summaries], axis=1)
    errors = np.stack([errors_to_draw(shown, kind.best_metric, region) for region in regions], axis=1)
    nothing = np.full(len(regions), np.nan)
    tests = [compare_with_baseline(shown, kind.best_metric, region) for region in regions]
    better = [{test.entry.label for test in found if test.is_better} for found in tests]
    second = {number: _permuted_of(entry, shown) for number, entry in enumerate(shown)}
    rows = []
    for number, entry in enumerate(shown):
        if number in second.values():
            continue
        model, permuted = models.get(entry.label), second[number]
        rows.append(
            _Row(
                entry.label,
                values[number],
                errors[number],
                nothing if permuted is None else values[permuted],
                nothing if permuted is None else errors[permuted],
                _numbers(None if model is None else s.published_score(kind, benchmark, r, model) for r in regions),
                [entry.label in labels for labels in better],
                _look(entry, by_group=by_group),
                is_own=True,
            )
        )
    return rows


def _permuted_of(entry: Entry, shown: Sequence[Entry]) -> int | None:
    """Index of the network with the permuted weights of another; None if there is none, or several."""
    found = [number for number, other in enumerate(shown) if other.is_permutation_of(entry)]
    return found[0] if len(found) == 1 else None


def _look(entry: Entry, *, by_group: bool) -> dict[str, Any]:
    """Look of the bar of a network: filled, but for controls."""
    group = "external" if entry.series.is_external else "in-house"
    is_in_group = by_group and entry.group != "baseline"
    colour = style.GROUP_COLOURS[group] if is_in_group else entry.series.colour
    hatch = HATCH.get(entry.state)
    return {"facecolor": "white" if hatch else colour, "edgecolor": colour, "hatch": hatch}


def _published_rows(
    models: Sequence[str], benchmark: str, regions: Sequence[str], kind: ScoreKind, *, by_group: bool
) -> list[_Row]:
    rows = []
    for model in models:
        values = _numbers(s.published_score(kind, benchmark, region, model) for region in regions)
        if np.isnan(values).all():
            continue
        group = PUBLISHED_MODELS[model].kind
        is_pale = by_group or model == BASELINE_MODEL
        colour = style.PALE_COLOURS[group] if is_pale else style.PUBLISHED_COLOUR
        look = {"facecolor": colour, "edgecolor": "none", "hatch": None}
        permuted = _numbers(s.published_permuted(kind, benchmark, region, model) for region in regions)
        nothing = np.full(len(regions), np.nan)
        rows.append(
            _Row(
                published_label(model),
                values,
                nothing,
                permuted,
                nothing,
                nothing,
                [False] * len(regions),
                look,
                is_own=False,
            )
        )
    return rows


def _numbers(values: Iterable[float | None]) -> np.ndarray:
    return np.array([np.nan if value is None else value for value in values])


def _draw(
    rows: list[_Row],
    regions: list[str],
    benchmark: str,
    kind: ScoreKind,
    *,
    ceilings: np.ndarray,
    handles: list[Patch | Line2D],
) -> Figure:
    has_published = not all(row.is_own for row in rows)
    panel_width_in = PANEL_WIDTH_IN if len(regions) > 1 else WIDE_PANEL_WIDTH_IN
    num_lines = -(-len(regions) // MAX_PANEL_COLUMNS)
    num_columns = -(-len(regions) // num_lines)
    row_height_in = ROW_HEIGHT_IN if all(np.isnan(row.permuted).all() for row in rows) else SPLIT_ROW_HEIGHT_IN
    height_in = 0.9 + num_lines * (0.6 + row_height_in * len(rows))
    title = f"{benchmark}: {kind.best_title}"
    figure = style.new_figure(2.6 + panel_width_in * num_columns, height_in, title)
    grid = figure.subplots(num_lines, num_columns, squeeze=False, sharey=True, sharex=True)
    panels = list(grid.ravel())[: len(regions)]
    for unused in list(grid.ravel())[len(regions) :]:
        unused.set_visible(False)
    places = [float(place) for place in range(len(rows))]
    highest = max(float(np.nanmax(np.append(row.ends, 0.0))) for row in rows)
    highest = float(np.nanmax([highest, *(ceilings / 1.15)]))
    lowest = 1.1 * min(float(np.nanmin([*(row.values - np.nan_to_num(row.errors)), *ceilings, 0.0])) for row in rows)
    limits = lowest, max(0.5, 1.22 * highest)
    per_inch = (limits[1] - limits[0]) / panel_width_in
    for column, (panel, region) in enumerate(zip(panels, regions, strict=True)):
        panel.set_xlim(*limits)
        for place, row in zip(places, rows, strict=True):
            _draw_bar(panel, place, row, column, bold=row.is_own and has_published, per_inch=per_inch)
        if len(regions) > 1:
            panel.set_title(style.region_title(region, regions), fontsize=style.LABEL_SIZE)
        is_lowest = column + num_columns >= len(regions)
        if is_lowest:
            panel.set_xlabel(kind.label if len(regions) == 1 else kind.symbol, fontsize=style.TICK_SIZE)
        panel.tick_params(axis="x", labelbottom=is_lowest)
        panel.set_ylim(-0.7, len(rows) - 0.3)
        if not np.isnan(ceilings[column]):
            panel.axvline(ceilings[column], color="black", ls=":", lw=1.4, zorder=2.5)
        style.tidy_axes(panel, grid="x")
        panel.tick_params(axis="y", length=0)
    for first in panels[::num_columns]:
        first.set_yticks(places, [row.label for row in rows])
        for label, row in zip(first.get_yticklabels(), rows, strict=True):
            label.set_fontweight("bold" if row.is_own and has_published else "normal")
            if not row.is_own:
                label.set(color=style.PUBLISHED_INK, fontstyle="italic")
            label.set_fontsize(style.TICK_SIZE)
    if not np.isnan(ceilings).all():
        handles = [*handles, _ceiling_handle(kind)]
    if handles:
        legend_title = "bold: networks of this report" if has_published else None
        _add_legend(figure, handles, legend_title, num_columns=4 if len(regions) > 2 else 2)
    return figure


def _draw_bar(panel: Axes, place: float, row: _Row, column: int, *, bold: bool, per_inch: float) -> None:
    value, error, permuted = row.values[column], row.errors[column], row.permuted[column]
    has_second = not np.isnan(row.permuted).all()
    middle, height = (place + 0.17, 0.46) if has_second else (place, 0.72)
    if not np.isnan(permuted):
        below = place - 0.25
        permuted_error = row.permuted_errors[column]
        panel.barh(below, permuted, height=0.34, lw=0.6, **PERMUTED_LOOK)
        panel.errorbar(permuted, below, xerr=style.bar_lengths([permuted_error]), color="black", lw=0.8, capsize=1.5)
        number = f" {style.score_text(permuted)}"
        panel.text(
            max(permuted + np.nan_to_num(permuted_error), 0.0),
            below,
            number,
            va="center",
            fontsize=PERMUTED_SIZE,
            color=style.PUBLISHED_INK,
        )
    if np.isnan(value):
        panel.text(0.0, middle, " –", va="center", fontsize=style.SMALL_SIZE, color=style.PUBLISHED_INK)
        return
    panel.barh(middle, value, height=height, lw=1.0, **row.look)
    panel.errorbar(value, middle, xerr=style.bar_lengths([error]), color="black", lw=1.0, capsize=2)
    if not np.isnan(row.published[column]):
        panel.plot(row.published[column], middle, **PUBLISHED_MARK)
    weight = "bold" if bold else "normal"
    text = f" {style.score_text(value)}{BETTER if row.better[column] else ''}"
    own_end = max(value + np.nan_to_num(error), 0.0)
    panel.text(
        _text_place(own_end, row.published[column], per_inch),
        middle,
        text,
        va="center",
        fontsize=style.SMALL_SIZE,
        fontweight=weight,
    )


def _text_place(own_end: float, published: float, per_inch: float) -> float:
    """Place of the number of a bar: behind its end, or behind the mark of the published value if that is in the way."""
    is_in_way = own_end - MARK_WIDTH_IN * per_inch < published < own_end + NUMBER_WIDTH_IN * per_inch
    return max(own_end, published + MARK_WIDTH_IN * per_inch) if is_in_way else own_end


def _handles(rows: Sequence[_Row], *, by_group: bool, baseline: str) -> list[Patch | Line2D]:
    """Explain the looks that are in the figure."""
    others = [row for row in rows if not row.is_own]
    handles: list[Patch | Line2D] = []
    if by_group:
        names = {"in-house": "in-house networks", "external": "external networks"}
        handles += [Patch(facecolor=style.GROUP_COLOURS[group], label=name) for group, name in names.items()]
    if others:
        pale = [style.PALE_COLOURS[group] for group in ("in-house", "external")]
        looks = {row.look["facecolor"] for row in others}
        for colour, name in (
            (style.PUBLISHED_COLOUR, "published networks"),
            (pale[0], "published in-house networks"),
            (pale[1], "published external networks"),
            (style.PALE_COLOURS["baseline"], f"published baseline ({BASELINE_MODEL})"),
        ):
            handles += [Patch(facecolor=colour, label=name)] if colour in looks else []
    if any(not np.isnan(row.permuted).all() for row in rows):
        handles.append(Patch(**PERMUTED_LOOK, label="permuted weights"))
    if any(not np.isnan(row.published).all() for row in rows):
        handles.append(Line2D([], [], **PUBLISHED_MARK, label="published value of the network"))
    if any(any(row.better) for row in rows):
        handles.append(Line2D([], [], ls="none", label=f"{BETTER} better than {baseline} (p < {LEVEL}, corrected)"))
    return handles


def _ceiling_handle(kind: ScoreKind) -> Line2D:
    return Line2D([], [], color="black", ls=":", lw=1.4, label=f"{kind.ceiling_label} (this report)")


def _add_legend(figure: Figure, handles: list[Patch | Line2D], title: str | None, *, num_columns: int) -> None:
    placing: dict[str, Any] = {"loc": "outside lower center", "ncols": num_columns, "frameon": False}
    legend = figure.legend(handles=handles, title=title, fontsize=style.TICK_SIZE, **placing)
    legend.get_title().set_fontsize(style.TICK_SIZE)
    legend.get_title().set_fontweight("bold")
