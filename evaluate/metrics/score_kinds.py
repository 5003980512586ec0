"""Kinds of score in a table, and the file next to a table that names those of users' metrics.

A table only has the names of metrics. What figures and consoles call the scores is known to the metrics: built-in ones
are asked here, those of users when they are scored (`save_kinds`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from datamodules.files import write_json
from evaluate.metrics.behaviour import BEHAVIOUR_KINDS
from evaluate.metrics.between_participants import NUM_UNDEFINED
from evaluate.metrics.dimensionality import EFFECTIVE
from evaluate.metrics.encoding.encoding_metric import CORRECTED, RAW
from evaluate.metrics.metric import BEST_STAGE, ScoreKind
from evaluate.metrics.partition.partition_metric import ROW_NAMES, partition_kind
from evaluate.metrics.rsa import SIMILARITY
from evaluate.metrics.temporal.temporal_metric import TEMPORAL_KINDS
from evaluate.metrics.within_category import WITHIN_CATEGORY
from evaluate.scoring import table as t

ENCODING_KINDS = (CORRECTED, RAW)
OUR_KINDS = (*ENCODING_KINDS, SIMILARITY, WITHIN_CATEGORY, EFFECTIVE, *TEMPORAL_KINDS, *BEHAVIOUR_KINDS)

_UNIQUE = {t.PARTITION_UNIQUE: False, f"{t.PARTITION_UNIQUE}{t.PARTITION_CORRECTED}": True}
"""Families of the metrics that compare networks with a reference, and whether they are corrected for noise."""

KINDS_FILE = "score_kinds.json"
"""File next to a score table with the kinds of users' metrics."""

_NO_SCORES = {
    t.BEST_STAGE_POSITION,
    t.REGION_STAGE_POSITION,
    t.NUM_UNDEFINED,
    t.NUM_TIES,
    t.NUM_TRAIN_SOUNDS,
    t.NUM_TEST_SOUNDS,
    t.RSA_CEILING,
    *(
        name + suffix
        for name in (t.ENCODING_PARTICIPANT_CEILING, t.TEMPORAL_PARTICIPANT_CEILING)
        for suffix in ("", NUM_UNDEFINED)
    ),
    t.RSA_NUM_UNDEFINED,
    t.EFFECTIVE_DIMENSIONALITY_Z_SCORED,
    t.TEMPORAL_R,
    t.TEMPORAL_PEAK_LAG_S,
    t.BEHAVIOUR_ERROR,
    t.BEHAVIOUR_RMSE,
    t.BEHAVIOUR_NUM_UNKNOWN,
    t.HUMAN_ACCURACY,
    t.HUMAN_ERROR,
    t.FAILED,
    *t.PROBE_METRICS,
    *(f"{name}{suffix}" for name in ROW_NAMES.values() for suffix in ("", t.PARTITION_CORRECTED)),
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
    ours = {kind.stage_metric for kind in (*OUR_KINDS, *_with_references(present))}
    # A kind with parts is there once for each benchmark.
    of_users = {kind.stage_metric: kind for kind in own if kind.stage_metric not in ours}
    known = [*OUR_KINDS, *_with_references(present), *of_users.values()]
    families = {metric.partition("/")[0] for metric in present}
    kinds = [
        kind
        for kind in known
        if any(metric in (present if kind.parts is None else families) for metric in kind.metrics)
    ]
    described = {name for kind in known for name in (*kind.metrics, kind.ceiling_metric, *dict(kind.counts).values())}
    divided = {kind.stage_metric for kind in known if kind.parts is not None}
    for metric in present:
        family = metric.partition("/")[0]
        is_shown = metric not in _NO_SCORES and family not in _NO_SCORES and not metric.startswith(BEST_STAGE)
        if is_shown and metric not in described and family not in divided:
            kinds.append(ScoreKind.named(metric, has_best=BEST_STAGE + metric in present))
    return kinds


def _with_references(metrics: Iterable[str]) -> list[ScoreKind]:
    """Kinds of the metric `partition`, one for each reference."""
    kinds = []
    for metric in metrics:
        family, _, label = metric.partition("/")
        if label and family in _UNIQUE:
            kinds.append(partition_kind(label, corrected=_UNIQUE[family]))
    return kinds


def save_kinds(folder: str | Path, kinds: Iterable[ScoreKind]) -> None:
    """Save the kinds of users' metrics next to a score table; built-in kinds need no file.

    Args:
        folder: Folder of the table.
        kinds: Kinds that were scored, see `ScoringPlan.kinds`.
    """
    ours = {kind.stage_metric for kind in OUR_KINDS}
    own = [kind for kind in kinds if kind.stage_metric not in ours and not kind.reference]
    if not own:
        return
    merged = {kind.stage_metric: asdict(kind) for kind in (*load_kinds(folder), *own)}
    write_json(Path(folder) / KINDS_FILE, list(merged.values()))


def load_kinds(folder: str | Path) -> list[ScoreKind]:
    """Load what `save_kinds` saved. Without the file, or if it is damaged, scores have the names of their rows."""
    try:
        content = json.loads((Path(folder) / KINDS_FILE).read_text(encoding="utf-8"))
        return [_kind(each) for each in content]
    except (OSError, ValueError, TypeError, KeyError):
        return []


def _kind(saved: dict[str, Any]) -> ScoreKind:
    counts = tuple((str(title), str(metric)) for title, metric in saved["counts"])
    parts = saved.get("parts")
    return ScoreKind(**{**saved, "counts": counts, "parts": None if parts is None else tuple(map(str, parts))})
