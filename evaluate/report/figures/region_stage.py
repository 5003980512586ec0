"""Figure of the position of each region's best stage in the networks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from evaluate.benchmarks.benchmark import ALL
from evaluate.report.comparisons import Summary, summarise
from evaluate.report.figures import selection as s
from evaluate.report.figures import style
from evaluate.report.figures.series import Entry, marker_look
from evaluate.report.published_values import published_positions
from evaluate.scoring import table as t

if TYPE_CHECKING:
    import pandas as pd


LANE_WIDTH = 0.08
"""Half the distance between adjacent networks, if there are few; regions have the distance 1."""


def region_stage_figure(entries: Sequence[Entry], benchmark: str, metric: str) -> Figure | None:
    """Draw the position of each region's best stage in each network.

    Large markers with error bars are means over participants, small ones are participants.

    Args:
        entries: See `entries_of`; baselines are left out, as their stages are not a sequence.
        benchmark: Name of the benchmark.
        metric: Metric of the relative position.

    Returns:
        The figure, or None if the table has no positions of regions.
    """
    shown = [entry for entry in entries if entry.state != "baseline" and len(_of_metric(entry.rows, metric))]
    regions = [region for region in _regions([_of_metric(entry.rows, metric) for entry in shown]) if region != ALL]
    if not regions:
        return None
    published = published_positions(benchmark)
    num_lanes = len(shown) + len(published)
    width_in = min(14.0, max(9.0, 4.6 + len(regions) * (0.45 + 0.16 * num_lanes)))
    figure = style.new_figure(width_in, 4.4, f"{benchmark}: relative position of the best stage by region")
    axes = figure.add_subplot()
    spread = min(0.3, LANE_WIDTH * (num_lanes - 1))
    lanes = np.linspace(-spread, spread, num_lanes)
    for position, region in enumerate(regions):
        summary = summarise([entry.rows for entry in shown], metric, region)
        for number, entry in enumerate(shown):
            label = entry.label if position == 0 else None
            _draw_position(axes, position + lanes[number], summary, number, entry=entry, label=label)
        for number, (lane, positions) in enumerate(zip(lanes[len(shown) :], published.values(), strict=True)):
            axes.plot(position + lane, positions.get(region, np.nan), **_published_look(number))
        if position > 0:
            axes.axvline(position - 0.5, color="black", alpha=0.12, lw=0.8)
    axes.set_xticks(range(len(regions)), regions)
    axes.set_xlim(-0.6, len(regions) - 0.4)
    axes.set_ylim(-0.04, 1.04)
    axes.set_ylabel("relative position (0: first stage, 1: last)", fontsize=style.LABEL_SIZE)
    style.tidy_axes(axes, grid="y")
    _name_positions(axes, shown)
    proxies = [
        Line2D([], [], label=f"{model} (published)", **_published_look(number))
        for number, model in enumerate(published)
    ]
    style.shared_legend(figure, [axes], extra=proxies)
    return figure


def _published_look(number: int) -> dict[str, Any]:
    return {"color": style.PUBLISHED_INK, "marker": "Pp"[number], "ls": "none", "ms": 7}


def _draw_position(axes: Axes, x: float, summary: Summary, number: int, *, entry: Entry, label: str | None) -> None:
    """Draw the position of one network in one region: the mean with its error bar, and the participants."""
    if summary.sample_kind == "participants":
        values = summary.samples.iloc[number].to_numpy(dtype=np.float64)
        axes.plot(np.full(len(values), x), values, ".", color=entry.series.colour, alpha=0.35, ms=5, zorder=1)
    error = summary.errors[number]
    axes.errorbar(
        x,
        summary.means[number],
        yerr=None if np.isnan(error) else error,
        color=entry.series.colour,
        capsize=3,
        ls="none",
        label=style.legend_label(label),
        **marker_look(entry.series, entry.fill),
    )


def _name_positions(axes: Axes, entries: Sequence[Entry]) -> None:
    """Name the stages on the right, if all networks have the same stages."""
    stages = {tuple(_encoded_stages(entry.rows)) for entry in entries}
    if len(stages) != 1:
        return
    (names,) = stages
    if len(names) < 2:
        return
    right = axes.secondary_yaxis("right")
    right.set_yticks(np.linspace(0, 1, len(names)), names, fontsize=style.SMALL_SIZE)
    right.spines["right"].set_visible(False)
    right.tick_params(length=0)


def _encoded_stages(rows: pd.DataFrame) -> list[str]:
    return s.stages_of(rows[rows[t.METRIC].isin(t.STAGE_METRICS)])


def _of_metric(rows: pd.DataFrame, metric: str) -> pd.DataFrame:
    return rows[rows[t.METRIC] == metric]


def _regions(frames: Sequence[pd.DataFrame]) -> list[str]:
    import pandas as pd

    return s.regions_of(t.summary_rows(pd.concat(frames, ignore_index=True))) if frames else []
