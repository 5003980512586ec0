"""The findings in the report: a table of claims with effects, intervals and verdicts, and their figure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from evaluate.benchmarks.benchmark import ALL
from evaluate.report.error_texts import FEW, error_text
from evaluate.report.findings.finding import CONFIDENCE, Finding, Untested
from evaluate.report.page import Cell, Folded, Heading, Paragraph, Part, RowTitle, TableRow, ValueTable
from evaluate.report.significance import few_text

if TYPE_CHECKING:
    import pandas as pd

COLOURS = {"supported": "#009e73", "contradicted": "#d55e00", "open": "#999999"}
"""Colours of the verdicts, which differ with colour vision deficiency, too (Okabe & Ito 2008)."""
_COLUMNS = (
    "claim",
    "comparison",
    "region",
    "effect",
    "interval_low",
    "interval_high",
    "samples",
    "num_samples",
    "seed_error",
    "num_agreeing",
    "num_pairs",
    "verdict",
    "needs",
)
"""Columns of the file of findings."""
_INTRODUCTION = (
    "Each claim of the paper as an effect on the networks of this report, which should be above 0. It is supported if "
    f"the {CONFIDENCE:.0%} interval is above 0, contradicted if it is below, and otherwise open. Intervals are over "
    "participants or sounds, and those of the order of components over networks; they say what to expect of other "
    "participants or sounds, not of other networks. After controls of several seeds, ± is the error over these. "
    "Verdicts are not corrected for the number of claims."
)


def main_effects(findings: Sequence[Finding | Untested]) -> list[Finding]:
    """Select the effects over all regions together, and those of claims about certain regions."""
    effects = [found for found in findings if isinstance(found, Finding)]
    over_all = {(found.claim, found.what) for found in effects if found.region == ALL}
    return [found for found in effects if found.region == ALL or (found.claim, found.what) not in over_all]


def findings_parts(findings: Sequence[Finding | Untested], figure: Part | None) -> Iterator[Part]:
    """Make the parts of the page; nothing if no claim could be tested.

    Args:
        findings: See `evaluate.report.findings.claims.findings_of`.
        figure: Figure of the main effects.

    Yields:
        Heading, introduction, figure and tables.
    """
    main = main_effects(findings)
    if not main:
        return
    yield Heading("Findings of Tuckute, Feather et al. 2023 on these networks", 3)
    yield Paragraph(_INTRODUCTION)
    if figure is not None:
        yield figure
    yield _table(main)
    others = [found for found in findings if isinstance(found, Finding) and found not in main]
    if others:
        yield Folded(f"The same by region ({len(others)} effects)", [_table(others)])
    untested = {found.claim: found.missing for found in findings if isinstance(found, Untested)}
    if untested:
        rows = [[claim, missing] for claim, missing in untested.items()]
        table = ValueTable(["claim", "needs"], rows, text_columns=(0, 1))
        yield Folded(f"Claims that these networks cannot test ({len(rows)})", [table])


def findings_table(findings: Sequence[Finding | Untested]) -> pd.DataFrame:
    """Make the table of all effects and untested claims, for a file."""
    import pandas as pd

    rows: list[dict[str, object]] = []
    for found in findings:
        if isinstance(found, Untested):
            rows.append({"claim": found.claim, "verdict": "untested", "needs": found.missing})
            continue
        low, high = found.interval
        rows.append(
            {
                "claim": found.claim,
                "comparison": found.what,
                "region": found.region,
                "effect": found.effect,
                "interval_low": low,
                "interval_high": high,
                "samples": found.samples,
                "num_samples": found.num_samples,
                "seed_error": found.seed_error,
                "num_agreeing": found.num_agreeing,
                "num_pairs": found.num_pairs,
                "verdict": found.verdict,
            }
        )
    return pd.DataFrame(rows, columns=_COLUMNS)


def _table(effects: Sequence[Finding]) -> ValueTable:
    rows: list[TableRow | RowTitle] = []
    claim = ""
    for found in effects:
        if found.claim != claim:
            claim = found.claim
            rows.append(RowTitle(claim))
        rows.append(
            [
                found.what,
                found.region,
                f"{found.effect:+.3f}",
                _interval(found),
                f"{found.num_agreeing} of {found.num_pairs}",
                Cell(found.verdict, colour=COLOURS[found.verdict]),
            ]
        )
    header = ["comparison", "region", "effect", f"{CONFIDENCE:.0%} interval", "pairs that agree", "verdict"]
    return ValueTable(header, rows, text_columns=(0, 1, 5))


def _interval(found: Finding) -> Cell:
    low, high = found.interval
    over = f"{found.num_samples} {'splits of the sounds' if found.samples == 'sounds' else found.samples}"
    few = FEW if found.samples == "participants" and few_text(found.num_samples) else ""
    of_seeds = error_text(found.seed_error, "seeds of controls")
    text = "–" if np.isnan(low) else f"{low:+.3f} to {high:+.3f}"
    return Cell(text, ", ".join(filter(None, (over, few))), of_seeds)
