"""Figures of one run on one benchmark: scores over training by stage, stage curves, heat map of stages and regions."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from evaluate.metrics.metric import ScoreKind
from evaluate.metrics.score_kinds import kinds_in
from evaluate.report.figures import selection as s
from evaluate.report.figures import style
from evaluate.report.figures.stage_time import stage_time_figure
from evaluate.report.network_names import stage_labels
from evaluate.report.published_values import published_label
from evaluate.scoring import table as t

if TYPE_CHECKING:
    import pandas as pd


MAX_HEAT_MAP_STAGES = 60
"""With more stages, numbers in the heat map would overlap and are left out."""
BEST_STAGE_LABEL = "best stage, selected\non other data"
BEST_STAGE_NOTE = (
    "The best stage is selected on other data than those that give its score, and may be another one for each unit: it "
    "can be below the highest stage here, which is known to be the highest only afterwards."
)
"""For captions of figures that show single stages and the best one."""
REGION_COLOURS = ("#000000", *style.RUN_COLOURS[:5], style.BASELINE_COLOUR, "#999999")


def write_figures(
    table: pd.DataFrame,
    folder: str | Path,
    *,
    of: pd.DataFrame | None = None,
    kinds: Iterable[ScoreKind] = (),
) -> list[Path]:
    """Draw the figures that are updated during training.

    For each run and benchmark, writes `*_training.png` (if there are at least two steps), `*_stages.png` and
    `*_heatmap.png` (if there are several regions), and for responses in time `*_stage_time.png`; metrics other than
    encoding have their name before these. Scores of parts, such as categories of sounds, have a heat map in place of
    the curves of stages. Each file is replaced atomically. If there are several runs, file names start with the name of
    the run, and the files from when there was only one are removed.

    Args:
        table: Score table, see `evaluate.scoring.table`.
        folder: Folder of the figures; created if missing.
        of: Rows whose runs and benchmarks are drawn, such as those that are new; None for all. Others are drawn only if
            their file is missing.
        kinds: Kinds of users' metrics, see `evaluate.metrics.score_kinds`.

    Returns:
        The files of the runs and benchmarks of `of`.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    own = tuple(kinds)
    has_runs = table[t.RUN].nunique() > 1
    wanted = set((table if of is None else of)[[t.RUN, t.BENCHMARK]].itertuples(index=False, name=None))
    for names, rows in table.groupby([t.RUN, t.BENCHMARK], sort=False):
        run, benchmark = map(str, names)
        for kind in kinds_in(rows[t.METRIC], own):
            shown = s.scores_of(rows, run, benchmark, kind)
            if kind.course_metric and (run, benchmark) in wanted:
                times = stage_time_figure(rows, kind)
                stem = f"{f'{run}_' if has_runs else ''}{benchmark}_{kind.name}_stage_time"
                written += [] if times is None else style.save_figure(times, folder, stem)
            for name, draw in _drawings(shown, kind).items():
                stem = "_".join(filter(None, (benchmark, kind.name, name)))
                if has_runs:
                    style.figure_path(folder, stem).unlink(missing_ok=True)
                    stem = f"{run}_{stem}"
                if (run, benchmark) in wanted:
                    written += style.save_figure(draw(shown, kind), folder, stem)
                elif not style.figure_path(folder, stem).exists():
                    style.save_figure(draw(shown, kind), folder, stem)
    return written


def _drawings(rows: pd.DataFrame, kind: ScoreKind) -> dict[str, Callable[[pd.DataFrame, ScoreKind], Figure]]:
    """Choose the figures of one run, benchmark and kind of score, by the last part of their names."""
    if rows.empty or not s.stages_of(rows):
        return {}
    chosen: dict[str, Callable[[pd.DataFrame, ScoreKind], Figure]] = {}
    if rows[t.STEP].nunique() > 1:
        chosen["training"] = training_figure
    if kind.parts is None:
        chosen["stages"] = stage_figure
    if kind.parts is not None or len(s.regions_of(rows)) > 1:
        chosen["heatmap"] = heat_map_figure
    return chosen


def training_figure(rows: pd.DataFrame, kind: ScoreKind | None = None) -> Figure:
    """Draw scores over training, with one panel per region, one line per stage, and the published baseline dashed.

    The black line is the best stage, see `BEST_STAGE_NOTE`.

    Args:
        rows: Rows of one run and benchmark, see `selection.scores_of`.
        kind: Their kind of score; None for the first in them.

    Returns:
        The figure; the untrained network is at step 0.
    """
    kind = kind or s.kind_of(rows)
    benchmark, regions, stages = _names(rows)
    figure, panels = style.new_panels(len(regions), f"{benchmark}: scores over training{s.run_suffix(rows)}")
    colours = style.stage_colours(len(stages))
    for panel, region in zip(panels, regions, strict=True):
        here = rows[rows[t.REGION] == region]
        for stage, label, colour in zip(stages, stage_labels(stages), colours, strict=True):
            line = here[here[t.STAGE] == stage]
            panel.plot(line[t.STEP], line[t.VALUE], ".-", color=colour, lw=1.2, ms=4, label=style.legend_label(label))
        best = here[here[t.STAGE] == t.BEST]
        if len(best):
            panel.plot(best[t.STEP], best[t.VALUE], "o-", color="black", lw=1.8, ms=3.5, label=BEST_STAGE_LABEL)
        baseline = s.published_score(kind, benchmark, region)
        if baseline is not None:
            panel.axhline(baseline, color=style.BASELINE_COLOUR, ls="--", lw=1.2, label=published_label(in_lines=True))
        style.title_panel(panel, region, regions)
        style.tidy_axes(panel)
        style.set_step_axis(panel)
        style.set_score_range(panel, rows[t.VALUE], is_bounded=kind.is_bounded)
    style.label_axes(figure, panels, x_label=style.STEPS_LABEL, y_label=kind.label)
    return figure


def stage_figure(rows: pd.DataFrame, kind: ScoreKind | None = None) -> Figure:
    """Draw stage curves, with one colour per region: thin for the first step, thick for the last.

    Args:
        rows: Rows of one run and benchmark, see `selection.scores_of`.
        kind: Their kind of score; None for the first in them.

    Returns:
        The figure; with one step, one curve per region.
    """
    kind = kind or s.kind_of(rows)
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
    axes.set_ylabel(style.upright_label(figure, kind.label), fontsize=style.LABEL_SIZE)
    style.set_score_range(axes, rows[t.VALUE], is_bounded=kind.is_bounded)
    if len(steps) > 1:
        axes.plot([], [], color="grey", lw=2.2, label=s.step_title(rows, steps[-1]))
        axes.plot([], [], color="grey", lw=0.9, ls="--", label=s.step_title(rows, steps[0]) or "step 0")
    style.shared_legend(figure, [axes])
    return figure


def heat_map_figure(rows: pd.DataFrame, kind: ScoreKind | None = None) -> Figure:
    """Draw scores of stages (rows) and regions (columns) as colours and numbers, at the first and last step.

    Args:
        rows: Rows of one run and benchmark, see `selection.scores_of`.
        kind: Their kind of score; None for the first in them.

    Returns:
        The figure; with one step, one panel. Undefined scores are dashes.
    """
    kind = kind or s.kind_of(rows)
    benchmark, regions, stages = _names(rows)
    shown = [*stages, *([t.BEST] if kind.best_metric else [])]
    steps = s.first_and_last(rows)
    highest = 1.0 if kind.is_bounded else float(np.nanmax([*rows[t.VALUE], 1e-9]))
    width_in = max(2.4 + len(steps) * (0.6 + 0.62 * len(regions)), 5.0)
    title = f"{benchmark}: {kind.label}{s.run_suffix(rows)}"
    figure = style.new_figure(width_in, 1.7 + 0.3 * len(shown), title)
    panels = figure.subplots(1, len(steps), squeeze=False)[0]
    for panel, step in zip(panels, steps, strict=True):
        grid = np.column_stack([s.by_stage(rows, step, region, shown) for region in regions])
        image = panel.imshow(grid, cmap="viridis", vmin=0, vmax=highest, aspect="auto", interpolation="nearest")
        panel.set_title(s.step_title(rows, step), fontsize=style.LABEL_SIZE)
        titles = [style.region_title(region, regions) for region in regions]
        panel.set_xticks(range(len(regions)), titles, rotation=45, ha="right", rotation_mode="anchor")
        labels = [*stage_labels(stages), *(["best stage"] if kind.best_metric else [])] if panel is panels[0] else []
        panel.set_yticks(range(len(labels)), labels)
        panel.tick_params(labelsize=style.TICK_SIZE)
        if kind.best_metric:
            panel.axhline(len(stages) - 0.5, color="white", lw=2)
        if len(stages) <= MAX_HEAT_MAP_STAGES:
            _write_numbers(panel, grid, highest)
    figure.colorbar(image, ax=list(panels), label=kind.symbol, fraction=0.05)
    return figure


def _names(rows: pd.DataFrame) -> tuple[str, list[str], list[str]]:
    """Return the benchmark, regions and stages of rows."""
    return str(rows[t.BENCHMARK].iloc[0]), s.regions_of(rows), s.stages_of(rows)


def _write_numbers(axes: Axes, grid: np.ndarray, highest: float) -> None:
    """Write each score into its cell, in black on bright and in white on dark colours."""
    for (row, column), value in np.ndenumerate(grid):
        text = "–" if np.isnan(value) else style.score_text(value)
        colour = "black" if value > 0.45 * highest else "white"
        axes.text(column, row, text, ha="center", va="center", fontsize=style.SMALL_SIZE, color=colour)
    axes.set_facecolor("grey")
