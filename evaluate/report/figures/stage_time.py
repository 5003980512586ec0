"""When each stage predicts best: heat maps of stages and time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from evaluate.report.figures import selection as s
from evaluate.report.figures import style
from evaluate.report.figures.selection import ScoreKind
from evaluate.report.network_names import stage_labels
from evaluate.scoring import table as t

if TYPE_CHECKING:
    import pandas as pd


def stage_time_figure(rows: pd.DataFrame, kind: ScoreKind) -> Figure | None:
    """Draw the score of every stage (rows) at every time (columns) as colours, with one panel per region.

    A dot marks the best of several stages at each time at which its score is above 0.

    Args:
        rows: All rows of one run and benchmark; the last step is drawn.
        kind: Kind of score, with `course_metric`.

    Returns:
        The figure; None if there are no such rows.
    """
    prefix = f"{kind.course_metric}/"
    rows = rows[rows[t.METRIC].str.startswith(prefix)]
    if rows.empty:
        return None
    rows = t.summary_rows(rows[rows[t.STEP] == rows[t.STEP].max()])
    rows = rows.assign(time=rows[t.METRIC].str.removeprefix(prefix).astype(float))
    stages, regions = list(dict.fromkeys(rows[t.STAGE])), s.regions_of(rows)
    times = np.sort(rows["time"].unique())
    half = (times[1] - times[0]) / 2 if len(times) > 1 else 0.5
    highest = max(float(np.nanmax([*rows[t.VALUE], 0.0])), 1e-9)
    title = f"{rows[t.BENCHMARK].iloc[0]}: correlation in each time bin, by stage{s.run_suffix(rows)}"
    figure, panels = style.new_panels(len(regions), title)
    for panel, region in zip(panels, regions, strict=True):
        here = rows[rows[t.REGION] == region]
        grid = here.pivot(index=t.STAGE, columns="time", values=t.VALUE).reindex(index=stages, columns=times).to_numpy()
        extent = (times[0] - half, times[-1] + half, len(stages) - 0.5, -0.5)
        image = panel.imshow(
            grid, cmap="viridis", vmin=0, vmax=highest, aspect="auto", interpolation="nearest", extent=extent
        )
        defined = np.where(np.isnan(grid), -np.inf, grid)
        is_shown = (defined.max(axis=0) > 0) & (len(stages) > 1)
        panel.plot(
            times[is_shown],
            defined.argmax(axis=0)[is_shown],
            ".",
            color="white",
            ms=5,
            markeredgecolor="black",
            markeredgewidth=0.4,
        )
        panel.set_yticks(range(len(stages)), stage_labels(stages))
        panel.tick_params(labelsize=style.TICK_SIZE)
        style.title_panel(panel, region, regions)
        panel.set_xlabel("time from the onset of the sound (s)", fontsize=style.TICK_SIZE)
    figure.colorbar(image, ax=list(panels), label="r over test sounds", fraction=0.05)
    return figure
