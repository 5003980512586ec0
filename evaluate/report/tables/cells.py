"""Cells of tables: scores with their errors, counts, p values and names of networks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from evaluate.benchmarks.benchmark import ALL
from evaluate.options import NO_VALUE
from evaluate.report.figures import selection as s
from evaluate.report.figures.selection import ScoreKind
from evaluate.report.figures.series import Entry
from evaluate.report.page import Cell
from evaluate.scoring import table as t


def sentence(text: str) -> str:
    """Capitalise the first letter of a string, without changing the others."""
    return text[:1].upper() + text[1:]


def p_value(p: float) -> str:
    """Format a p value.

    Args:
        p: From 0 to 1, or NaN.

    Returns:
        A text such as "0.012" or "< 0.001".
    """
    if np.isnan(p):
        return NO_VALUE
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def regions_of_kind(entries: Sequence[Entry], kind: ScoreKind) -> list[str]:
    """List the regions with scores at the best stage, all together first."""
    found: dict[str, None] = {}
    for entry in entries:
        rows = t.summary_rows(entry.rows)
        found |= dict.fromkeys(s.regions_of(rows[rows[t.METRIC] == kind.best_metric]))
    return sorted(found, key=lambda region: region != ALL)


def name_cell(entry: Entry) -> Cell:
    """Write the name of a network with a dot in its colour, open for controls."""
    return Cell(entry.label, colour=entry.series.colour, is_filled=entry.state in ("trained", "baseline"))


def score_cell(mean: float, error: str = "", second_error: str = "", *, num_digits: int = 3) -> Cell:
    """Write a score with up to two errors, see `evaluate.report.error_texts`."""
    return Cell(NO_VALUE) if np.isnan(mean) else Cell(f"{mean:.{num_digits}f}", error, second_error)


def count_text(number: int | None) -> str:
    """Write a count that a table may not have."""
    return NO_VALUE if number is None else str(number)
