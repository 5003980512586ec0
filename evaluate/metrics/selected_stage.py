"""The name of the best stage: the one that was selected most often."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from evaluate.scoring import table as t

if TYPE_CHECKING:
    import pandas as pd

    from evaluate.metrics.metric import ScoreKind


class SelectedStage(NamedTuple):
    """The best stage of a region.

    Attributes:
        name: The stage that was selected most often, the first of equals.
        place: Its index among the scored stages, from 0.
        share: Fraction of the selections (of units and iterations) of this stage, mean over subjects.
    """

    name: str
    place: int
    share: float


def selected_stages(rows: pd.DataFrame, kind: ScoreKind) -> dict[str, SelectedStage]:
    """Find the best stage of each region.

    Args:
        rows: Rows of one network at one step, on one benchmark.
        kind: Kind of score, see `ScoreKind.of_parts` for one with parts.

    Returns:
        Best stages by region or component, in the table's order; without regions in which no stage could be selected,
        and empty if the table does not say which stages were selected.
    """
    found = t.summary_rows(rows[rows[t.METRIC] == kind.share_metric]) if kind.share_metric else rows[:0]
    stages = list(dict.fromkeys(found[t.STAGE]))
    selected = {}
    for region, of_region in found[found[t.VALUE].notna()].groupby(t.REGION, sort=False):
        shares = of_region.drop_duplicates(t.STAGE, keep="last").set_index(t.STAGE)[t.VALUE]
        name = str(shares.idxmax())
        selected[str(region)] = SelectedStage(name, stages.index(name), float(shares[name]))
    return selected


def has_choice(rows: pd.DataFrame, kind: ScoreKind) -> bool:
    """Whether there were several stages to select from."""
    return bool(kind.share_metric) and rows[rows[t.METRIC] == kind.share_metric][t.STAGE].nunique() > 1


ONE_STAGE = (
    "A network with one stage has none to select: its score is that of the stage, over the splits that the scores of "
    "selected stages are read from, and can differ a little from its mean over all splits."
)
"""What the scores at the best stage mean for such a network."""


def has_one_stage(rows: pd.DataFrame, kind: ScoreKind) -> bool:
    """Whether a stage was selected, and there was only one."""
    if not (kind.share_metric and kind.selects_stage):
        return False
    return bool(rows[rows[t.METRIC] == kind.share_metric][t.STAGE].nunique() == 1)
