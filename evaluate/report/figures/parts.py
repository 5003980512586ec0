"""What networks explain alone and share, as bars: of pairs, and of many networks with one reference; as a matrix."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from evaluate.benchmarks.benchmark import ALL
from evaluate.metrics.partition.network_parts import NOISE_CORRECTED
from evaluate.options import NO_VALUE
from evaluate.report.figures import style

if TYPE_CHECKING:
    import pandas as pd

_COLOURS = {"unique_a": "#0072b2", "shared": "#999999", "unique_b": "#d55e00"}
"""Colours that differ with colour vision deficiency, too (Okabe & Ito 2008)."""
MEDIANS = (
    "Medians over units are taken of each part on its own, so that parts need not add up to the R² of a network; those "
    "of means over units do (column mean of partition.csv). Error bars: ± standard error over participants or, for "
    "components and single participants, over sounds."
)
"""What the captions of these figures say about values and errors."""
_REGION_WIDTH_IN = 0.9
_NETWORK_HEIGHT_IN = 0.55


def write_parts_figures(table: pd.DataFrame, folder: Path) -> list[Path]:
    """Draw the bars of every pair and benchmark, and a matrix for each benchmark with more than two networks.

    Args:
        table: Rows of `python -m evaluate partition`.
        folder: Folder of the files.

    Returns:
        The files.
    """
    paths = []
    for benchmark, rows in table.groupby("benchmark", sort=False):
        for stem, draw, _ in parts_drawings(rows, str(benchmark)):
            paths += style.save_figure(draw(), folder, stem)
    return paths


def parts_drawings(table: pd.DataFrame, benchmark: str) -> list[tuple[str, Callable[[], Figure], str]]:
    """List the figures of a benchmark: the matrix if there are several pairs, then the bars of each pair.

    Args:
        table: Rows of `python -m evaluate partition` on one benchmark.
        benchmark: Its name.

    Returns:
        Stem of the file, what draws the figure, and its caption.
    """
    shown = table[table["subject"] == _everyone(table)]
    pairs = list(shown.groupby(["a", "b", "stages_a", "stages_b"], sort=False))
    found: list[tuple[str, Callable[[], Figure], str]] = []
    if len(pairs) > 1:
        caption = (
            "R² that the network of a row explains in addition to the network of a column, over all regions. A bright "
            "row: it explains what others do not; a dark column: nothing is missing from it."
        )
        found.append((f"{benchmark}_partition_matrix", partial(matrix_figure, shown, benchmark), caption))
    for number, (_, rows) in enumerate(pairs):
        stem = f"{benchmark}_partition" + (f"_{number + 1}" if len(pairs) > 1 else "")
        first, second = (_label(rows.iloc[0], side) for side in "ab")
        caption = f"What {first} and {second} explain alone and share. {MEDIANS}"
        found.append((stem, partial(bars_figure, rows, benchmark), caption))
    return found


def bars_figure(rows: pd.DataFrame, benchmark: str) -> Figure:
    """Draw what A explains alone, what is shared and what B explains alone, by region, with errors.

    Args:
        rows: Rows of one pair of networks on one benchmark, one for each part and region.
        benchmark: Name of the benchmark.
    """
    regions = list(dict.fromkeys(rows["region"]))
    first, second = (_label(rows.iloc[0], side) for side in "ab")
    figure = style.new_figure(2.5 + _REGION_WIDTH_IN * len(regions), 3.4, f"{benchmark}: explained variance, in parts")
    axes = figure.subplots()
    names = {"unique_a": f"only {first}", "shared": "shared", "unique_b": f"only {second}"}
    values = rows.set_index(["part", "region"])
    places = np.arange(len(regions))
    for number, (part, colour) in enumerate(_COLOURS.items()):
        cells = [values.loc[(part, region)] for region in regions]
        heights = [cell["value"] for cell in cells]
        errors = style.bar_lengths([cell["error"] for cell in cells])
        label = style.legend_label(names[part])
        axes.bar(places + 0.27 * (number - 1), heights, 0.25, color=colour, yerr=errors, capsize=2, label=label)
    axes.axhline(0, color="black", lw=0.8)
    axes.set_xticks(places, regions, rotation=30, ha="right")
    axes.set_ylabel(style.upright_label(figure, f"{_symbol(rows)} on test sounds"), fontsize=style.LABEL_SIZE)
    style.tidy_axes(axes, grid="y")
    figure.legend(loc="outside lower center", fontsize=style.TICK_SIZE, frameon=False)
    return figure


def reference_figure(rows: pd.DataFrame, benchmark: str) -> Figure:
    """Draw what each network explains alone, shares with the reference, and lacks, with one panel per region.

    Args:
        rows: Rows of networks (column `a`) with one reference (column `b`), one for each part and region.
        benchmark: Name of the benchmark.
    """
    regions, networks = (list(dict.fromkeys(rows[column])) for column in ("region", "a"))
    reference = str(rows["b"].iloc[0])
    width_in = 1.7 if len(regions) > 1 else 4.6
    title = f"{benchmark}: {_symbol(rows)} of networks alone, and shared with {reference}"
    figure = style.new_figure(2.6 + width_in * len(regions), 1.7 + _NETWORK_HEIGHT_IN * len(networks), title)
    panels = figure.subplots(1, len(regions), squeeze=False, sharex=True, sharey=True)[0]
    values = rows.set_index(["region", "part", "a"]).sort_index()
    places = np.arange(len(networks))
    names = {"unique_a": "only the network", "shared": "shared", "unique_b": f"only {reference}"}
    for panel, region in zip(panels, regions, strict=True):
        for number, (part, colour) in enumerate(_COLOURS.items()):
            cells = values.loc[(region, part)].reindex(networks)
            at = places + 0.27 * (number - 1)
            errors = style.bar_lengths(cells["error"])
            panel.barh(at, cells["value"], 0.25, color=colour, xerr=errors, capsize=1.5, label=names[part])
            ends = np.maximum(np.nan_to_num(cells["value"]) + np.nan_to_num(errors), 0.0)
            for place, end, value in zip(at, ends, cells["value"], strict=True):
                text = NO_VALUE if np.isnan(value) else style.score_text(value)
                panel.text(end, place, f" {text}", va="center", fontsize=style.SMALL_SIZE)
        panel.axvline(0, color="black", lw=0.8)
        panel.set_xlabel(_symbol(rows), fontsize=style.TICK_SIZE)
        panel.margins(x=0.2)
        style.title_panel(panel, region, regions)
        style.tidy_axes(panel, grid="x")
    panels[0].set_yticks(places, networks, fontsize=style.TICK_SIZE)
    panels[0].invert_yaxis()
    style.shared_legend(figure, panels, columns_below=3)
    return figure


def parts_over_training_figure(rows: pd.DataFrame, benchmark: str) -> Figure:
    """Draw the parts of one network and a reference over training, with one panel per region.

    Args:
        rows: Rows of a network (column `a`) and its reference (column `b`) with the column `step`.
        benchmark: Name of the benchmark.
    """
    regions = list(dict.fromkeys(rows["region"]))
    network, reference = str(rows["a"].iloc[0]), str(rows["b"].iloc[0])
    figure, panels = style.new_panels(len(regions), f"{benchmark}: parts of the explained variance ({network})")
    names = {"unique_a": "only the network", "shared": "shared", "unique_b": f"only {reference}"}
    for panel, region in zip(panels, regions, strict=True):
        for part, colour in _COLOURS.items():
            line = rows[(rows["region"] == region) & (rows["part"] == part)].sort_values("step")
            errors = style.bar_lengths(line["error"])
            panel.plot(line["step"], line["value"], ".-", color=colour, label=names[part])
            low, high = line["value"] - errors, line["value"] + errors
            panel.fill_between(line["step"], low, high, color=colour, alpha=style.BAND_ALPHA, lw=0)
        panel.axhline(0, color="black", lw=0.8)
        style.title_panel(panel, region, regions)
        style.tidy_axes(panel)
        style.set_step_axis(panel)
    style.label_axes(figure, panels, x_label=style.STEPS_LABEL, y_label=f"{_symbol(rows)} on test sounds")
    return figure


def matrix_figure(rows: pd.DataFrame, benchmark: str) -> Figure:
    """Draw what each network (row) explains that another (column) does not, over all regions.

    Args:
        rows: Rows of several pairs of networks on one benchmark, one for each part and region.
        benchmark: Name of the benchmark.
    """
    over_all = rows[rows["region"] == ALL]
    names: dict[str, str] = {}
    for _, row in over_all.iterrows():
        for side in "ab":
            names.setdefault(f"{row[side]}, {row[f'stages_{side}']}", _label(row, side))
    order = {name: place for place, name in enumerate(names)}
    matrix = np.full((len(names), len(names)), np.nan)
    for _, row in over_all.iterrows():
        places = [order[f"{row[side]}, {row[f'stages_{side}']}"] for side in "ab"]
        if row["part"] == "unique_a":
            matrix[places[0], places[1]] = row["value"]
        elif row["part"] == "unique_b":
            matrix[places[1], places[0]] = row["value"]
    size = 0.8 * len(names)
    figure = style.new_figure(4.5 + size, 2.6 + size, f"{benchmark}: {_symbol(rows)} of the row that the column lacks")
    axes = figure.subplots()
    image = axes.imshow(matrix, cmap="cividis", aspect="auto")
    middle = float(np.nanmin(matrix) + np.nanmax(matrix)) / 2
    for row, column in np.argwhere(np.isfinite(matrix)):
        value = matrix[row, column]
        colour = "black" if value > middle else "white"
        text = style.score_text(value)
        axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=style.SMALL_SIZE)
    axes.set_xticks(range(len(names)), list(names.values()), rotation=30, ha="right", fontsize=style.TICK_SIZE)
    axes.set_yticks(range(len(names)), list(names.values()), fontsize=style.TICK_SIZE)
    figure.colorbar(image, ax=axes, fraction=0.05).ax.tick_params(labelsize=style.SMALL_SIZE)
    return figure


def _symbol(rows: pd.DataFrame) -> str:
    """What the values of a table are; older ones do not say whether they are corrected for noise."""
    return "noise-corrected R²" if (rows[NOISE_CORRECTED] == "True").all() else "R²"


def _everyone(table: pd.DataFrame) -> str:
    """Subject of the rows over all subjects: "all", or the only one there is."""
    return ALL if (table["subject"] == ALL).any() else str(table["subject"].iloc[0])


def _label(row: pd.Series, side: str) -> str:
    """Name of a network with what it is (`untrained:` ...), its folder, and its stages unless these are all."""
    kind, is_kind, path = str(row[side]).rpartition(":")
    parts = [part for part in Path(path).parts if part != "checkpoints"]
    name = f"{kind}{is_kind}{style.short_name('/'.join(parts[-2:]))}"
    stages = row[f"stages_{side}"]
    return name if stages == "all" else f"{name}, {stages}"
