"""Figure of linear probes: how well stages distinguish labelled sounds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from evaluate.benchmarks.benchmark import ALL
from evaluate.report.figures import selection as s
from evaluate.report.figures import style
from evaluate.report.figures.series import Entry, marker_look
from evaluate.scoring import table as t

if TYPE_CHECKING:
    import pandas as pd


def probe_figure(entries: Sequence[Entry], sounds: str) -> Figure | None:
    """Draw the accuracy of probes along the stages, one line per network, with error bars over folds, and chance.

    If all networks have several stages and these differ, the axis is the relative position from the first (0) to the
    last (1).

    Args:
        entries: See `entries_of`.
        sounds: Name of the labelled sounds.

    Returns:
        The figure, or None if no stage was probed.
    """
    curves = [(entry, probe_curve(entry.rows)) for entry in entries]
    curves = [(entry, curve) for entry, curve in curves if len(curve)]
    if not curves:
        return None
    stages = list(dict.fromkeys(stage for _, curve in curves for stage in curve.index))
    is_relative = len({tuple(curve.index) for _, curve in curves}) > 1 and all(len(curve) > 1 for _, curve in curves)
    figure, (panel,) = style.new_panels(1, f"{sounds}: accuracy of linear probes by stage")
    for entry, curve in curves:
        x = np.linspace(0, 1, len(curve)) if is_relative else [stages.index(stage) for stage in curve.index]
        panel.errorbar(
            x,
            curve[t.PROBE_ACCURACY],
            style.bar_lengths(curve[t.PROBE_STANDARD_ERROR]),
            color=entry.series.colour,
            ls="--" if entry.state == "untrained" else entry.series.line,
            lw=1.6,
            capsize=2.5,
            **marker_look(entry.series, entry.fill) | {"ms": 4.5},
            label=style.legend_label(entry.label),
        )
    chances = sorted({float(chance) for _, curve in curves for chance in curve[t.PROBE_CHANCE].dropna()})
    for chance in chances:
        panel.axhline(chance, color="black", ls=":", lw=1.4, label="chance")
    style.tidy_axes(panel)
    if not is_relative:
        style.label_stages(panel, stages)
        panel.set_xlim(-0.5, len(stages) - 0.5)
    style.set_score_range(panel, [*chances, *(value for _, curve in curves for value in curve[t.PROBE_ACCURACY])])
    x_label = "relative position of the stage (0: first, 1: last)" if is_relative else "stage"
    style.label_axes(figure, [panel], x_label=x_label, y_label="fraction of test sounds correct")
    return figure


def probe_curve(rows: pd.DataFrame) -> pd.DataFrame:
    """Collect accuracy, its standard error and chance over all folds, with one row per stage in network order."""
    metrics = [t.PROBE_ACCURACY, t.PROBE_STANDARD_ERROR, t.PROBE_CHANCE]
    rows = rows[(rows[t.SUBJECT] == ALL) & rows[t.METRIC].isin(metrics)]
    return rows.pivot(index=t.STAGE, columns=t.METRIC, values=t.VALUE).reindex(index=s.stages_of(rows), columns=metrics)
