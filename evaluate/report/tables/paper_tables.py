"""Tables that compare networks with the baseline and with the published models."""

from collections.abc import Iterator, Sequence

import numpy as np

from evaluate.benchmarks.benchmark import ALL
from evaluate.options import NO_VALUE
from evaluate.report.against_baseline import BETTER, LEVEL, BaselineTest, baseline_of, compare_with_baseline
from evaluate.report.comparisons import summarise
from evaluate.report.error_texts import FEW_NOTE, error_text
from evaluate.report.figures import selection as s
from evaluate.report.figures import style
from evaluate.report.figures.selection import ScoreKind
from evaluate.report.figures.series import Entry, NetworkGroup
from evaluate.report.network_groups import in_groups, published_as
from evaluate.report.page import Cell, Folded, Heading, Paragraph, Part, TableRow, ValueTable
from evaluate.report.published_values import BASELINE_MODEL, PUBLISHED_MODELS
from evaluate.report.significance import few_text
from evaluate.report.tables.cells import name_cell, p_value, sentence

_HOW = {
    "participants": "paired over participants",
    "sounds": "paired over the splits of the sounds, with the error of the difference corrected for their overlap "
    "(Nadeau & Bengio 2003)",
}


def against_baseline(entries: Sequence[Entry], kind: ScoreKind, regions: Sequence[str]) -> Iterator[Part]:
    """Say which networks predict better than the baseline.

    Args:
        entries: See `entries_of`.
        kind: Kind of score.
        regions: Regions of the benchmark.

    Yields:
        Heading, a sentence and a table; nothing if no network can be compared with a baseline.
    """
    tests = {region: compare_with_baseline(entries, kind.best_metric, region) for region in regions}
    tests = {region: found for region, found in tests.items() if found}
    baseline = baseline_of(entries)
    if not tests or baseline is None:
        return
    yield Heading(f"{sentence(kind.title)}: better than {baseline.label}?", 3)
    if ALL in tests:
        yield Paragraph(_in_words(tests[ALL], baseline.label))
    by_label = {test.entry.label: test.entry for found in tests.values() for test in found}
    cells = {(region, test.entry.label): _difference(test) for region, found in tests.items() for test in found}
    rows: list[tuple[NetworkGroup, TableRow]] = []
    for label, entry in by_label.items():
        rows.append((entry.group, [name_cell(entry), *(cells.get((region, label), NO_VALUE) for region in tests)]))
    every = [test for found in tests.values() for test in found]
    how = " or ".join(_HOW[pairs] for pairs in sorted({test.pairs for test in every}))
    number = len(by_label)
    caption = (
        f"Difference from {baseline.label} ± standard errors of the difference, and one-tailed p of a t test {how}. In "
        f"each column, p is corrected for the number of networks ({number}; Holm 1979). {BETTER}: better, p < {LEVEL}."
    )
    if any(_few(test) for test in every):
        caption += f" {FEW_NOTE}"
    header = ["network", *(style.region_title(region, list(tests)) for region in tests)]
    yield ValueTable(header, in_groups(rows), caption=caption)


def published(entries: Sequence[Entry], benchmark: str, kind: ScoreKind) -> Iterator[Part]:
    """Make the table of the published models, next to scored networks of their names.

    Args:
        entries: See `entries_of`.
        benchmark: Name of the benchmark.
        kind: Kind of score.

    Yields:
        The table, folded if no network but the baseline has a name in it; nothing without published scores.
    """
    regions = s.published_regions(kind, benchmark)
    if not regions:
        return
    own = {model: [entry for entry in entries if published_as(entry) == model] for model in PUBLISHED_MODELS}
    has_permuted = any(s.published_permuted(kind, benchmark, ALL, model) is not None for model in PUBLISHED_MODELS)
    rows: list[tuple[NetworkGroup, TableRow]] = []
    for model, of_model in own.items():
        scored: list[Entry | None] = [*of_model] or [None]
        for entry in scored:
            cells = [
                _beside(entry, kind, region, s.published_score(kind, benchmark, region, model)) for region in regions
            ]
            if has_permuted:
                control = None if entry is None else next((e for e in entries if e.is_permutation_of(entry)), None)
                cells.append(_beside(control, kind, ALL, s.published_permuted(kind, benchmark, ALL, model)))
            name = Cell(NO_VALUE) if entry is None else name_cell(entry)
            rows.append((PUBLISHED_MODELS[model].kind, [model, name, *cells]))
    num_scored = sum(len(found) > 0 for found in own.values())
    caption = (
        f"{sentence(kind.label)} of networks here, found by their names, and in brackets the published value. "
        f"{num_scored} of {len(own)} published models are scored here."
    )
    header = ["published model", "network", *(style.region_title(region, regions) for region in regions)]
    header += ["all, permuted weights"] if has_permuted else []
    table = ValueTable(header, in_groups(rows), caption=caption, text_columns=(0, 1))
    is_compared = any(found for model, found in own.items() if model != BASELINE_MODEL)
    title = f"{sentence(kind.title)}: published values of {len(own)} models"
    if is_compared:
        yield Heading(title, 3)
        yield table
    else:
        yield Folded(title, [table])


def _in_words(tests: Sequence[BaselineTest], baseline: str) -> str:
    """Name the networks that predict better than the baseline, and the others."""
    entries = [test.entry for test in tests]
    # Steps are in the table: names alone are shorter, unless a run is there twice.
    is_unique = len({entry.series.name for entry in entries}) == len(entries)
    names = [entry.series.name if is_unique else entry.label for entry in entries]
    better = [name for name, test in zip(names, tests, strict=True) if test.is_better]
    others = [name for name, test in zip(names, tests, strict=True) if not test.is_better]
    what = "network is" if len(tests) == 1 else "networks are"
    text = f"{len(better)} of {len(tests)} {what} better than {baseline}"
    text += f": {', '.join(better)}." if better else "."
    return f"{text} Not shown to be better: {', '.join(others)}." if others and better else text


def _difference(test: BaselineTest) -> Cell:
    mark = f" {BETTER}" if test.is_better else ""
    over_sounds = error_text(test.sound_error, "sounds") if test.pairs != "sounds" else ""
    text = ", ".join(filter(None, (error_text(test.error, test.pairs), _few(test), over_sounds)))
    return Cell(f"{test.result.difference:+.3f}{mark}", text, f"p {p_value(test.p_value)}")


def _few(test: BaselineTest) -> str:
    """Remark on the number of participants of a test, if they are few."""
    return few_text(test.result.num_first) if test.pairs == "participants" else ""


def _beside(entry: Entry | None, kind: ScoreKind, region: str, published: float | None) -> Cell:
    """Write the score of a network with the published one."""
    value = float("nan") if entry is None else summarise([entry.rows], kind.best_metric, region).means[0]
    text = NO_VALUE if np.isnan(value) else f"{value:.3f}"
    return Cell(text, "" if published is None else f"({published:.3f})")
