"""The networks that a report compares: runs, their controls and baselines, each with its colour."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from evaluate.metrics.metric import ScoreKind
from evaluate.options import NO_VALUE
from evaluate.report.figures import selection as s
from evaluate.report.figures import style
from evaluate.report.network_names import distinct, readable_names, short_names
from evaluate.run_folder import CHECKPOINTS_FOLDER
from evaluate.scoring import table as t
from networks.external.known import EXTERNAL_NETWORKS

if TYPE_CHECKING:
    import pandas as pd


SeriesKind = Literal["run", "untrained", "permuted", "baseline"]
State = Literal["trained", "untrained", "permuted", "baseline"]
NetworkGroup = Literal["in-house", "external", "baseline", "control"]
"""Group of a network: trained by this project or by the authors of the paper, made by others, a baseline without
training, or a control of one of these."""
MANY_NETWORKS = 9
"""With so many networks, figures of lines show no controls, and tables not every pair."""
SAME_WITHIN = 1e-3
"""Scores of one network that is scored twice differ by no more."""
SAME_SHARE = 0.98
"""Least share of its scores on a benchmark for which this holds."""
CHECKPOINT_SUFFIX = ".ckpt"
_ORDER: tuple[SeriesKind, ...] = ("run", "untrained", "permuted", "baseline")


class _Identity(NamedTuple):
    """What tells a network from others.

    Attributes:
        kind: Kind of its series.
        name: Its run, or its own name; for a control, that of the network and the kind of control.
        owner: The run that it belongs to.
        place: Folder of its checkpoint, if needed to tell networks of this name apart.
        seed: For a control, the seed of its weights.
    """

    kind: SeriesKind
    name: str
    owner: str
    place: str = ""
    seed: str = ""

    @property
    def of_seed(self) -> str:
        """What names say about the seed: nothing about the default, 0."""
        return f" (seed {self.seed})" if self.seed not in ("", "0") else ""


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
        seeds: For a control of several seeds, each of these; its own rows are then their means.
    """

    name: str
    kind: SeriesKind
    owner: str
    rows: pd.DataFrame
    colour: str
    marker: str
    seeds: tuple[Series, ...] = ()

    @property
    def is_scored_before_training(self) -> bool:
        """Whether it has two rows in tables: one after training, one before."""
        return self.kind == "run" and s.is_untrained(self.rows, 0) and bool((self.rows[t.STEP] > 0).any())

    @property
    def is_external(self) -> bool:
        """Whether it is a network of others, or a control of one."""
        parents = {str(parent).partition(" (")[0] for parent in self.rows[t.PARENT]}
        return bool((self.rows[t.KIND] == "external").any()) or any(map(_names_external, parents))

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
    def group(self) -> NetworkGroup:
        """The group that it belongs to in tables and figures."""
        if self.state in ("untrained", "permuted"):
            return "control"
        if self.state == "baseline":
            return "baseline"
        return "external" if self.series.is_external else "in-house"

    def is_permutation_of(self, other: Entry) -> bool:
        """Whether it is another network with permuted weights, on the same benchmark."""
        if self.state != "permuted" or other.state == "permuted":
            return False
        # A run that started from trained weights is there twice: its controls belong to the later network.
        is_of_run = other.state == "trained" and self.series.owner == other.series.owner and self.step <= other.step
        return is_of_run or (other.series.kind != "run" and set(self.rows[t.PARENT]) == set(other.rows[t.RUN]))

    @property
    def seeds(self) -> list[Entry]:
        """The single seeds of a control of several seeds; empty for other networks."""
        found = [(one, _of_step(one, str(self.rows[t.BENCHMARK].iloc[0]), self.step)) for one in self.series.seeds]
        return [_entry(one, rows, self.step) for one, rows in found if len(rows)]

    @property
    def fill(self) -> Literal["full", "none", "left"]:
        """Fill of its markers: full if trained, open if untrained, half if permuted."""
        fills: dict[State, Literal["full", "none", "left"]] = {"untrained": "none", "permuted": "left"}
        return fills.get(self.state, "full")

    @property
    def step_text(self) -> str:
        """Its step in a table, see `table.is_step_known`."""
        parent = self.series.owner if self.series.kind == "untrained" else ""
        return style.short_number(self.step) if t.is_step_known(self.step, self.state, parent) else NO_VALUE


def series_of(tables: Mapping[str, pd.DataFrame]) -> list[Series]:
    """Sort rows of tables into series.

    A network in several tables is one series: its scores agree, or are of different benchmarks and of the same
    checkpoint. Controls that differ in their seed alone are one series, too, with means over seeds.

    A row belongs to the run in its column `run`, or to its checkpoint's file if that is empty. A control belongs to the
    run or network in its column `parent`. Networks that would have the same name are distinguished: runs in several
    tables by the tables' names, runs in one table and controls by the folders of their checkpoints, and an untrained
    control of a run that was itself scored before training by its seed. Such a control is left out on benchmarks on
    which its scores are those of the network from which the run started.

    Args:
        tables: Score tables by name, such as that of the folder.

    Returns:
        Runs, then untrained and permuted controls, then baselines, each in the order of the tables.
    """
    import pandas as pd

    parts: dict[_Identity, dict[str, list[pd.DataFrame]]] = {}
    for folder, table in tables.items():
        for identity, rows in _networks_of(table):
            parts.setdefault(identity, {}).setdefault(folder, []).append(rows)
    parts = {each: _joined(by_folder) for each, by_folder in parts.items()}
    started = {each.owner for each, found in parts.items() if each.kind == "run" and _has_untrained(found)}
    owners = {each.owner for each in parts}
    # The bare name of an external network is that of its untrained control alone: no other name becomes the same.
    short = {name: name for name in owners} | readable_names(owners - set(EXTERNAL_NETWORKS))
    looks: dict[str, tuple[str, str]] = {}
    series: list[Series] = []
    unseeded: dict[str, str] = {}
    for each, by_folder in sorted(parts.items(), key=lambda part: _ORDER.index(part[0].kind)):
        places = [Path(other.place) for other in parts if other._replace(place=each.place) == each]
        of_place = f", in {short_names(places)[places.index(Path(each.place))]}" if len(places) > 1 else ""
        of_seed = f" (seed {each.seed})" if each.kind == "untrained" and each.owner in started else each.of_seed
        run = _Identity("run", each.owner, each.owner)
        of_run = parts.get(run._replace(place=each.place), parts.get(run, {}))
        for folder, frames in by_folder.items():
            of_folder = f", from {folder}" if len(by_folder) > 1 else ""
            # A control in a table has the colour of the run in the same table.
            owner_name = each.owner
            owner_name += f", from {folder}" if len(of_run) > 1 and folder in of_run else of_place + of_folder
            look = _look(looks, owner_name, each.kind)
            rows = s.one_per_step(pd.concat(frames, ignore_index=True))
            of_owner = short[each.owner] + each.name.removeprefix(each.owner)
            name = of_owner + of_seed + of_place + of_folder
            unseeded[name] = of_owner + of_place + of_folder
            series.append(Series(name, each.kind, owner_name, rows, *look))
    series = [one for one in (_without_repeats(each, series) for each in series) if len(one.rows)]
    series = _pooled(series, unseeded)
    short_of = distinct([one.name for one in series], style.short_name)
    return _coloured_by_group([replace(one, name=short_of[one.name]) for one in series])


def _coloured_by_group(series: list[Series]) -> list[Series]:
    """Colour networks in shades of their group, if there are networks of this project and of others."""
    owners: dict[str, bool] = {}
    for one in series:
        if one.kind != "baseline":
            owners.setdefault(one.owner, one.is_external)
    names = {is_external: [name for name in owners if owners[name] == is_external] for is_external in (False, True)}
    if not all(names.values()):
        return series
    colours = dict(zip(names[False], style.shades("in-house", len(names[False])), strict=True))
    colours |= dict(zip(names[True], style.shades("external", len(names[True])), strict=True))
    return [replace(one, colour=colours.get(one.owner, one.colour)) for one in series]


def _names_external(name: str) -> bool:
    return ":" in name or name in EXTERNAL_NETWORKS


def _networks_of(table: pd.DataFrame) -> list[tuple[_Identity, pd.DataFrame]]:
    """List the networks of one table. The place of a run tells it from others of its name in the same table."""
    found = [
        (_identify(*map(str, names)), rows)
        for names, rows in table.groupby([t.RUN, t.CHECKPOINT, t.KIND, t.PARENT, t.SEED], sort=False)
    ]
    places: dict[str, set[str]] = {}
    for each, _ in found:
        if each.kind == "run" and each.place:
            places.setdefault(each.name, set()).add(each.place)
    return [
        (each._replace(place="") if each.kind == "run" and len(places.get(each.name, ())) < 2 else each, rows)
        for each, rows in found
    ]


def _joined(by_folder: Mapping[str, list[pd.DataFrame]]) -> dict[str, list[pd.DataFrame]]:
    """Join the rows of a network that is in the tables of several folders, under the first of them."""
    import pandas as pd

    found: dict[str, list[pd.DataFrame]] = {}
    for folder, frames in by_folder.items():
        rows = pd.concat(frames, ignore_index=True)
        first = next((name for name, others in found.items() if _is_same(pd.concat(others), rows)), folder)
        found.setdefault(first, []).extend(frames)
    return found


def _is_same(first: pd.DataFrame, second: pd.DataFrame) -> bool:
    """Whether rows of one name are of one network: their scores agree or, if none can be compared, their files."""
    keys = [t.BENCHMARK, t.STEP, t.METRIC, t.STAGE, t.REGION, t.SUBJECT]
    both = first.merge(second, on=keys, suffixes=("", "_of_second"))
    if len(both):
        is_equal, is_same = _agreement(both[t.VALUE], both[f"{t.VALUE}_of_second"])
        return bool(is_same.mean() >= SAME_SHARE and is_equal.any())
    return bool(_known_files(first) & _known_files(second))


def _known_files(rows: pd.DataFrame) -> set[str]:
    """Full names of checkpoints, without those that `watch` named as in their run directory."""
    named = {str(name) for name in rows[t.CHECKPOINT]} - {""}
    return {os.path.realpath(name) if os.path.exists(name) else name for name in named if _says_where(name)}


def _says_where(checkpoint: str) -> bool:
    """Whether the name of a checkpoint is more than its place in a run directory."""
    is_relative = str(Path(checkpoint).parent) in (".", CHECKPOINTS_FOLDER)
    return not is_relative or not checkpoint.endswith(CHECKPOINT_SUFFIX)


def _agreement(values: pd.Series, others: pd.Series) -> tuple[pd.Series, pd.Series]:
    """Whether values are equal but for rounding, and whether they are or both are undefined."""
    is_equal = (values - others).abs() <= SAME_WITHIN * (1 + others.abs())
    return is_equal, is_equal | (values.isna() & others.isna())


def _pooled(series: Sequence[Series], unseeded: Mapping[str, str]) -> list[Series]:
    """Make one series of the controls that differ in their seed alone, in the place of the first.

    Args:
        series: All series.
        unseeded: Their names without the seed.
    """
    members: dict[str, list[Series]] = {}
    for one in series:
        key = f"{one.kind} {one.owner} {unseeded[one.name]}" if one.kind in ("untrained", "permuted") else one.name
        members.setdefault(key, []).append(one)
    return [found[0] if len(found) == 1 else _pool(found, unseeded[found[0].name]) for found in members.values()]


def _pool(seeds: Sequence[Series], name: str) -> Series:
    """Average the rows of several seeds."""
    import pandas as pd

    keys = [t.BENCHMARK, t.STEP, t.METRIC, t.STAGE, t.REGION, t.SUBJECT]
    every = pd.concat([one.rows for one in seeds], ignore_index=True)
    means = every.groupby(keys, sort=False)[t.VALUE].mean()
    rows = every.drop_duplicates(keys).set_index(keys, drop=False)
    rows = rows.assign(**{t.VALUE: means}).reset_index(drop=True)
    return replace(seeds[0], name=f"{name} ({len(seeds)} seeds)", rows=s.one_per_step(rows), seeds=tuple(seeds))


def _without_repeats(control: Series, series: Sequence[Series]) -> Series:
    """Leave out benchmarks on which a control repeats the scores of the network from which its run started."""
    for one in series:
        if (one.kind, control.kind, one.owner) == ("run", "untrained", control.owner):
            repeated = _repeated_benchmarks(one, control)
            control = replace(control, rows=control.rows[~control.rows[t.BENCHMARK].isin(repeated)])
    return control


def _repeated_benchmarks(run: Series, control: Series) -> list[str]:
    """The benchmarks on which an untrained control is the network from which a run started, scored again.

    The scores differ in the last digits, as scoring groups sounds and stages in other ways, and with them a unit may
    choose another stage. Nearly all scores of another seed differ by far more than `SAME_WITHIN`.
    """
    keys = [t.BENCHMARK, t.METRIC, t.STAGE, t.REGION, t.SUBJECT]
    start = run.rows[(run.rows[t.STEP] == 0) & (run.rows[t.KIND] == "untrained")]
    both = control.rows.merge(start, on=keys, how="left", suffixes=("", "_of_run"), indicator=True)
    is_equal, is_same = _agreement(both[t.VALUE], both[f"{t.VALUE}_of_run"])
    is_same &= both["_merge"] == "both"
    found = both.assign(is_same=is_same, is_equal=is_equal).groupby(t.BENCHMARK, sort=False)
    return [str(name) for name, rows in found if rows["is_same"].mean() >= SAME_SHARE and rows["is_equal"].any()]


def _has_untrained(by_folder: Mapping[str, Sequence[pd.DataFrame]]) -> bool:
    return any((rows[t.KIND] == "untrained").any() for frames in by_folder.values() for rows in frames)


def series_for(series: Sequence[Series], kind: ScoreKind) -> list[Series]:
    """Select the rows of a kind of score with parts, which take the place of regions; see `ScoreKind.of_parts`."""
    return [replace(one, rows=kind.of_parts(one.rows), seeds=tuple(series_for(one.seeds, kind))) for one in series]


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


def _of_step(one: Series, benchmark: str, step: int) -> pd.DataFrame:
    return one.rows[(one.rows[t.BENCHMARK] == benchmark) & (one.rows[t.STEP] == step)]


def to_draw_as_lines(entries: Sequence[Entry]) -> list[Entry]:
    """Leave out the controls if there are many networks; permuted ones alone, if no network was trained."""
    if len(entries) < MANY_NETWORKS:
        return list(entries)
    has_trained = any(entry.state == "trained" for entry in entries)
    left_out = ("untrained", "permuted") if has_trained else ("permuted",)
    return [entry for entry in entries if entry.state not in left_out]


def _entry(series: Series, rows: pd.DataFrame, step: int) -> Entry:
    """Make the entry of one network."""
    if series.kind != "run":
        return Entry(series.name, series.kind, step, rows, series)
    if s.is_untrained(rows, step):
        return Entry(f"{series.name}, untrained", "untrained", step, rows, series)
    is_known = step > 0 or series.rows[t.STEP].nunique() > 1
    label = f"{series.name}, step {style.short_number(step)}" if is_known else series.name
    return Entry(label, "trained", step, rows, series)


def _identify(run: str, checkpoint: str, kind: str, parent: str, seed: str) -> _Identity:
    """Identify the network of some rows."""
    if parent:
        control: SeriesKind = "permuted" if kind == "permuted" else "untrained"
        place = _folder_of(checkpoint.removeprefix(f"{control}:").removesuffix(f":{seed}"))
        return _Identity(control, f"{parent}, {control}", parent, place, seed or "0")
    name = run or Path(checkpoint).stem or "network"
    # Checkpoints that `watch` scored are named as in the run directory: they say nothing about where it is.
    is_placed = kind in ("trained", "untrained") and str(Path(checkpoint).parent) not in (".", CHECKPOINTS_FOLDER)
    kind_of_series: SeriesKind = "baseline" if kind == "baseline" else "run"
    return _Identity(kind_of_series, name, name, _folder_of(checkpoint) if is_placed else "")


def _folder_of(checkpoint: str) -> str:
    return os.path.realpath(Path(checkpoint).parent)


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
