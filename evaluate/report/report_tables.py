"""Tables of the report."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import product

import numpy as np

from evaluate.benchmarks.benchmark import ALL
from evaluate.options import NO_VALUE
from evaluate.report.comparisons import MIN_MODELS_FOR_WILCOXON, compare_networks, compare_regions, count, summarise
from evaluate.report.figures import selection as s
from evaluate.report.figures import style
from evaluate.report.figures.probes import probe_curve
from evaluate.report.figures.selection import ScoreKind
from evaluate.report.figures.series import Entry, Series, entries_of
from evaluate.report.page import Cell, Folded, Heading, Paragraph, Part, TableRow, ValueTable
from evaluate.report.published_values import BASELINE_MODEL
from evaluate.report.seed_groups import Group
from evaluate.report.significance import PUBLISHED_NUM_RESAMPLES
from evaluate.scoring import table as t


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

    looks: dict[str, Cell] = {}
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
        for entry, mean, error in zip(entries, summary.means, summary.errors, strict=True):
            looks.setdefault(entry.label, _name(entry))
            cells.setdefault(entry.label, {})[column] = _score(mean, error)
    if not columns:
        return Paragraph("No score at a best stage; the scores of single stages are below.", "soft")
    rows = [[looks[label], *(own.get(column, NO_VALUE) for column in columns)] for label, own in cells.items()]
    return ValueTable(["network", *columns], rows)


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
    regions = _regions(entries, kind)
    summaries = [summarise(frames, kind.best_metric, region) for region in regions]
    rows: list[TableRow] = []
    for number, entry in enumerate(entries):
        scores = [_score(summary.means[number], summary.errors[number]) for summary in summaries]
        counts = [_count(count(entry.rows, metric)) for _, metric in kind.counts]
        rows.append([_name(entry), style.short_number(entry.step), *scores, *counts])
    below = []
    published = [s.published_score(kind, benchmark, region) for region in regions]
    ceilings = [summarise(frames, kind.ceiling_metric, region, stage=ALL).means for region in regions]
    for label, values in (
        (f"{BASELINE_MODEL} (published)", published),
        ("ceiling", [next((value for value in ceiling if not np.isnan(value)), None) for ceiling in ceilings]),
    ):
        if any(value is not None for value in values):
            shown = [NO_VALUE if value is None else f"{value:.3f}" for value in values]
            below.append([label, "", *shown, *("" for _ in kind.counts)])
    titles = [style.region_title(region, regions) for region in regions]
    notes = {
        "undefined": "Undefined: (unit or subject, split) pairs without a score, over all stages.",
        "ties": "Ties: (unit, split) pairs for which no penalty of the regression helped, over all stages.",
    }
    caption = " ".join([f"{sentence(kind.label)} ± standard error.", *(notes[title] for title, _ in kind.counts)])
    header = ["network", "step", *titles, *(title for title, _ in kind.counts)]
    return ValueTable(header, rows, caption=caption, published=below)


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
            rows.append([_name(entry), str(stage), _score(accuracy, error, num_digits=1), f"{chance:.1f}"])
    caption = (
        "% of test sounds classified correctly, mean over folds ± standard error; chance: the fraction of the most "
        "common label."
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
            *(_score(mean, error) for mean, error in zip(group.means, group.errors, strict=True)),
        ]
        for group in groups
    ]
    titles = [style.region_title(region, regions) for region in regions]
    caption = f"{sentence(kind.label)}, mean over runs that differ only in their seed ± standard error over them."
    return ValueTable(["runs", "seeds", *titles], rows, caption=caption)


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
    tests = {region: compare_networks(entries, kind.best_metric, region) for region in regions}
    if not any(tests.values()):
        nothing = "No tests: the table has no values of single participants or iterations of stage selection."
        yield Paragraph(nothing, "soft")
        return
    header = ["higher", "lower", "region", "difference", "p", "n", "test"]
    rows = {
        region: [
            [
                test.higher,
                test.lower,
                style.region_title(region, regions),
                f"{test.result.difference:+.3f}",
                p_value(test.result.p_value),
                f"{test.result.num_first} / {test.result.num_second}",
                test.method,
            ]
            for test in found
        ]
        for region, found in tests.items()
    }
    text = (0, 1, 2, 6)
    if rows.get(ALL):
        yield ValueTable(header, rows[ALL], text_columns=text)
    others = [row for region, found in rows.items() if region != ALL for row in found]
    if others:
        yield Folded("Comparisons in single regions", [ValueTable(header, others, text_columns=text)])


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


def counts(entries: Sequence[Entry], kind: ScoreKind) -> Part:
    """Make the table of undefined scores and ties.

    Args:
        entries: See `entries_of`.
        kind: Kind of score.

    Returns:
        One row per network and stage.
    """
    rows = [
        [entry.label, stage, *(_count(count(entry.rows, metric, stage)) for _, metric in kind.counts)]
        for entry in entries
        for stage in s.stages_of(entry.rows[entry.rows[t.METRIC] == kind.stage_metric])
    ]
    return ValueTable(["network", "stage", *(title for title, _ in kind.counts)], rows, text_columns=(0, 1))


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


def sentence(text: str) -> str:
    """Capitalise the first letter of a string, without changing the others."""
    return text[:1].upper() + text[1:]


def p_value(p: float) -> str:
    """Format a p value.

    Args:
        p: From 0 to 1, or NaN.

    Returns:
        A text such as "0.012" or "< 0.001"; never less than the smallest value that resampling can give.
    """
    if np.isnan(p):
        return NO_VALUE
    smallest = 1 / (PUBLISHED_NUM_RESAMPLES + 1)
    return "< 0.001" if p < 0.001 else f"{max(p, smallest):.3f}"


def _regions(entries: Sequence[Entry], kind: ScoreKind) -> list[str]:
    found: dict[str, None] = {}
    for entry in entries:
        rows = t.summary_rows(entry.rows)
        found |= dict.fromkeys(s.regions_of(rows[rows[t.METRIC] == kind.best_metric]))
    return sorted(found, key=lambda region: region != ALL)


def _name(entry: Entry) -> Cell:
    return Cell(entry.label, colour=entry.series.colour, is_filled=entry.state in ("trained", "baseline"))


def _score(mean: float, error: float, *, num_digits: int = 3) -> Cell:
    if np.isnan(mean):
        return Cell(NO_VALUE)
    shown = f"{mean:.{num_digits}f}"
    return Cell(shown) if np.isnan(error) else Cell(shown, note=f"± {error:.{num_digits}f}")


def _count(number: int | None) -> str:
    return NO_VALUE if number is None else str(number)
