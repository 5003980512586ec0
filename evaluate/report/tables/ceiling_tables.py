"""Scores as shares of what can be explained."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from evaluate.metrics.between_participants import NUM_UNDEFINED, OTHER_PARTICIPANTS
from evaluate.report.comparisons import (
    ceilings_of,
    count,
    share_of_ceiling,
    summarise,
)
from evaluate.report.error_texts import error_text, errors_of
from evaluate.report.figures import style
from evaluate.report.figures.selection import ScoreKind
from evaluate.report.figures.series import Entry
from evaluate.report.page import Part, RowTitle, TableRow, ValueTable
from evaluate.report.tables.cells import name_cell, regions_of_kind, score_cell
from networks.text.wording import counted


def shares_of_ceilings(entries: Sequence[Entry], kind: ScoreKind) -> Iterator[Part]:
    """Make the table of scores as shares of what is reliable, and of what other participants explain.

    Args:
        entries: See `entries_of`.
        kind: Kind of score.

    Yields:
        The table; nothing if it has no ceilings between participants.
    """
    regions = regions_of_kind(entries, kind)
    if kind.ceiling_label != OTHER_PARTICIPANTS or np.isnan(ceilings_of(entries, kind, regions)).all():
        return
    summaries = [summarise([entry.rows for entry in entries], kind.best_metric, region) for region in regions]
    reliable: list[TableRow] = []
    explained: list[TableRow] = []
    for number, entry in enumerate(entries):
        own = [score_cell(summary.means[number], *errors_of(summary, number)) for summary in summaries]
        reliable.append([name_cell(entry), entry.step_text, *own])
        shares = [share_of_ceiling(entry.rows, kind, region) for region in regions]
        cells = [
            score_cell(each.value, error_text(each.error, "participants", num_participants=each.num_participants))
            for each in shares
        ]
        explained.append([name_cell(entry), entry.step_text, *cells])
    rows: list[TableRow | RowTitle] = []
    if kind.is_noise_corrected:
        rows += [RowTitle("share of the reliable variance"), *reliable]
    rows += [RowTitle("share of what other participants explain"), *explained]
    counts = [count(entry.rows, kind.ceiling_metric + NUM_UNDEFINED) for entry in entries]
    num_without = next((number for number in counts if number is not None), 0)
    caption = (
        "Scores at the best stage as shares of ceilings. Other participants: the responses of their units in the same "
        f"region, as features of the same encoding model.{_without_ceiling(num_without)}"
    )
    header = ["network", "step", *(style.region_title(region, regions) for region in regions)]
    yield ValueTable(header, rows, caption=caption)


def _without_ceiling(num_units: int) -> str:
    if not num_units:
        return ""
    return (
        f" Without such a ceiling: {counted(num_units, 'unit')}, as no other participant has units in the same region; "
        "the scores over all regions contain them, the ceiling does not."
    )
