"""The networks that a report compares: runs, their controls and baselines, each with its colour."""

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
        name: Name in legends, unique in a report.
        kind: A run, a control (untrained or with permuted weights), or a baseline without training.
        owner: Name of its run; for a control, of the run that it belongs to.
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
        """Line style: solid for runs and baselines, dotted for permuted networks, dashed for untrained networks."""
        return {"run": "-", "permuted": ":", "untrained": "--", "baseline": "-"}[self.kind]


@dataclass(frozen=True, eq=False)
class Entry:
    """One network at one step, scored on one benchmark.

    Attributes:
        label: Label in tables and legends.
        state: Trained, untrained, permuted or baseline.
        step: Optimiser step.
        rows: Its rows of the table, for one benchmark.
        series: Series that it belongs to.
    """

    label: str
    state: State
    step: int
    rows: pd.DataFrame
    series: Series

    @property
    def fill(self) -> Literal["full", "none", "left"]:
        """Fill of its markers: full if trained, open if untrained, half if permuted."""
        fills: dict[State, Literal["full", "none", "left"]] = {"untrained": "none", "permuted": "left"}
        return fills.get(self.state, "full")


def series_of(tables: Mapping[str, pd.DataFrame]) -> list[Series]:
    """Sort rows of tables into series.

    A row belongs to the run in its column `run`, or to its checkpoint's file if that is empty. A control belongs to the
    run or network in its column `parent`. Runs with the same name in several tables are distinguished by the tables'
    names, controls with the same name by the folders of their checkpoints.

    Args:
        tables: Score tables by name, such as that of the folder.

    Returns:
        Runs, then untrained and permuted controls, then baselines, each in the order of the tables.
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
    """List the networks that a benchmark's tables and bars compare: each series after and before training.

    Args:
        series: See `series_of`.
        benchmark: Name of the benchmark.
        metrics: Only steps at which one of these metrics was measured are used.

    Returns:
        For each run the last step, then step 0 if it was scored; for controls and baselines the last step. Each entry
        has all rows of the benchmark at its step.
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
    """Make the entry of one network."""
    if series.kind != "run":
        return Entry(series.name, series.kind, step, rows, series)
    if (rows[t.KIND] == "untrained").any():
        return Entry(f"{series.name}, untrained", "untrained", step, rows, series)
    label = f"{series.name}, step {style.short_number(step)}" if step else series.name
    return Entry(label, "trained", step, rows, series)


def _identify(run: str, checkpoint: str, kind: str, parent: str, seed: str) -> tuple[SeriesKind, str, str, str]:
    """Kind and name of a series, name of its run, and for controls the folder of the checkpoint."""
    if parent:
        control: SeriesKind = "permuted" if kind == "permuted" else "untrained"
        name = f"{parent}, {control}" + (f" (seed {seed})" if seed not in ("", "0") else "")
        folder = Path(checkpoint.removeprefix(f"{control}:").removesuffix(f":{seed}")).parent
        return control, name, parent, str(folder)
    name = run or Path(checkpoint).stem or "network"
    return ("baseline" if kind == "baseline" else "run"), name, name, ""


def _look(looks: dict[str, tuple[str, str]], owner: str, kind: SeriesKind) -> tuple[str, str]:
    """Choose colour and marker: the next free ones for a new run, those of its run for a control."""
    if kind == "baseline":
        return style.BASELINE_COLOUR, "*"
    number = len(looks)
    colours, markers = style.RUN_COLOURS, style.RUN_MARKERS
    return looks.setdefault(owner, (colours[number % len(colours)], markers[number % len(markers)]))


def marker_look(series: Series, fill: str) -> dict[str, Any]:
    """Describe a marker of a series for Matplotlib.

    Args:
        series: The series.
        fill: See `Entry.fill`.

    Returns:
        Keyword arguments; parts that are not filled are white.
    """
    inside = "white" if fill == "none" else series.colour
    return {
        "marker": series.marker,
        "fillstyle": "full" if fill == "none" else fill,
        "mfc": inside,
        "mfcalt": "white",
        "ms": 7,
    }
