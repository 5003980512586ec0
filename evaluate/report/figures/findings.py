"""Effects of claims with their intervals, one line each."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from evaluate.benchmarks.benchmark import ALL
from evaluate.report.figures import style
from evaluate.report.findings.finding import Finding
from evaluate.report.findings.section import COLOURS

_LINE_HEIGHT_IN = 0.27


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
    for place, effect in zip(places, effects, strict=True):
        low, high = effect.interval
        colour = COLOURS[effect.verdict]
        if not np.isnan(low):
            axes.plot([low, high], [place, place], color=colour, lw=2, solid_capstyle="butt")
        axes.plot([effect.effect], [place], "o", color=colour, ms=6)
    axes.axvline(0, color="black", lw=0.8)
    axes.set_yticks([*claims.values(), *places], [*claims, *names])
    for label in axes.get_yticklabels()[: len(claims)]:
        label.set_fontweight("bold")
    axes.set_ylim(num_lines - 0.4, -0.6)
    axes.set_xlabel("difference of scores,\nor of relative positions of stages", fontsize=style.LABEL_SIZE)
    axes.tick_params(axis="y", length=0)
    style.tidy_axes(axes, grid="x")
    handles = [Line2D([], [], color=colour, marker="o", lw=2, label=verdict) for verdict, colour in COLOURS.items()]
    figure.legend(
        handles=handles, loc="outside lower center", ncols=len(handles), fontsize=style.TICK_SIZE, frameon=False
    )
    return figure
