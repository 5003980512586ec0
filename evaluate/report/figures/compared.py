"""Figures that compare networks on one benchmark, over training and along the stages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from evaluate.benchmarks.benchmark import ALL
from evaluate.report.comparisons import Summary, errors_to_draw, seed_errors, summarise
from evaluate.report.figures import selection as s
from evaluate.report.figures import style
from evaluate.report.figures.selection import ScoreKind
from evaluate.report.figures.series import MANY_NETWORKS, Entry, Series, marker_look, to_draw_as_lines
from evaluate.report.published_values import published_label
from evaluate.scoring import table as t

if TYPE_CHECKING:
    import pandas as pd


def trajectory_figure(series: Sequence[Series], benchmark: str, kind: ScoreKind) -> Figure | None:
    """Draw scores at the best stage over training, with one panel per region and one line per network.

    Networks that were scored at a single step (permuted ones, baselines) are horizontal lines. Bands are errors as in
    the bars (`comparisons.errors_to_draw`). Of many networks, controls are left out.

    Args:
        series: See `series_of`.
        benchmark: Name of the benchmark.
        kind: Kind of score.

    Returns:
        The figure, or None if no run was scored at two or more steps.
    """
    shown = [(one, _rows(one, benchmark, kind.best_metric)) for one in series]
    shown = [(one, rows) for one, rows in shown if len(rows)]
    if len(shown) >= MANY_NETWORKS:
        shown = [(one, rows) for one, rows in shown if one.kind in ("run", "baseline")]
    if not any(rows[t.STEP].nunique() > 1 for _, rows in shown):
        return None
    regions = _all_regions([rows for _, rows in shown])
    figure, panels = style.new_panels(len(regions), f"{benchmark}: {kind.best_title} over training")
    drawn: list[float] = []
    for panel, region in zip(panels, regions, strict=True):
        for one, rows in shown:
            drawn += _draw_trajectory(panel, one, rows, kind, region, benchmark=benchmark)
        drawn += _draw_published_baseline(panel, benchmark, region, kind)
        drawn += _draw_ceiling(panel, [one.rows[one.rows[t.BENCHMARK] == benchmark] for one, _ in shown], kind)
        style.title_panel(panel, region, regions)
        style.tidy_axes(panel)
        style.set_step_axis(panel)
    for panel in panels:
        style.set_score_range(panel, drawn)
    style.label_axes(figure, panels, x_label=style.STEPS_LABEL, y_label=kind.label)
    return figure


def stage_curves_figure(entries: Sequence[Entry], benchmark: str, kind: ScoreKind) -> Figure | None:
    """Draw scores along the stages, with one panel per region and one line per network, dashed if untrained.

    Of many networks, controls are left out (see `to_draw_as_lines`). If networks have different stages, the axis is the
    relative position from the first (0) to the last (1). Networks with a single stage are horizontal lines.

    Args:
        entries: See `entries_of`.
        benchmark: Name of the benchmark.
        kind: Kind of score.

    Returns:
        The figure, or None if no stage was scored.
    """
    shown = [(entry, _of_metric(entry.rows, kind.stage_metric)) for entry in to_draw_as_lines(entries)]
    shown = [(entry, rows) for entry, rows in shown if len(rows)]
    if not shown:
        return None
    stages = [tuple(s.stages_of(rows)) for _, rows in shown]
    axis_stages = set(stages) if len(set(stages)) == 1 else {names for names in stages if len(names) > 1}
    regions = _all_regions([rows for _, rows in shown])
    height_in = style.stage_label_height_in(next(iter(axis_stages))) if len(axis_stages) == 1 else 0.0
    title = f"{benchmark}: {kind.title} by stage"
    figure, panels = style.new_panels(len(regions), title, label_height_in=height_in)
    drawn: list[float] = []
    for panel, region in zip(panels, regions, strict=True):
        for (entry, rows), own_stages in zip(shown, stages, strict=True):
            summaries = [summarise([rows], kind.stage_metric, region, stage=stage) for stage in own_stages]
            curve = np.array([summary.means[0] for summary in summaries])
            error = np.array(
                [
                    _error_of_stage(entry, summary, kind, region, stage)
                    for summary, stage in zip(summaries, own_stages, strict=True)
                ]
            )
            drawn += list(curve)
            if len(own_stages) == 1 and len(set(stages)) > 1:
                panel.axhline(
                    curve[0],
                    color=entry.series.colour,
                    ls=entry.series.line,
                    lw=1.4,
                    label=style.legend_label(entry.label),
                )
                _draw_level_band(panel, curve[0], error[0], entry.series.colour)
                continue
            x = np.arange(len(own_stages)) / (1 if len(axis_stages) == 1 else len(own_stages) - 1)
            line_style = "--" if entry.state == "untrained" else entry.series.line
            _draw_band(panel, x, curve, error, entry.series.colour)
            panel.plot(x, curve, line_style, **_line_look(entry.series, entry.fill))
            panel.lines[-1].set_label(entry.label)
        drawn += _draw_ceiling(panel, [entry.rows for entry, _ in shown], kind)
        style.title_panel(panel, region, regions)
        style.tidy_axes(panel)
        if len(axis_stages) == 1:
            style.label_stages(panel, next(iter(axis_stages)))
    for panel in panels:
        style.set_score_range(panel, drawn, is_bounded=kind.is_bounded)
    x_label = "stage" if len(axis_stages) == 1 else "relative position of the stage (0: first, 1: last)"
    style.label_axes(figure, panels, x_label=x_label, y_label=kind.label)
    return figure


def _rows(series: Series, benchmark: str, metric: str) -> pd.DataFrame:
    return _of_metric(series.rows[series.rows[t.BENCHMARK] == benchmark], metric)


def _of_metric(rows: pd.DataFrame, metric: str) -> pd.DataFrame:
    return rows[rows[t.METRIC] == metric]


def _all_regions(frames: Sequence[pd.DataFrame]) -> list[str]:
    """List the regions with scores over all subjects, of any network."""
    import pandas as pd

    return s.regions_of(t.summary_rows(pd.concat(frames, ignore_index=True))) if frames else []


def _draw_trajectory(
    panel: Axes, series: Series, rows: pd.DataFrame, kind: ScoreKind, region: str, *, benchmark: str
) -> list[float]:
    """Draw one network in one panel; return the scores drawn."""
    rows = rows[rows[t.REGION] == region]
    steps = sorted(rows[t.STEP].unique())
    if not steps:
        return []
    every = series.rows[series.rows[t.BENCHMARK] == benchmark]
    summary = summarise([every[every[t.STEP] == step] for step in steps], kind.best_metric, region)
    entries = [Entry(series.name, "trained", int(step), every[every[t.STEP] == step], series) for step in steps]
    errors = errors_to_draw(entries, kind.best_metric, region)
    if len(steps) == 1:
        panel.axhline(summary.means[0], color=series.colour, ls="-." if series.kind == "run" else series.line, lw=1.4)
        panel.lines[-1].set_label(series.name)
        _draw_level_band(panel, summary.means[0], errors[0], series.colour)
        return list(summary.means)
    _draw_band(panel, np.array(steps), summary.means, errors, series.colour)
    panel.plot(steps, summary.means, series.line, **_line_look(series))
    panel.lines[-1].set_label(series.name)
    if series.kind == "run" and s.is_untrained(rows, 0):
        panel.plot(0, summary.means[0], series.marker, color=series.colour, mfc="white", ms=6, zorder=3)
    return list(summary.means)


def _draw_published_baseline(panel: Axes, benchmark: str, region: str, kind: ScoreKind) -> list[float]:
    value = s.published_score(kind, benchmark, region)
    if value is None:
        return []
    panel.axhline(value, color=style.BASELINE_COLOUR, ls="--", lw=1.2, label=published_label(in_lines=True))
    return [value]


def _draw_ceiling(panel: Axes, frames: Sequence[pd.DataFrame], kind: ScoreKind) -> list[float]:
    """Draw the highest score to expect; it depends only on the responses and is the same for all networks."""
    values = summarise(frames, kind.ceiling_metric, ALL, stage=ALL).means
    defined = values[~np.isnan(values)]
    if not defined.size:
        return []
    panel.axhline(defined[0], color="black", ls=":", lw=1.4, label="ceiling")
    return [float(defined[0])]


def _draw_band(panel: Axes, x: np.ndarray, means: np.ndarray, errors: np.ndarray, colour: str) -> None:
    if not np.isnan(errors).all():
        panel.fill_between(x, means - errors, means + errors, color=colour, alpha=style.BAND_ALPHA, lw=0)


def _draw_level_band(panel: Axes, mean: float, error: float, colour: str) -> None:
    """Draw the band of a horizontal line."""
    if error > 0:
        panel.axhspan(mean - error, mean + error, color=colour, alpha=style.BAND_ALPHA, lw=0)


def _error_of_stage(entry: Entry, summary: Summary, kind: ScoreKind, region: str, stage: str) -> float:
    """Error at one stage: over seeds for controls of several, else over participants."""
    over_seeds = float(seed_errors([entry], kind.stage_metric, region, stage=stage)[0])
    return float(summary.errors[0]) if np.isnan(over_seeds) else over_seeds


def _line_look(series: Series, fill: str = "full") -> dict[str, Any]:
    return {"color": series.colour, "lw": 1.6, **marker_look(series, fill), "ms": 4.5}
