"""Kinds of score in a table, and the file next to a table that names those of users' metrics.

A table only has the names of metrics. What figures and consoles call the scores is known to the metrics: built-in ones
are asked here, those of users when they are scored (`save_kinds`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from datamodules.files import write_json
from evaluate.metrics.dimensionality import EFFECTIVE
from evaluate.metrics.encoding.encoding_metric import CORRECTED, RAW
from evaluate.metrics.metric import BEST_STAGE, ScoreKind
from evaluate.metrics.rsa import SIMILARITY
from evaluate.scoring import table as t

ENCODING_KINDS = (CORRECTED, RAW)
OUR_KINDS = (*ENCODING_KINDS, SIMILARITY, EFFECTIVE)

KINDS_FILE = "score_kinds.json"
"""File next to a score table with the kinds of users' metrics."""

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


def kinds_in(metrics: Iterable[str], own: Iterable[ScoreKind] = ()) -> list[ScoreKind]:
    """Find the kinds of score of a table.

    A metric of a user without a kind is recognised by its rows: `NAME` for stages and, if it selects a stage,
    `best_stage_NAME`.

    Args:
        metrics: Column `metric` of the table.
        own: Kinds of users' metrics, see `load_kinds`.

    Returns:
        Built-in kinds, then those of users.
    """
    present = dict.fromkeys(metrics)
    known = [*OUR_KINDS, *(kind for kind in own if kind not in OUR_KINDS)]
    kinds = [kind for kind in known if any(metric in present for metric in kind.metrics)]
    described = {name for kind in known for name in (*kind.metrics, kind.ceiling_metric, *dict(kind.counts).values())}
    for metric in present:
        # Each benchmark has a dozen scores within categories: they are in the table, not in figures and consoles.
        is_shown = metric not in _NO_SCORES and not metric.startswith((BEST_STAGE, f"{t.WITHIN_CATEGORY_R2}/"))
        if is_shown and metric not in described:
            kinds.append(ScoreKind.named(metric, has_best=BEST_STAGE + metric in present))
    return [kind for kind in kinds if not _is_within_category(kind)]


def save_kinds(folder: str | Path, kinds: Iterable[ScoreKind]) -> None:
    """Save the kinds of users' metrics next to a score table; built-in kinds need no file.

    Args:
        folder: Folder of the table.
        kinds: Kinds that were scored, see `ScoringPlan.kinds`.
    """
    own = [
        kind for kind in kinds if kind not in OUR_KINDS and kind.stage_metric.partition("/")[0] != t.WITHIN_CATEGORY_R2
    ]
    if not own:
        return
    merged = {kind.stage_metric: asdict(kind) for kind in (*load_kinds(folder), *own)}
    write_json(Path(folder) / KINDS_FILE, list(merged.values()))


def load_kinds(folder: str | Path) -> list[ScoreKind]:
    """Load what `save_kinds` saved. Without the file, or if it is damaged, scores have the names of their rows."""
    try:
        content = json.loads((Path(folder) / KINDS_FILE).read_text(encoding="utf-8"))
        return [
            ScoreKind(**{**each, "counts": tuple((str(title), str(metric)) for title, metric in each["counts"])})
            for each in content
        ]
    except (OSError, ValueError, TypeError, KeyError):
        return []


def _is_within_category(kind: ScoreKind) -> bool:
    return kind.stage_metric.startswith(f"{t.WITHIN_CATEGORY_R2}/")
