"""Figures of one run on one benchmark: scores over training by stage, stage curves, heat map of stages and regions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from evaluate.report.figures import selection as s
from evaluate.report.figures import style
from evaluate.report.published_values import BASELINE_MODEL
from evaluate.scoring import table as t

if TYPE_CHECKING:
    import pandas as pd


MAX_HEAT_MAP_STAGES = 60
"""With more stages, numbers in the heat map would overlap and are left out."""
REGION_COLOURS = ("#000000", *style.RUN_COLOURS[:5], style.BASELINE_COLOUR, "#999999")


def write_figures(table: pd.DataFrame, folder: str | Path) -> list[Path]:
    """Draw the figures that are updated during training.

    For each run and benchmark, writes `*_training.png` (if there are at least two steps), `*_stages.png` and
    `*_heatmap.png`. Each file is replaced atomically. If there are several runs, file names start with the name of the
    run, and the files from when there was only one are removed.

    Args:
        table: Score table, see `evaluate.scoring.table`.
        folder: Folder of the figures; created if missing.

    Returns:
        The files written.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    drawings: dict[str, Callable[[pd.DataFrame], Figure]] = {
        "training": training_figure,
        "stages": stage_figure,
        "heatmap": heat_map_figure,
    }
    written = []
    has_runs = table[t.RUN].nunique() > 1
    for run, benchmark in table[[t.RUN, t.BENCHMARK]].drop_duplicates().itertuples(index=False):
        rows = s.scores_of(table, run, benchmark)
        if rows.empty:
            continue
        for name, draw in drawings.items():
            if has_runs:
                style.figure_path(folder, f"{benchmark}_{name}").unlink(missing_ok=True)
            if name == "training" and rows[t.STEP].nunique() < 2:
                continue
            stem = f"{run}_{benchmark}_{name}" if has_runs else f"{benchmark}_{name}"
            written += style.save_figure(draw(rows), folder, stem)
    return written


def training_figure(rows: pd.DataFrame) -> Figure:
    """Draw scores over training, with one panel per region, one line per stage, and the published baseline dashed.

    Args:
        rows: Rows of one run and benchmark, see `selection.scores_of`.

    Returns:
        The figure; the untrained network is at step 0.
    """
    benchmark, regions, stages = _names(rows)
    figure, panels = style.new_panels(len(regions), f"{benchmark}: scores over training{s.run_suffix(rows)}")
    colours = style.stage_colours(len(stages))
    for panel, region in zip(panels, regions, strict=True):
        here = rows[rows[t.REGION] == region]
        for stage, colour in zip(stages, colours, strict=True):
            line = here[here[t.STAGE] == stage]
            panel.plot(line[t.STEP], line[t.VALUE], ".-", color=colour, lw=1.2, ms=4, label=style.legend_label(stage))
        best = here[here[t.STAGE] == t.BEST]
        panel.plot(best[t.STEP], best[t.VALUE], "o-", color="black", lw=1.8, ms=3.5, label="best stage")
        baseline = s.published_score(s.kind_of(rows), benchmark, region)
        if baseline is not None:
            label = f"{BASELINE_MODEL}\n(published)"
            panel.axhline(baseline, color=style.BASELINE_COLOUR, ls="--", lw=1.2, label=style.legend_label(label))
        style.title_panel(panel, region, regions)
        style.tidy_axes(panel)
        style.set_step_axis(panel)
        style.set_score_range(panel, rows[t.VALUE])
    style.label_axes(figure, panels, x_label=style.STEPS_LABEL, y_label=s.kind_of(rows).label)
    return figure


def stage_figure(rows: pd.DataFrame) -> Figure:
    """Draw stage curves, with one colour per region: thin for the first step, thick for the last.

    Args:
        rows: Rows of one run and benchmark, see `selection.scores_of`.

    Returns:
        The figure; with one step, one curve per region.
    """
    benchmark, regions, stages = _names(rows)
    title = f"{benchmark}: scores by stage{s.run_suffix(rows)}"
    figure = style.new_figure(max(6.0, 2.6 + 0.5 * len(stages)), 4.6, title)
    axes = figure.add_subplot()
    steps = s.first_and_last(rows)
    for number, region in enumerate(regions):
        for step in steps:
            curve = s.by_stage(rows, step, region, stages)
            is_last = step == steps[-1]
            style_of: dict[str, Any] = {"lw": 2.2, "marker": "o", "ms": 4} if is_last else {"lw": 0.9, "ls": "--"}
            label = style.region_title(region, regions) if is_last else None
            colour = REGION_COLOURS[number % len(REGION_COLOURS)]
            axes.plot(range(len(stages)), curve, color=colour, label=style.legend_label(label), **style_of)
    style.tidy_axes(axes)
    style.label_stages(axes, stages)
    axes.set_xlabel("stage", fontsize=style.LABEL_SIZE)
    axes.set_ylabel(s.kind_of(rows).label, fontsize=style.LABEL_SIZE)
    style.set_score_range(axes, rows[t.VALUE])
    if len(steps) > 1:
        axes.plot([], [], color="grey", lw=2.2, label=s.step_title(steps[-1]))
        axes.plot([], [], color="grey", lw=0.9, ls="--", label=s.step_title(steps[0]))
    style.shared_legend(figure, [axes])
    return figure


def heat_map_figure(rows: pd.DataFrame) -> Figure:
    """Draw scores of stages (rows) and regions (columns) as colours and numbers, at the first and last step.

    Args:
        rows: Rows of one run and benchmark, see `selection.scores_of`.

    Returns:
        The figure; with one step, one panel. Undefined scores are dashes.
    """
    benchmark, regions, stages = _names(rows)
    shown = [*stages, t.BEST]
    steps = s.first_and_last(rows)
    width_in = max(2.4 + len(steps) * (0.6 + 0.62 * len(regions)), 5.0)
    title = f"{benchmark}: {s.kind_of(rows).label}{s.run_suffix(rows)}"
    figure = style.new_figure(width_in, 1.7 + 0.3 * len(shown), title)
    panels = figure.subplots(1, len(steps), squeeze=False)[0]
    for panel, step in zip(panels, steps, strict=True):
        grid = np.column_stack([s.by_stage(rows, step, region, shown) for region in regions])
        image = panel.imshow(grid, cmap="viridis", vmin=0, vmax=1, aspect="auto", interpolation="nearest")
        panel.set_title(s.step_title(step), fontsize=style.LABEL_SIZE)
        titles = [style.region_title(region, regions) for region in regions]
        panel.set_xticks(range(len(regions)), titles, rotation=45, ha="right", rotation_mode="anchor")
        labels = [*stages, "best stage"] if panel is panels[0] else []
        panel.set_yticks(range(len(labels)), labels)
        panel.tick_params(labelsize=style.TICK_SIZE)
        panel.axhline(len(stages) - 0.5, color="white", lw=2)
        if len(stages) <= MAX_HEAT_MAP_STAGES:
            _write_numbers(panel, grid)
    figure.colorbar(image, ax=list(panels), label=s.kind_of(rows).symbol, fraction=0.05)
    return figure


def _names(rows: pd.DataFrame) -> tuple[str, list[str], list[str]]:
    """Return the benchmark, regions and stages of rows."""
    return str(rows[t.BENCHMARK].iloc[0]), s.regions_of(rows), s.stages_of(rows)


def _write_numbers(axes: Axes, grid: np.ndarray) -> None:
    """Write each score into its cell, in black on bright and in white on dark colours."""
    for (row, column), value in np.ndenumerate(grid):
        text = "–" if np.isnan(value) else style.score_text(value)
        colour = "black" if value > 0.45 else "white"
        axes.text(column, row, text, ha="center", va="center", fontsize=style.SMALL_SIZE, color=colour)
    axes.set_facecolor("grey")
