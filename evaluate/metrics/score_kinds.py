"""Kinds of score in a table: built-in ones by their definitions, those of users' metrics by the names of their rows."""

from __future__ import annotations

from collections.abc import Iterable

from evaluate.metrics.dimensionality import EFFECTIVE
from evaluate.metrics.encoding.encoding_metric import CORRECTED, RAW
from evaluate.metrics.metric import BEST_STAGE, ScoreKind
from evaluate.metrics.rsa import SIMILARITY
from evaluate.scoring import table as t

ENCODING_KINDS = (CORRECTED, RAW)
OUR_KINDS = (*ENCODING_KINDS, SIMILARITY, EFFECTIVE)

_NO_SCORES = {
    t.BEST_STAGE_POSITION,
    t.REGION_STAGE_POSITION,
    t.NUM_UNDEFINED,
    t.NUM_TIES,
    t.RSA_CEILING,
    t.RSA_NUM_UNDEFINED,
    t.EFFECTIVE_DIMENSIONALITY_Z_SCORED,
    t.FAILED,
    *t.PROBE_METRICS,
}
"""Metrics in a table that are not scores: they describe scores, or are shown elsewhere."""


def kinds_in(metrics: Iterable[str]) -> list[ScoreKind]:
    """Find the kinds of score of a table.

    A user's metric is recognised by its rows: `NAME` for stages and, if it selects a stage, `best_stage_NAME`.

    Args:
        metrics: Column `metric` of the table.

    Returns:
        Built-in kinds, then those of users in the order of their rows.
    """
    present = dict.fromkeys(metrics)
    kinds = [kind for kind in OUR_KINDS if any(metric in present for metric in kind.metrics)]
    known = _NO_SCORES | {metric for kind in OUR_KINDS for metric in kind.metrics}
    for metric in present:
        # Each benchmark has a dozen scores within categories: they are in the table, not in figures and consoles.
        if metric not in known and not metric.startswith((BEST_STAGE, f"{t.WITHIN_CATEGORY_R2}/")):
            kinds.append(ScoreKind.named(metric, has_best=BEST_STAGE + metric in present))
    return kinds
