"""Figure of the position of each region's best stage in the networks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import ceil
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from evaluate.benchmarks.benchmark import ALL
from evaluate.report.comparisons import Summary, summarise
from evaluate.report.figures import selection as s
from evaluate.report.figures import style
from evaluate.report.figures.series import MANY_NETWORKS, Entry, marker_look
from evaluate.report.network_names import stage_labels
from evaluate.report.published_values import published_positions
from evaluate.scoring import table as t

if TYPE_CHECKING:
    import pandas as pd


LANE_WIDTH = 0.08
"""Half the distance between adjacent networks, if there are few; regions have the distance 1."""
PRIMARY = "Primary"
MAX_NAMED_STAGES = 24
"""Most stages that are named along the axis."""
SCATTER_PANEL_IN, NUM_LEGEND_COLUMNS = 2.8, 3


def region_stage_figure(entries: Sequence[Entry], benchmark: str, metric: str) -> Figure | None:
    """Draw the position of each region's best stage in each network.

    A few networks are drawn next to each other, with large markers for means over participants and small ones for
    participants. Of many networks, the means in each region are drawn against those in primary cortex, as in the paper:
    above the diagonal, later stages predict the other region best. Permuted weights have a second row of panels.

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
    draw = _draw_against_primary if is_against_primary(shown, regions) else _draw_lanes
    title = f"{benchmark}: relative position of the best stage by region"
    return draw(shown, regions, metric, published_positions(benchmark), title)


def is_against_primary(entries: Sequence[Entry], regions: Sequence[str]) -> bool:
    """Whether regions are drawn against primary cortex, and not networks next to each other."""
    num_networks = sum(entry.state != "baseline" for entry in entries)
    return num_networks >= MANY_NETWORKS and PRIMARY in regions and len(regions) > 1


def _draw_lanes(
    shown: Sequence[Entry],
    regions: Sequence[str],
    metric: str,
    published: Mapping[str, Mapping[str, float]],
    title: str,
) -> Figure:
    """Draw networks next to each other in each region."""
    num_lanes = len(shown) + len(published)
    width_in = min(14.0, max(9.0, 4.6 + len(regions) * (0.45 + 0.16 * num_lanes)))
    figure = style.new_figure(width_in, 4.4, title)
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
    style.shared_legend(figure, [axes], extra=_published_handles(published))
    return figure


def _draw_against_primary(
    shown: Sequence[Entry],
    regions: Sequence[str],
    metric: str,
    published: Mapping[str, Mapping[str, float]],
    title: str,
) -> Figure:
    """Draw networks in other regions against primary cortex, and below them their permuted weights."""
    states = [state for state in _ROW_TITLES if any(entry.state == state for entry in shown)]
    others = [region for region in regions if region != PRIMARY]
    num_named = sum(entry.state == states[0] for entry in shown) + len(published)
    height_in = 0.7 + SCATTER_PANEL_IN * len(states) + 0.19 * ceil(num_named / NUM_LEGEND_COLUMNS)
    figure = style.new_figure(max(8.0, 0.6 + SCATTER_PANEL_IN * len(others)), height_in, title)
    grid = figure.subplots(len(states), len(others), squeeze=False, sharex=True, sharey=True)
    ends: list[float] = []
    for row, state in enumerate(states):
        of_state = [entry for entry in shown if entry.state == state]
        frames = [entry.rows for entry in of_state]
        primary = summarise(frames, metric, PRIMARY)
        for axes, region in zip(grid[row], others, strict=True):
            other = summarise(frames, metric, region)
            axes.axline((0, 0), slope=1, color="black", lw=0.8, alpha=0.5, zorder=0)
            for summary in (primary, other):
                ends += [*(summary.means - summary.errors), *(summary.means + summary.errors), *summary.means]
            for number, entry in enumerate(of_state):
                axes.errorbar(
                    primary.means[number],
                    other.means[number],
                    xerr=style.bar_lengths([primary.errors[number]]),
                    yerr=style.bar_lengths([other.errors[number]]),
                    color=entry.series.colour,
                    elinewidth=0.7,
                    ls="none",
                    # Controls have the look of their networks, but for the fill.
                    label=style.legend_label(entry.label) if row == 0 else None,
                    **marker_look(entry.series, entry.fill) | {"ms": 6},
                )
            for number, positions in enumerate(published.values() if state == "trained" else ()):
                ends += [positions.get(PRIMARY, np.nan), positions.get(region, np.nan)]
                axes.plot(positions.get(PRIMARY, np.nan), positions.get(region, np.nan), **_published_look(number))
            axes.set_title(f"{region}: {_ROW_TITLES[state]}", fontsize=style.LABEL_SIZE)
            axes.set_aspect("equal")
            style.tidy_axes(axes)
    limits = np.nanmin(ends) - 0.04, np.nanmax(ends) + 0.04
    grid[0, 0].set(xlim=limits, ylim=limits)
    for axes in grid[-1]:
        axes.set_xlabel("position of primary cortex", fontsize=style.TICK_SIZE)
    for axes in grid[:, 0]:
        axes.set_ylabel("position of the other region", fontsize=style.TICK_SIZE)
    style.shared_legend(figure, list(grid[0]), extra=_published_handles(published), columns_below=NUM_LEGEND_COLUMNS)
    return figure


_ROW_TITLES = {"trained": "networks", "untrained": "untrained", "permuted": "permuted weights"}
"""What the rows of panels show, by the state of networks."""


def _published_handles(published: Iterable[str]) -> list[Line2D]:
    return [
        Line2D([], [], label=f"{model} (published)", **_published_look(number))
        for number, model in enumerate(published)
    ]


def _published_look(number: int) -> dict[str, Any]:
    return {"color": style.PUBLISHED_INK, "marker": "Pp"[number], "ls": "none", "ms": 7}


def _draw_position(axes: Axes, x: float, summary: Summary, number: int, *, entry: Entry, label: str | None) -> None:
    """Draw the position of one network in one region: the mean with its error bar, and the participants."""
    if summary.sample_kind == "participants":
        values = summary.samples.iloc[number].to_numpy(dtype=np.float64)
        axes.plot(np.full(len(values), x), values, ".", color=entry.series.colour, alpha=0.35, ms=5, zorder=1)
    axes.errorbar(
        x,
        summary.means[number],
        yerr=style.bar_lengths([summary.errors[number]]),
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
    places, labels = style.spread_places(len(names), MAX_NAMED_STAGES), stage_labels(names)
    positions = np.linspace(0, 1, len(names))[places]
    right.set_yticks(positions, [labels[place] for place in places], fontsize=style.SMALL_SIZE)
    right.spines["right"].set_visible(False)
    right.tick_params(length=0)


def _encoded_stages(rows: pd.DataFrame) -> list[str]:
    return s.stages_of(rows[rows[t.METRIC].isin(t.STAGE_METRICS)])


def _of_metric(rows: pd.DataFrame, metric: str) -> pd.DataFrame:
    return rows[rows[t.METRIC] == metric]


def _regions(frames: Sequence[pd.DataFrame]) -> list[str]:
    import pandas as pd

    return s.regions_of(t.summary_rows(pd.concat(frames, ignore_index=True))) if frames else []
