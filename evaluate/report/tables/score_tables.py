"""Tables of scores: at the best stage, of stages, seeds, probes and listeners."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from evaluate.benchmarks.benchmark import ALL
from evaluate.metrics.selected_stage import ONE_STAGE, has_choice, has_one_stage, selected_stages
from evaluate.options import NO_VALUE
from evaluate.report.comparisons import (
    ceilings_of,
    count,
    seed_errors,
    summarise,
)
from evaluate.report.error_texts import drawn_error_of, error_notes, error_text, errors_of
from evaluate.report.figures import selection as s
from evaluate.report.figures import style
from evaluate.report.figures.probes import probe_curve
from evaluate.report.figures.selection import ScoreKind
from evaluate.report.figures.series import Entry, NetworkGroup, Series, entries_of
from evaluate.report.network_groups import in_groups
from evaluate.report.network_names import stage_labels
from evaluate.report.page import Cell, Folded, Paragraph, Part, TableRow, ValueTable
from evaluate.report.published_values import published_label
from evaluate.report.seed_groups import Group
from evaluate.report.tables.cells import count_text, name_cell, regions_of_kind, score_cell, sentence
from evaluate.scoring import table as t

if TYPE_CHECKING:
    import pandas as pd


def overview(series: Sequence[Series], benchmarks: Sequence[str], kinds: Iterable[ScoreKind] = ()) -> Part:
    """Make the table of all networks on all benchmarks.

    Args:
        series: See `series_of`.
        benchmarks: Names of the benchmarks.
        kinds: Kinds of users' metrics.

    Returns:
        One row per network, one column per benchmark and kind of score: the score at the best stage over all units.
    """
    import pandas as pd

    shown: dict[str, Entry] = {}
    cells: dict[str, dict[str, Cell]] = {}
    columns = []
    table = pd.concat([one.rows for one in series]) if series else t.make_table([])
    for benchmark, kind in product(benchmarks, s.score_kinds_of(table, kinds)):
        entries = entries_of(series, benchmark, kind.metrics)
        if not entries:
            continue
        column = f"{benchmark}: {kind.title}"
        columns.append(column)
        summary = summarise([entry.rows for entry in entries], kind.best_metric, ALL)
        if np.isnan(summary.means).all():  # such as a score of parts, which are not summed up
            columns.pop()
            continue
        for number, (entry, mean) in enumerate(zip(entries, summary.means, strict=True)):
            shown.setdefault(entry.label, entry)
            cells.setdefault(entry.label, {})[column] = score_cell(mean, drawn_error_of(summary, number))
    if not columns:
        return Paragraph("No score at a best stage; the scores of single stages are below.", "soft")
    rows = [
        (shown[label].group, [name_cell(shown[label]), *(own.get(column, NO_VALUE) for column in columns)])
        for label, own in cells.items()
    ]
    return ValueTable(["network", *columns], in_groups(rows))


def best_scores(entries: Sequence[Entry], benchmark: str, kind: ScoreKind) -> Part:
    """Make the table of scores at the best stage.

    Args:
        entries: See `entries_of`.
        benchmark: Name of the benchmark.
        kind: Kind of score.

    Returns:
        One row per network, one column per region, with errors and counts; the published baseline below.
    """
    frames = [entry.rows for entry in entries]
    regions = regions_of_kind(entries, kind)
    summaries = [summarise(frames, kind.best_metric, region) for region in regions]
    over_seeds = [seed_errors(entries, kind.best_metric, region) for region in regions]
    rows: list[tuple[NetworkGroup, TableRow]] = []
    for number, entry in enumerate(entries):
        scores = [
            score_cell(summary.means[number], *errors_of(summary, number, seed_error=of_seeds[number]))
            for summary, of_seeds in zip(summaries, over_seeds, strict=True)
        ]
        counts = [count_text(count(entry.rows, metric)) for _, metric in kind.counts]
        rows.append((entry.group, [name_cell(entry), entry.step_text, *scores, *counts]))
    below = []
    published = [s.published_score(kind, benchmark, region) for region in regions]
    for label, values in (
        (published_label(), [np.nan if value is None else value for value in published]),
        (kind.ceiling_label, ceilings_of(entries, kind, regions)),
    ):
        if not np.isnan(values).all():
            shown = [NO_VALUE if np.isnan(value) else f"{value:.3f}" for value in values]
            below.append([label, "", *shown, *("" for _ in kind.counts)])
    titles = [style.region_title(region, regions) for region in regions]
    notes = {
        "undefined": "Undefined: (unit or subject, split) pairs without a score, over all stages.",
        "ties": "Ties: (unit, split) pairs for which no penalty of the regression helped, over all stages.",
    }
    errors = error_notes(summaries)
    parts = (
        f"{sentence(kind.label)}{', ± standard errors' if errors else ''}.",
        errors,
        ONE_STAGE if any(has_one_stage(entry.rows, kind) for entry in entries) else "",
        kind.note,
        *(notes[title] for title, _ in kind.counts),
    )
    caption = " ".join(filter(None, parts))
    header = ["network", "step", *titles, *(title for title, _ in kind.counts)]
    return ValueTable(header, in_groups(rows), caption=caption, published=below)


def stage_ends(entries: Sequence[Entry], kind: ScoreKind) -> Part:
    """Make the table of the stages with the lowest and the highest score, for a kind without a best stage.

    Args:
        entries: See `entries_of`.
        kind: Kind of score.

    Returns:
        One row per network, or per network and part.
    """
    rows: list[TableRow] = []
    for entry in entries:
        of_kind = t.summary_rows(entry.rows)
        of_kind = of_kind[of_kind[t.METRIC] == kind.stage_metric]
        for part in [ALL] if kind.parts is None else s.regions_of(of_kind):
            by_stage = of_kind[of_kind[t.REGION] == part].set_index(t.STAGE)[t.VALUE].dropna()
            if by_stage.empty:
                continue
            ends = (str(by_stage.idxmin()), str(by_stage.idxmax()))
            cells = [Cell(f"{by_stage[stage]:.4g}", note=stage) for stage in ends]
            rows.append([name_cell(entry), entry.step_text, *([] if kind.parts is None else [part]), *cells])
    header = ["network", "step", *([] if kind.parts is None else ["part"]), "lowest", "highest"]
    caption = " ".join(filter(None, (f"{sentence(kind.label)}: the lowest and the highest of the stages.", kind.note)))
    return ValueTable(header, rows, caption=caption)


def best_stages(entries: Sequence[Entry], kind: ScoreKind) -> Iterator[Part]:
    """Make the table of the best stages by region.

    Args:
        entries: See `entries_of`.
        kind: Kind of score.

    Yields:
        The table, with one row per network of several stages; nothing if the table does not say which were selected.
    """
    regions = regions_of_kind(entries, kind)
    with_choice = [entry for entry in entries if has_choice(entry.rows, kind)]
    found = [selected_stages(entry.rows, kind) for entry in with_choice]
    if not any(found):
        return
    rows: list[tuple[NetworkGroup, TableRow]] = [
        (
            entry.group,
            [
                name_cell(entry),
                entry.step_text,
                *(
                    Cell(stages[region].name, note=f"{100 * stages[region].share:.0f} %")
                    if region in stages
                    else NO_VALUE
                    for region in regions
                ),
            ],
        )
        for entry, stages in zip(with_choice, found, strict=True)
    ]
    caption = (
        "Best stage: the one that was selected most often, with its share of all selections (over units and iterations "
        "of stage selection, or over participants and splits)."
    )
    header = ["network", "step", *(style.region_title(region, regions) for region in regions)]
    yield ValueTable(header, in_groups(rows), caption=caption)


def likeness(entries: Sequence[Entry]) -> Part:
    """Make the table of how alike networks and listeners are.

    Args:
        entries: See `entries_of`.

    Returns:
        One row per network: mean accuracy, correlation and root mean square difference over conditions, and the number
        of sounds that are left out; listeners below.
    """
    rows: list[TableRow] = []
    for entry in entries:
        values = _of_conditions(entry)
        metrics = (t.BEHAVIOUR_ACCURACY, t.BEHAVIOUR_R, t.BEHAVIOUR_RMSE)
        cells = [score_cell(values.get(metric, np.nan)) for metric in metrics]
        rows.append([name_cell(entry), entry.step_text, *cells, count_text(count(entry.rows, t.BEHAVIOUR_NUM_UNKNOWN))])
    caption = (
        "Mean accuracy over conditions, and its likeness to that of listeners over conditions: Pearson's correlation, "
        "and root mean square difference. Left out: sounds whose right answer is not a class of the network."
    )
    human = next(
        (value for entry in entries for value in [_of_conditions(entry).get(t.HUMAN_ACCURACY)] if value), np.nan
    )
    header = ["network", "step", "mean accuracy", "correlation", "RMSE", "left out"]
    return ValueTable(header, rows, caption=caption, published=[["listeners", "", f"{human:.3f}", "", "", ""]])


def _of_conditions(entry: Entry) -> dict[str, float]:
    """Values over all conditions by metric."""
    rows = t.summary_rows(entry.rows)
    rows = rows[rows[t.REGION] == ALL]
    return {str(metric): float(value) for metric, value in zip(rows[t.METRIC], rows[t.VALUE], strict=True)}


def probes(entries: Sequence[Entry]) -> Part:
    """Make the table of linear probes of one collection of sounds.

    Args:
        entries: See `entries_of`.

    Returns:
        One row per network and stage: accuracy, its standard error over folds, and chance.
    """
    rows: list[TableRow] = []
    for entry in entries:
        for stage, values in probe_curve(entry.rows).iterrows():
            accuracy, error, chance = (100 * float(value) for value in values)
            cell = score_cell(accuracy, error_text(error, "folds", num_digits=1), num_digits=1)
            rows.append([name_cell(entry), str(stage), cell, f"{chance:.1f}"])
    caption = (
        "% of test sounds classified correctly, mean over folds ± standard error over them; chance: the fraction of "
        "the most common label."
    )
    return ValueTable(["network", "stage", "accuracy", "chance"], rows, caption=caption, text_columns=(0, 1))


def seed_groups(groups: Sequence[Group], regions: Sequence[str], kind: ScoreKind) -> Part:
    """Make the table of means over seeds.

    Args:
        groups: See `groups_of`.
        regions: Regions, in the order of the groups' scores.
        kind: Kind of score.

    Returns:
        One row per group, one column per region.
    """
    rows: list[TableRow] = [
        [
            Cell(group.label, colour=group.colour, is_filled=group.state in ("trained", "baseline")),
            str(group.num_networks),
            *(
                score_cell(mean, error_text(error, "seeds"))
                for mean, error in zip(group.means, group.errors, strict=True)
            ),
        ]
        for group in groups
    ]
    titles = [style.region_title(region, regions) for region in regions]
    caption = f"{sentence(kind.label)}, mean over runs that differ only in their seed ± standard error over them."
    return ValueTable(["runs", "seeds", *titles], rows, caption=caption)


def counts(entries: Sequence[Entry], kind: ScoreKind) -> Part:
    """Make the table of undefined scores and ties.

    Args:
        entries: See `entries_of`.
        kind: Kind of score.

    Returns:
        One row per network and stage.
    """
    rows = [
        [entry.label, stage, *(count_text(count(entry.rows, metric, stage)) for _, metric in kind.counts)]
        for entry in entries
        for stage in s.stages_of(entry.rows[entry.rows[t.METRIC] == kind.stage_metric])
    ]
    return ValueTable(["network", "stage", *(title for title, _ in kind.counts)], rows, text_columns=(0, 1))


def short_names(rows: pd.DataFrame) -> Iterator[Part]:
    """Make the table of stages whose names are shorter in figures; nothing if there are none.

    Args:
        rows: Rows of all networks.
    """
    found: dict[str, str] = {}
    for _, of_network in rows.groupby([t.RUN, t.CHECKPOINT], sort=False):
        stages = s.stages_of(of_network)
        found |= {stage: label for stage, label in zip(stages, stage_labels(stages), strict=True) if stage != label}
    if found:
        table = ValueTable(
            ["in figures", "stage"], [[label, stage] for stage, label in found.items()], text_columns=(0, 1)
        )
        yield Folded("Names of stages that are shorter in figures", [table])


def failures(series: Sequence[Series]) -> Iterator[Part]:
    """Make warnings about failed evaluations.

    Args:
        series: See `series_of`.

    Yields:
        A warning for each failure.
    """
    for one in series:
        for row in one.rows[one.rows[t.METRIC] == t.FAILED].itertuples():
            text = f"Scoring {one.name} on {row.benchmark} at step {row.step} failed; see the run's log."
            yield Paragraph(text, "warning")
