"""Effects of claims with their intervals, one line each."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from evaluate.benchmarks.benchmark import ALL
from evaluate.report.figures import style
from evaluate.report.findings.finding import Finding
from evaluate.report.findings.section import COLOURS

_LINE_HEIGHT_IN = 0.27
MOST_WIDTHS = 4.0
"""An interval that is so many times as wide as the median one is cut, unless it is within the range of the effects."""
ARROW_SHARE = 0.02
"""Half the room for an arrow at the end of the axis, as a fraction of its length."""
NARROWEST = 0.05
"""Half the range of effects that are all 0."""


def findings_figure(effects: list[Finding], benchmark: str) -> Figure | None:
    """Draw effects and intervals, under the claims that they belong to.

    Args:
        effects: Effects in the order of their claims.
        benchmark: Name of the benchmark.

    Returns:
        The figure; None without effects.
    """
    if not effects:
        return None
    names: list[str] = []
    places: list[int] = []
    claims: dict[str, int] = {}
    for effect in effects:
        if effect.claim not in claims:
            claims[effect.claim] = len(claims) + len(names)
        places.append(len(claims) + len(names))
        names.append(effect.what if effect.region == ALL else f"{effect.what} ({effect.region})")
    num_lines = len(claims) + len(names)
    figure = style.new_figure(9.0, 1.4 + _LINE_HEIGHT_IN * num_lines, f"{benchmark}: findings")
    axes = figure.subplots()
    left, right = _limits(effects)
    reach = ARROW_SHARE * (right - left)
    axes.set_xlim(left - 2 * reach, right + 2 * reach)
    for place, effect in zip(places, effects, strict=True):
        low, high = effect.interval
        colour = COLOURS[effect.verdict]
        if not np.isnan(low):
            axes.plot([max(low, left), min(high, right)], [place, place], color=colour, lw=2, solid_capstyle="butt")
        for is_cut, end, marker in ((low < left, left, "<"), (high > right, right, ">")):
            if is_cut:
                axes.plot([end], [place], marker, color=colour, ms=7)
        axes.plot([effect.effect], [place], "o", color=colour, mfc="white" if np.isnan(low) else colour, ms=6)
    axes.axvline(0, color="black", lw=0.8)
    axes.set_yticks([*claims.values(), *places], [*claims, *names])
    for label in axes.get_yticklabels()[: len(claims)]:
        label.set_fontweight("bold")
    axes.set_ylim(num_lines - 0.4, -0.6)
    axes.set_xlabel("difference of scores,\nor of relative positions of stages", fontsize=style.LABEL_SIZE)
    axes.tick_params(axis="y", length=0)
    style.tidy_axes(axes, grid="x")
    handles = [Line2D([], [], color=colour, marker="o", lw=2, label=verdict) for verdict, colour in COLOURS.items()]
    grey: dict[str, Any] = {"color": COLOURS["open"], "ls": "none"}
    intervals = [effect.interval for effect in effects]
    if any(np.isnan(low) for low, _ in intervals):
        handles.append(Line2D([], [], marker="o", mfc="white", label="open, as there is no interval", **grey))
    if any(low < left or high > right for low, high in intervals):
        handles.append(Line2D([], [], marker=">", label="interval beyond the axis", **grey))
    figure.legend(handles=handles, loc="outside lower center", ncols=3, fontsize=style.TICK_SIZE, frameon=False)
    return figure


def _limits(effects: list[Finding]) -> tuple[float, float]:
    """Ends of what is drawn: all effects and 0, and intervals unless they are far wider than most."""
    values = np.array([0.0, *(effect.effect for effect in effects)])
    ends = np.array([effect.interval for effect in effects])
    widths = ends[:, 1] - ends[:, 0]
    typical = float(np.nanmedian(widths)) if not np.isnan(widths).all() else 0.0
    usual = ends[widths <= MOST_WIDTHS * max(typical, float(np.ptp(values)) / MOST_WIDTHS)]
    left, right = min([*values, *usual[:, 0]]), max([*values, *usual[:, 1]])
    return (left, right) if right > left else (left - NARROWEST, right + NARROWEST)
