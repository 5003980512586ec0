"""Figure of what networks and listeners recognise, by SNR and kind of background."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from evaluate.benchmarks.behaviour.trials import parse_condition
from evaluate.benchmarks.benchmark import ALL
from evaluate.report.figures import style
from evaluate.report.figures.series import Entry, marker_look
from evaluate.scoring import table as t

if TYPE_CHECKING:
    import pandas as pd

_HUMAN_LOOK: dict[str, Any] = {
    "color": "black",
    "marker": "o",
    "ms": 5,
    "lw": 2.2,
    "capsize": 2.5,
    "label": "listeners",
}
_OTHERS = "other conditions"


def listeners_figure(entries: Sequence[Entry], benchmark: str) -> Figure | None:
    """Draw accuracy against SNR, with one panel per kind of background, for listeners and networks.

    Conditions without an SNR, such as clean sounds, have a place on the right of every panel; if there are many kinds
    of them, a panel of their own.

    Args:
        entries: See `entries_of`.
        benchmark: Name of the benchmark.

    Returns:
        The figure, or None if no condition was scored.
    """
    curves = [(entry, _values(entry.rows, t.BEHAVIOUR_ACCURACY, t.BEHAVIOUR_ERROR)) for entry in entries]
    curves = [(entry, curve) for entry, curve in curves if len(curve)]
    if not curves:
        return None
    human = _values(curves[0][0].rows, t.HUMAN_ACCURACY, t.HUMAN_ERROR)
    names = list(dict.fromkeys(name for _, curve in curves for name in curve.index))
    panels_of = _places(names)
    figure, panels = style.new_panels(len(panels_of), f"{benchmark}: recognition by networks and listeners")
    for panel, (background, places) in zip(panels, panels_of.items(), strict=True):
        _draw(panel, human, places, **_HUMAN_LOOK)
        for entry, curve in curves:
            look: dict[str, Any] = {
                "color": entry.series.colour,
                "ls": "--" if entry.state == "untrained" else entry.series.line,
            }
            look |= {"lw": 1.5, "capsize": 2, "label": style.legend_label(entry.label)}
            _draw(panel, curve, places, **(look | marker_look(entry.series, entry.fill) | {"ms": 4.5}))
        ticks = sorted(set(places.values()))
        texts = {place: _tick(name) for name, place in places.items()}
        panel.set_xticks(ticks, [texts[place] for place in ticks])
        if background == _OTHERS:
            panel.tick_params(axis="x", rotation=45)
        if len(panels_of) > 1 or background != _OTHERS:
            panel.set_title(background, fontsize=style.LABEL_SIZE)
        style.tidy_axes(panel)
        panel.set_ylim(0, 1.03)
    style.label_axes(figure, panels, x_label="SNR (dB)", y_label="fraction recognised")
    return figure


def _places(names: Sequence[str]) -> dict[str, dict[str, float]]:
    """Place of each condition on the x axis, by panel."""
    parsed = {name: parse_condition(name) for name in names}
    without = [name for name, condition in parsed.items() if condition.snr_db is None]
    panels: dict[str, dict[str, float]] = {}
    for name, (background, snr_db) in parsed.items():
        if snr_db is not None:
            panels.setdefault(background, {})[name] = snr_db
    if not panels or len(without) > 1:
        return panels | ({_OTHERS: {name: float(place) for place, name in enumerate(without)}} if without else {})
    snrs = sorted({place for places in panels.values() for place in places.values()})
    step = min(np.diff(snrs), default=3.0)
    for places in panels.values():
        places |= {name: snrs[-1] + 1.5 * step for name in without}
    return panels


def _tick(name: str) -> str:
    snr_db = parse_condition(name).snr_db
    return name if snr_db is None else f"{snr_db:g}"


def _draw(panel: Axes, values: pd.DataFrame, places: dict[str, float], **look: Any) -> None:
    """Draw a line through the conditions with an SNR, and those without next to it."""
    joined = sorted(
        (name for name in places if parse_condition(name).snr_db is not None), key=lambda name: places[name]
    )
    for number, some in enumerate((joined, [name for name in places if name not in joined])):
        shown = values.reindex(some)
        if number == 1:
            look = look | {"ls": "none", "label": look["label"] if not joined else "_"}
        if some:
            panel.errorbar([places[name] for name in some], shown["value"], style.bar_lengths(shown["error"]), **look)


def _values(rows: pd.DataFrame, metric: str, error_metric: str) -> pd.DataFrame:
    """Value and error of each condition."""
    rows = t.summary_rows(rows)
    rows = rows[(rows[t.REGION] != ALL) & rows[t.METRIC].isin([metric, error_metric])]
    table = rows.pivot_table(index=t.REGION, columns=t.METRIC, values=t.VALUE, sort=False, dropna=False)
    table = table.reindex(columns=[metric, error_metric])
    return table.set_axis(["value", "error"], axis=1).dropna(subset="value")
