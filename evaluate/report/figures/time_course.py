"""Networks compared over the time of the sounds: when they predict responses, and with which lag."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from evaluate.metrics.selected_stage import selected_stages
from evaluate.report.figures import selection as s
from evaluate.report.figures import style
from evaluate.report.figures.selection import ScoreKind
from evaluate.report.figures.series import Entry, marker_look, to_draw_as_lines
from evaluate.scoring import table as t


def time_course_figure(entries: Sequence[Entry], benchmark: str, kind: ScoreKind) -> Figure | None:
    """Draw the correlation in each time bin at the best stage, with one panel per region and one line per network.

    Args:
        entries: See `entries_of`; dashed if untrained.
        benchmark: Name of the benchmark.
        kind: Kind of score, with `course_metric`.

    Returns:
        The figure, or None without scores at single times.
    """
    prefix = f"{kind.course_metric}/"
    shown = []
    for entry in to_draw_as_lines(entries):
        rows = t.summary_rows(entry.rows)
        rows = rows[rows[t.METRIC].str.startswith(prefix)]
        if len(rows):
            shown.append((entry, rows.assign(time=rows[t.METRIC].str.removeprefix(prefix).astype(float))))
    if not shown:
        return None
    regions = s.regions_of(shown[0][1])
    figure, panels = style.new_panels(len(regions), f"{benchmark}: correlation in each time bin, at the best stage")
    for panel, region in zip(panels, regions, strict=True):
        for entry, rows in shown:
            best = selected_stages(entry.rows, kind)
            stage = best[region].name if region in best else str(rows[t.STAGE].iloc[-1])
            line = rows[(rows[t.REGION] == region) & (rows[t.STAGE] == stage)].sort_values("time")
            ls = "--" if entry.state == "untrained" else entry.series.line
            panel.plot(line["time"], line[t.VALUE], ls, color=entry.series.colour, lw=1.6)
            panel.lines[-1].set_label(entry.label)
        panel.axhline(0, color="black", lw=0.8)
        style.title_panel(panel, region, regions)
        style.tidy_axes(panel)
    style.label_axes(figure, panels, x_label="time from the onset of the sound (s)", y_label="r over test sounds")
    return figure


def peak_lag_figure(entries: Sequence[Entry], benchmark: str) -> Figure | None:
    """Draw the lag of the responses behind each stage, with one panel per region and one line per network.

    Args:
        entries: See `entries_of`; dashed if untrained.
        benchmark: Name of the benchmark.

    Returns:
        The figure, or None without lags, or if networks have different stages.
    """
    shown = [(entry, t.summary_rows(entry.rows)) for entry in to_draw_as_lines(entries)]
    shown = [(entry, rows[rows[t.METRIC] == t.TEMPORAL_PEAK_LAG_S]) for entry, rows in shown]
    shown = [(entry, rows) for entry, rows in shown if len(rows)]
    stages = {tuple(s.stages_of(rows)) for _, rows in shown}
    if len(stages) != 1:
        return None
    (names,) = stages
    regions = s.regions_of(shown[0][1])
    title, height_in = f"{benchmark}: lag of the responses behind each stage", style.stage_label_height_in(names)
    figure, panels = style.new_panels(len(regions), title, label_height_in=height_in)
    for panel, region in zip(panels, regions, strict=True):
        for entry, rows in shown:
            lags = s.by_stage(rows, entry.step, region, names)
            ls = "--" if entry.state == "untrained" else entry.series.line
            look = {"color": entry.series.colour, **marker_look(entry.series, entry.fill), "ms": 4.5}
            panel.plot(np.arange(len(names)), 1000 * lags, ls, lw=1.6, clip_on=False, **look)
            panel.lines[-1].set_label(entry.label)
        style.title_panel(panel, region, regions)
        style.tidy_axes(panel)
        style.label_stages(panel, names)
    panels[0].set_ylim(bottom=0)  # after all is drawn: it ends the scaling of the axis, which the panels share
    style.label_axes(figure, panels, x_label="stage", y_label="peak lag (ms)")
    return figure
