"""Tests between networks, and between regions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from evaluate.benchmarks.benchmark import ALL
from evaluate.metrics.standard_errors import within_participant_error
from evaluate.options import NO_VALUE
from evaluate.report.comparisons import (
    MIN_MODELS_FOR_WILCOXON,
    PairTest,
    compare_networks,
    compare_regions,
    summarise,
)
from evaluate.report.error_texts import FEW_NOTE
from evaluate.report.figures import style
from evaluate.report.figures.selection import ScoreKind
from evaluate.report.figures.series import MANY_NETWORKS, Entry
from evaluate.report.page import Cell, Folded, Heading, Paragraph, Part, TableRow, ValueTable
from evaluate.report.significance import Comparison, few_text
from evaluate.report.tables.cells import name_cell, p_value
from evaluate.scoring import table as t

PARTICIPANT_TESTS = (
    "Over participants: standard error of the difference within each participant, and p of the published bootstrap, "
    "which is at least 2⁻ⁿ for n participants."
)
ITERATION_TESTS = (
    "Column p, as published, permutes iterations of stage selection, which are not independent: it is nearly always "
    "below 0.001, and does not mean that the difference would be found with other sounds."
)
SOUND_TESTS = (
    "Over sounds: standard error and one-tailed p of the difference between the networks in the same splits, corrected "
    "for the overlap of the splits. They say whether it would be found with other sounds."
)


def comparisons(entries: Sequence[Entry], kind: ScoreKind, regions: Sequence[str]) -> Iterator[Part]:
    """Make the table of tests between networks.

    Args:
        entries: See `entries_of`.
        kind: Kind of score.
        regions: Regions of the benchmark; tests in single regions are in a folded table.

    Yields:
        Heading and tables, or a sentence if nothing can be tested.
    """
    if len(entries) < 2:
        return
    yield Heading("Comparisons", 3)
    if sum(entry.group != "control" for entry in entries) >= MANY_NETWORKS:
        many = (
            f"Pairs of networks are tested in reports of fewer than {MANY_NETWORKS}; this one has only their controls."
        )
        yield Paragraph(many, "soft")
    tests = {region: compare_networks(entries, kind.best_metric, region) for region in regions}
    if not any(tests.values()):
        nothing = "No tests: the table has no values of single participants or iterations of stage selection."
        yield Paragraph(nothing, "soft")
        return
    every = [test for found in tests.values() for test in found]
    of_components = any(test.method == "permutation" for test in every)
    has_sounds = any(test.over_sounds is not None for test in every)
    has_participants = any(test.method == "bootstrap" for test in every)
    header = ["higher", "lower", "region", "difference"]
    header += ["± over participants"] if has_participants else []
    header += ["± over sounds", "p over sounds"] if has_sounds else []
    header += ["p over participants" if has_participants else "p", "n", "test"]
    rows: dict[str, list[TableRow]] = {
        region: [
            [
                test.higher,
                test.lower,
                style.region_title(region, regions),
                f"{test.result.difference:+.3f}",
                *([_error(test.participant_error)] if has_participants else []),
                *(_over_sounds(test.over_sounds) if has_sounds else []),
                p_value(test.result.p_value),
                _number(test),
                test.method,
            ]
            for test in found
        ]
        for region, found in tests.items()
    }
    notes = [PARTICIPANT_TESTS] if has_participants else []
    notes += [ITERATION_TESTS] if of_components else []
    notes += [SOUND_TESTS] if has_sounds else []
    notes += [FEW_NOTE] if any(_few(test) for test in every) else []
    caption = " ".join(notes)
    text = (0, 1, 2, len(header) - 1)
    if rows.get(ALL):
        yield ValueTable(header, rows[ALL], caption=caption, text_columns=text)
    others = [row for region, found in rows.items() if region != ALL for row in found]
    if others:
        table = ValueTable(header, others, caption="" if rows.get(ALL) else caption, text_columns=text)
        yield Folded(f"Comparisons in single {kind.columns}", [table])


def published_errors(entries: Sequence[Entry], kind: ScoreKind, regions: Sequence[str]) -> Iterator[Part]:
    """Make the table of the published error bars, which are for comparisons of these networks alone.

    Args:
        entries: See `entries_of`.
        kind: Kind of score.
        regions: Regions of the benchmark.

    Yields:
        A folded table; nothing without two networks and two participants.
    """
    summaries = [summarise([entry.rows for entry in entries], kind.best_metric, region) for region in regions]
    errors = [
        within_participant_error(each.values) if each.sample_kind == "participants" else np.full(len(entries), np.nan)
        for each in summaries
    ]
    if len(entries) < 2 or np.isnan(errors).all():
        return
    rows: list[TableRow] = [
        [name_cell(entry), entry.step_text, *(NO_VALUE if np.isnan(each) else f"{each:.3f}" for each in of_entry)]
        for entry, of_entry in zip(entries, np.transpose(errors), strict=True)
    ]
    caption = (
        "Errors within participants: standard errors over participants after each participant's mean over these "
        f"{len(entries)} networks is subtracted: the error bars of Tuckute, Feather et al. 2023. They are about "
        "differences between these networks, and change with the networks of a report, as other errors do not."
    )
    header = ["network", "step", *(style.region_title(region, regions) for region in regions)]
    yield Folded("Errors within participants, as published", [ValueTable(header, rows, caption=caption)])


def _over_sounds(found: Comparison | None) -> list[str]:
    """Format the error of a difference over sounds and its p value."""
    if found is None or np.isnan(found.p_value):
        return [NO_VALUE, NO_VALUE]
    return [_error(abs(found.difference / found.statistic)), p_value(found.p_value)]


def _error(error: float) -> str:
    return NO_VALUE if np.isnan(error) else f"± {error:.3f}"


def _few(test: PairTest) -> str:
    """Remark on the number of participants of a test, if they are few."""
    return few_text(min(test.result.num_first, test.result.num_second)) if test.method == "bootstrap" else ""


def _number(test: PairTest) -> Cell:
    return Cell(f"{test.result.num_first} / {test.result.num_second}", _few(test))


def region_tests(entries: Sequence[Entry], regions: Sequence[str]) -> Iterator[Part]:
    """Make the table of tests of best-stage positions between regions, over networks.

    Args:
        entries: See `entries_of`.
        regions: Regions of the benchmark.

    Yields:
        The table, or a sentence if there are too few networks; nothing without a region "Primary".
    """
    if "Primary" not in regions:
        return
    found = compare_regions(entries, t.REGION_STAGE_POSITION, regions)
    if not found:
        too_few = (
            f"Tests between regions (Wilcoxon, over networks) need at least {MIN_MODELS_FOR_WILCOXON} trained networks."
        )
        yield Paragraph(too_few, "soft")
        return
    rows = [
        [f"{region} − Primary", f"{test.difference:+.3f}", p_value(test.p_value), str(test.num_first)]
        for region, test in found.items()
    ]
    caption = "Relative position of the best stage: two-sided Wilcoxon signed-rank test over networks."
    yield ValueTable(["regions", "median difference", "p", "networks"], rows, caption=caption)
