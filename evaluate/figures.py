"""Pictures of a score table: scores over training, stage curves, stage x region heat maps.

Figures are made without pyplot: no global state, no display, safe to call while something else trains.
"""

import io
import re
from collections.abc import Callable, Sequence
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from evaluate import table as t
from evaluate.published import BASELINE_MODEL, published_value

DPI = 150
NUM_PANEL_COLUMNS = 4
PANEL_WIDTH_IN, PANEL_HEIGHT_IN = 2.9, 2.5
MAX_HEAT_MAP_STAGES = 60
"""Above so many stages the heat map leaves the numbers out: they would overlap."""

Y_LABELS = {
    t.ENCODING_R2: "R² on test sounds",
    t.ENCODING_R2_CORRECTED: "noise-corrected R² on test sounds",
}


def write_figures(table: pd.DataFrame, folder: str | Path) -> list[Path]:
    """Draw all pictures that a table has rows for.

    For each run and benchmark: `*_training.png` (where there are two or more steps), `*_stages.png` and
    `*_heatmap.png`. Each file is replaced whole.

    Args:
        table: Score table, see `evaluate.table`.
        folder: Where the pictures go; made where it does not exist.

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
        rows = scores_of(table, run, benchmark)
        if rows.empty:
            continue
        for kind, draw in drawings.items():
            if kind == "training" and rows[t.STEP].nunique() < 2:
                continue
            name = _file_name(f"{run}_{benchmark}_{kind}" if has_runs else f"{benchmark}_{kind}")
            buffer = io.BytesIO()
            draw(rows).savefig(buffer, format="png", dpi=DPI)
            t.write_atomically(folder / name, buffer.getvalue())
            written.append(folder / name)
    return written


def scores_of(table: pd.DataFrame, run: str, benchmark: str) -> pd.DataFrame:
    """Select what a picture shows: one run's scores over all subjects on one benchmark.

    Args:
        table: Score table.
        run: Name of the run.
        benchmark: Name of the benchmark.

    Returns:
        Rows of stages and of the best stage, each (step, stage, region) once, in order of steps.
    """
    rows = t.summary_rows(table)
    rows = rows[(rows[t.RUN] == run) & (rows[t.BENCHMARK] == benchmark)]
    rows = rows[rows[t.METRIC].isin([*t.STAGE_METRICS, *t.BEST_METRICS])]
    # Two checkpoints of one step (best and last) hold the same network.
    rows = rows.drop_duplicates([t.STEP, t.METRIC, t.STAGE, t.REGION], keep="last")
    return rows.sort_values(t.STEP, kind="stable")


def training_figure(rows: pd.DataFrame) -> Figure:
    """Draw scores over training: a panel per region, a line per stage, the published baseline dashed.

    Args:
        rows: Rows of one run and benchmark, see `scores_of`.

    Returns:
        The figure; the untrained network is at step 0.
    """
    benchmark, regions, stages = _names(rows)
    figure, panels = _panels(len(regions), f"{benchmark}: scores over training{_run_suffix(rows)}")
    colours = _stage_colours(len(stages))
    for panel, region in zip(panels, regions, strict=True):
        here = rows[rows[t.REGION] == region]
        for stage, colour in zip(stages, colours, strict=True):
            line = here[here[t.STAGE] == stage]
            panel.plot(line[t.STEP], line[t.VALUE], ".-", color=colour, lw=1.2, ms=4, label=stage)
        best = here[here[t.STAGE] == t.BEST]
        panel.plot(best[t.STEP], best[t.VALUE], "o-", color="black", lw=1.8, ms=3.5, label="best stage")
        baseline = published_value(benchmark, region)
        if baseline is not None:
            label = f"{BASELINE_MODEL}\n(published)"
            panel.axhline(baseline, color="tab:red", ls="--", lw=1.2, label=label)
        panel.set_title(_region_title(region, regions), fontsize=10)
        panel.xaxis.set_major_locator(MaxNLocator(4, integer=True))
        _set_score_axis(panel, rows)
    figure.supxlabel("optimiser steps (0: untrained)", fontsize=10)
    figure.supylabel(_y_label(rows), fontsize=10)
    _legend(figure, panels)
    return figure


def stage_figure(rows: pd.DataFrame) -> Figure:
    """Draw stage curves: a panel per region; the first network thin, the last thick.

    Args:
        rows: Rows of one run and benchmark, see `scores_of`.

    Returns:
        The figure; with one step, one curve per panel.
    """
    benchmark, regions, stages = _names(rows)
    title = f"{benchmark}: scores by stage{_run_suffix(rows)}"
    figure = Figure(figsize=(max(6.0, 2.6 + 0.5 * len(stages)), 4.6), layout="constrained")
    figure.suptitle(title, fontsize=11)
    axes = figure.add_subplot()
    steps = _first_and_last(rows)
    colours = ["black", *colormaps["tab10"].colors, *colormaps["Dark2"].colors]  # type: ignore[attr-defined]
    for number, region in enumerate(regions):
        for step in steps:
            curve = _by_stage(rows, step, region, stages)
            is_last = step == steps[-1]
            style: dict[str, Any] = {"lw": 2.2, "marker": "o", "ms": 4} if is_last else {"lw": 0.9, "ls": "--"}
            label = _region_title(region, regions) if is_last else None
            axes.plot(range(len(stages)), curve, color=colours[number % len(colours)], label=label, **style)
    axes.set_xticks(range(len(stages)), stages, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_xlabel("stage")
    axes.set_ylabel(_y_label(rows))
    _set_score_axis(axes, rows)
    if len(steps) > 1:
        axes.plot([], [], color="grey", lw=2.2, label=_step_title(steps[-1]))
        axes.plot([], [], color="grey", lw=0.9, ls="--", label=_step_title(steps[0]))
    figure.legend(loc="outside right upper", frameon=False, fontsize=9)
    return figure


def heat_map_figure(rows: pd.DataFrame) -> Figure:
    """Draw scores of stages (rows) in regions (columns) as colours and numbers, first and last step.

    Args:
        rows: Rows of one run and benchmark, see `scores_of`.

    Returns:
        The figure; with one step, one panel. A score that is undefined is a dash.
    """
    benchmark, regions, stages = _names(rows)
    shown = [*stages, t.BEST]
    steps = _first_and_last(rows)
    size = (2.4 + len(steps) * (0.6 + 0.62 * len(regions)), 1.7 + 0.3 * len(shown))
    figure = Figure(figsize=size, layout="constrained")
    figure.suptitle(f"{benchmark}: {_y_label(rows)}{_run_suffix(rows)}", fontsize=11)
    panels = figure.subplots(1, len(steps), squeeze=False)[0]
    for panel, step in zip(panels, steps, strict=True):
        grid = np.column_stack([_by_stage(rows, step, region, shown) for region in regions])
        image = panel.imshow(grid, cmap="viridis", vmin=0, vmax=1, aspect="auto")
        panel.set_title(_step_title(step), fontsize=10)
        titles = [_region_title(region, regions) for region in regions]
        panel.set_xticks(range(len(regions)), titles, rotation=45, ha="right", rotation_mode="anchor")
        labels = [*stages, "best stage"] if panel is panels[0] else []
        panel.set_yticks(range(len(labels)), labels)
        panel.axhline(len(stages) - 0.5, color="white", lw=2)
        if len(stages) <= MAX_HEAT_MAP_STAGES:
            _write_numbers(panel, grid)
    figure.colorbar(image, ax=list(panels), label="R²", fraction=0.05)
    return figure


def _names(rows: pd.DataFrame) -> tuple[str, list[str], list[str]]:
    """Benchmark, regions ("all" first) and stages in the network's order."""
    regions = list(dict.fromkeys(rows[t.REGION]))
    regions.sort(key=lambda region: region != "all")
    stages = [stage for stage in dict.fromkeys(rows[t.STAGE]) if stage != t.BEST]
    return str(rows[t.BENCHMARK].iloc[0]), regions, stages


def _by_stage(rows: pd.DataFrame, step: int, region: str, stages: Sequence[str]) -> np.ndarray:
    """Scores of one step and region, one per stage, NaN where there is none."""
    here = rows[(rows[t.STEP] == step) & (rows[t.REGION] == region)]
    return here.set_index(t.STAGE)[t.VALUE].reindex(list(stages)).to_numpy()


def _first_and_last(rows: pd.DataFrame) -> list[int]:
    """The first and the last step, or the only one."""
    return sorted({int(rows[t.STEP].min()), int(rows[t.STEP].max())})


def _panels(num_panels: int, title: str) -> tuple[Figure, list[Axes]]:
    """A figure with a grid of panels that share their axes."""
    num_columns = min(NUM_PANEL_COLUMNS, num_panels)
    num_rows = ceil(num_panels / num_columns)
    size = (1.9 + PANEL_WIDTH_IN * num_columns, 0.9 + PANEL_HEIGHT_IN * num_rows)
    figure = Figure(figsize=size, layout="constrained")
    figure.suptitle(title, fontsize=11)
    grid = figure.subplots(num_rows, num_columns, squeeze=False, sharex=True, sharey=True)
    panels = list(grid.ravel())
    for unused in panels[num_panels:]:
        unused.set_visible(False)
    for position, panel in enumerate(panels[:num_panels]):
        # The lowest panel of each column shows the steps, also above an empty place.
        panel.tick_params(labelbottom=position + num_columns >= num_panels)
    return figure, panels[:num_panels]


def _stage_colours(num_stages: int) -> list[tuple[float, float, float, float]]:
    """Colours in order, from the first stage (dark) to the last (bright)."""
    return [colormaps["viridis"](x) for x in np.linspace(0.0, 0.95, max(num_stages, 1))][:num_stages]


def _set_score_axis(axes: Axes, rows: pd.DataFrame) -> None:
    """One range for all panels, from 0 (or the lowest score) to just above the highest."""
    values = rows[t.VALUE].dropna()
    lowest, highest = (values.min(), values.max()) if len(values) else (0.0, 1.0)
    axes.set_ylim(min(0.0, lowest), max(0.5, min(1.05, highest + 0.08)))
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)


def _legend(figure: Figure, panels: list[Axes]) -> None:
    """One legend beside the panels, for what any of them shows."""
    entries: dict[str, Artist] = {}
    for panel in panels:
        for handle, label in zip(*panel.get_legend_handles_labels(), strict=True):
            entries.setdefault(label, handle)
    figure.legend(
        list(entries.values()),
        list(entries),
        loc="outside right upper",
        frameon=False,
        fontsize=9,
        ncols=ceil(len(entries) / 20),
    )


def _write_numbers(axes: Axes, grid: np.ndarray) -> None:
    """Write each score into its cell, light on dark and dark on light."""
    for (row, column), value in np.ndenumerate(grid):
        text = "–" if np.isnan(value) else f"{value:.2f}".replace("0.", ".", 1)
        colour = "black" if value > 0.6 else "white"
        axes.text(column, row, text, ha="center", va="center", fontsize=8, color=colour)
    axes.set_facecolor("grey")


def _y_label(rows: pd.DataFrame) -> str:
    metrics = [metric for metric in rows[t.METRIC] if metric in Y_LABELS]
    return Y_LABELS[metrics[0]] if metrics else "R²"


def _region_title(region: str, regions: Sequence[str]) -> str:
    if region != "all":
        return region
    return "all" if len(regions) == 1 else "all (together)"


def _step_title(step: int) -> str:
    return "untrained" if step == 0 else f"step {step}"


def _run_suffix(rows: pd.DataFrame) -> str:
    run = rows[t.RUN].iloc[0]
    return f" ({run})" if run else ""


def _file_name(stem: str) -> str:
    """A file name from names of runs and benchmarks, which may hold any character."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", stem).strip("-") + ".png"
