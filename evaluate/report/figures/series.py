"""What a report compares: runs, their permuted controls and baselines, each a line in its own colour."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from evaluate.report.figures import selection as s
from evaluate.report.figures import style
from evaluate.report.short_names import short_names
from evaluate.scoring import table as t

if TYPE_CHECKING:
    import pandas as pd


SeriesKind = Literal["run", "untrained", "permuted", "baseline"]
State = Literal["trained", "untrained", "permuted", "baseline"]
_ORDER: tuple[SeriesKind, ...] = ("run", "untrained", "permuted", "baseline")


@dataclass(frozen=True, eq=False)
class Series:
    """A network over the steps of its training.

    Attributes:
        name: As legends say it, each once in a report.
        kind: What it is: a run, a control (untrained or with permuted weights), or a baseline that learns nothing.
        owner: Name of the run that it belongs to: its own, or that which it is a control of.
        rows: Its rows of the table, each number once per step, in order of steps.
        colour: Its colour in all figures; a control has that of its run.
        marker: Its marker in all figures.
    """

    name: str
    kind: SeriesKind
    owner: str
    rows: pd.DataFrame
    colour: str
    marker: str

    @property
    def line(self) -> str:
        """Line style: runs and baselines solid, permuted networks dotted, untrained networks dashed."""
        return {"run": "-", "permuted": ":", "untrained": "--", "baseline": "-"}[self.kind]


@dataclass(frozen=True, eq=False)
class Entry:
    """One network at one step, scored on one benchmark.

    Attributes:
        label: As tables and legends say it.
        state: Trained, untrained, permuted or baseline.
        step: Optimiser steps.
        rows: Its rows of the table, one benchmark alone.
        series: Where it belongs.
    """

    label: str
    state: State
    step: int
    rows: pd.DataFrame
    series: Series

    @property
    def fill(self) -> Literal["full", "none", "left"]:
        """How its markers are filled: full where it is trained, open where it is not, half where it is permuted."""
        fills: dict[State, Literal["full", "none", "left"]] = {"untrained": "none", "permuted": "left"}
        return fills.get(self.state, "full")


def series_of(tables: Mapping[str, pd.DataFrame]) -> list[Series]:
    """Sort rows of tables into series.

    A row belongs to the run in its column `run`, or to its checkpoint's file if that is empty. A control belongs to the
    run or network in its column `parent`. Runs of one name in several tables are distinguished by the tables' names,
    controls of one name by the folders of their checkpoints.

    Args:
        tables: Name (as the folder's) -> score table.

    Returns:
        Runs, then untrained and permuted controls, then baselines, each kind in the tables' order.
    """
    import pandas as pd

    parts: dict[tuple[SeriesKind, str, str, str], dict[str, list[pd.DataFrame]]] = {}
    for folder, table in tables.items():
        for names, rows in table.groupby([t.RUN, t.CHECKPOINT, t.KIND, t.PARENT, t.SEED], sort=False):
            parts.setdefault(_identify(*map(str, names)), {}).setdefault(folder, []).append(rows)
    looks: dict[str, tuple[str, str]] = {}
    series = []
    for (kind, name, owner, place), by_folder in sorted(parts.items(), key=lambda part: _ORDER.index(part[0][0])):
        places = [Path(other[3]) for other in parts if other[:2] == (kind, name)]
        of_place = f" ({short_names(places)[places.index(Path(place))]})" if len(places) > 1 else ""
        of_run = parts.get(("run", owner, owner, ""), {})
        for folder, frames in by_folder.items():
            of_folder = f" ({folder})" if len(by_folder) > 1 else ""
            # A control in a table has the colour of the run in the same table.
            owner_name = owner + (f" ({folder})" if len(of_run) > 1 and folder in of_run else of_place + of_folder)
            look = _look(looks, owner_name, kind)
            rows = s.one_per_step(pd.concat(frames, ignore_index=True))
            series.append(Series(style.short_name(name + of_place + of_folder), kind, owner_name, rows, *look))
    return series


def entries_of(series: Sequence[Series], benchmark: str, metrics: Collection[str]) -> list[Entry]:
    """List the networks that a benchmark's tables and bars compare: each series at its end and untrained.

    Args:
        series: See `series_of`.
        benchmark: Name of the benchmark.
        metrics: Steps count at which one of these was measured.

    Returns:
        For each run its last step, then step 0 where there is one; for controls and baselines the last step. With
        all rows of the benchmark at that step.
    """
    entries = []
    for one in series:
        rows = one.rows[one.rows[t.BENCHMARK] == benchmark]
        measured = rows[rows[t.METRIC].isin(metrics)][t.STEP]
        if measured.empty:
            continue
        first, last = int(measured.min()), int(measured.max())
        steps = [last, 0] if one.kind == "run" and first == 0 < last else [last]
        entries += [_entry(one, rows[rows[t.STEP] == step], step) for step in steps]
    return entries


def _entry(series: Series, rows: pd.DataFrame, step: int) -> Entry:
    """Describe one network."""
    if series.kind != "run":
        return Entry(series.name, series.kind, step, rows, series)
    if (rows[t.KIND] == "untrained").any():
        return Entry(f"{series.name}, untrained", "untrained", step, rows, series)
    label = f"{series.name}, step {style.short_number(step)}" if step else series.name
    return Entry(label, "trained", step, rows, series)


def _identify(run: str, checkpoint: str, kind: str, parent: str, seed: str) -> tuple[SeriesKind, str, str, str]:
    """Kind and name of a series, name of the run that owns it, and for controls the checkpoint's folder."""
    if parent:
        control: SeriesKind = "permuted" if kind == "permuted" else "untrained"
        name = f"{parent}, {control}" + (f" (seed {seed})" if seed not in ("", "0") else "")
        folder = Path(checkpoint.removeprefix(f"{control}:").removesuffix(f":{seed}")).parent
        return control, name, parent, str(folder)
    name = run or Path(checkpoint).stem or "network"
    return ("baseline" if kind == "baseline" else "run"), name, name, ""


def _look(looks: dict[str, tuple[str, str]], owner: str, kind: SeriesKind) -> tuple[str, str]:
    """Colour and marker: the next free ones for a new run, those of its run for a control."""
    if kind == "baseline":
        return style.BASELINE_COLOUR, "*"
    number = len(looks)
    colours, markers = style.RUN_COLOURS, style.RUN_MARKERS
    return looks.setdefault(owner, (colours[number % len(colours)], markers[number % len(markers)]))


def marker_look(series: Series, fill: str) -> dict[str, Any]:
    """Describe a marker in the series' colour for Matplotlib.

    Args:
        series: Whose marker.
        fill: See `Entry.fill`.

    Returns:
        Keyword arguments; what is not filled is white.
    """
    inside = "white" if fill == "none" else series.colour
    return {
        "marker": series.marker,
        "fillstyle": "full" if fill == "none" else fill,
        "mfc": inside,
        "mfcalt": "white",
        "ms": 7,
    }
