"""Figures of runs that differ only in their seed: means over seeds with error bars, single seeds as dots."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from evaluate.report.figures import style
from evaluate.report.figures.selection import ScoreKind
from evaluate.report.figures.series import Series
from evaluate.report.seed_groups import Group, means_over_seeds

GROUP_HEIGHT_IN = 0.3


def group_bars_figure(groups: Sequence[Group], regions: Sequence[str], benchmark: str, kind: ScoreKind) -> Figure:
    """Draw one bar per group and region and one dot per seed, with groups in the order of their mean over panels.

    Args:
        groups: See `groups_of`; not empty.
        regions: Names of the panels, in the order of the groups' scores.
        benchmark: Name of the benchmark.
        kind: Kind of score.

    Returns:
        The figure.
    """
    heights = [float(np.nan_to_num(group.means, nan=0.0).mean()) for group in groups]
    shown = [groups[number] for number in np.argsort(heights, kind="stable")]
    width_in = 1.55 if len(regions) > 1 else 5.0
    title = f"{benchmark}: {kind.best_title}, mean over seeds"
    figure = style.new_figure(2.6 + width_in * len(regions), 1.2 + GROUP_HEIGHT_IN * len(shown), title)
    panels = figure.subplots(1, len(regions), squeeze=False, sharex=True, sharey=True)[0]
    for column, (panel, region) in enumerate(zip(panels, regions, strict=True)):
        for place, group in enumerate(shown):
            mean, error = group.means[column], group.errors[column]
            if np.isnan(mean):
                continue
            is_open = group.state in ("untrained", "permuted")
            panel.barh(place, mean, height=0.7, facecolor="white" if is_open else group.colour, edgecolor=group.colour)
            dots = group.scores[:, column]
            if group.num_networks > 1:
                panel.plot(dots, np.full(len(dots), place), "o", color="black", mfc="white", ms=3.5, mew=0.8)
            panel.errorbar(mean, place, xerr=style.bar_lengths([error]), color="black", lw=1.2, capsize=3)
            end = max(np.nanmax(dots), mean + np.nan_to_num(error))
            text = f"  {style.score_text(mean)}"
            panel.text(end, place, text, va="center", fontsize=style.SMALL_SIZE)
        style.title_panel(panel, region, regions)
        panel.set_xlabel(kind.symbol, fontsize=style.TICK_SIZE)
        style.tidy_axes(panel, grid="x")
        panel.tick_params(axis="y", length=0)
        panel.set_yticks(range(len(shown)), [_label(group) for group in shown])
    highest = max((float(np.nanmax(group.scores)) for group in shown if group.num_networks), default=0.0)
    ends = [group.means - np.nan_to_num(group.errors) for group in shown]
    lowest = float(np.nanmin([*np.concatenate(ends), *np.concatenate([group.scores.ravel() for group in shown]), 0.0]))
    panels[0].set_xlim(1.1 * lowest, max(0.5, 1.25 * highest))
    return figure


def group_trajectories_figure(
    runs: Sequence[Series],
    groups: Sequence[Group],
    regions: Sequence[str],
    *,
    benchmark: str,
    kind: ScoreKind,
    pattern: str,
) -> Figure | None:
    """Draw the means of groups over training, with one panel per region; bands are ±1 standard error over seeds.

    Args:
        runs: See `series_of`.
        groups: Their groups, for the colours.
        regions: Names of the panels.
        benchmark: Name of the benchmark.
        kind: Kind of score.
        pattern: Pattern to remove from names of runs, see `group_name`.

    Returns:
        The figure, or None if no group has two steps at which all its seeds were scored.
    """
    curves = {region: means_over_seeds(runs, benchmark, kind, region, pattern) for region in regions}
    if not any(len(steps) > 1 for by_group in curves.values() for steps, _, _ in by_group.values()):
        return None
    labels = {group.label: _label(group) for group in groups if group.state == "trained"}
    colours = {group.label: group.colour for group in groups if group.state == "trained"}
    figure, panels = style.new_panels(len(regions), f"{benchmark}: {kind.title} over training, mean over seeds")
    drawn: list[float] = []
    has_start = any(0 in steps for by_group in curves.values() for steps, _, _ in by_group.values())
    is_in_curves = {"trained": True, "untrained": has_start}
    levels = [group for group in groups if not is_in_curves.get(group.state, False)]
    for column, (panel, region) in enumerate(zip(panels, regions, strict=True)):
        for name, (steps, means, errors) in curves[region].items():
            colour = colours.get(name, "black")
            panel.plot(
                steps, means, "o-", color=colour, lw=1.6, ms=3.5, label=style.legend_label(labels.get(name, name))
            )
            panel.fill_between(steps, means - errors, means + errors, color=colour, alpha=style.BAND_ALPHA, lw=0)
            drawn += list(means)
        for group in levels:
            drawn += _draw_level(panel, group, column)
        style.title_panel(panel, region, regions)
        style.tidy_axes(panel)
        style.set_step_axis(panel)
    for panel in panels:
        style.set_score_range(panel, drawn)
    style.label_axes(figure, panels, x_label=style.STEPS_LABEL, y_label=kind.label)
    return figure


def _draw_level(panel: Axes, group: Group, column: int) -> list[float]:
    """Draw a group without training as a horizontal line with its band; return the score drawn."""
    mean, error = group.means[column], group.errors[column]
    if np.isnan(mean):
        return []
    look = {"untrained": "--", "permuted": ":"}.get(group.state, "-")
    panel.axhline(mean, color=group.colour, ls=look, lw=1.4, label=style.legend_label(_label(group)))
    if error > 0:
        panel.axhspan(mean - error, mean + error, color=group.colour, alpha=style.BAND_ALPHA, lw=0)
    return [float(mean)]


def _label(group: Group) -> str:
    return f"{style.short_name(group.label)} ({group.num_networks})" if group.num_networks > 1 else group.label
