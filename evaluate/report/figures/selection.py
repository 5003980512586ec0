"""Selection of the rows of a score table that a figure shows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from evaluate.benchmarks.benchmark import ALL, NO_REGION
from evaluate.metrics.encoding.encoding_metric import CORRECTED, RAW
from evaluate.metrics.metric import ScoreKind
from evaluate.metrics.rsa import SIMILARITY
from evaluate.metrics.score_kinds import kinds_in
from evaluate.report.network_names import readable_name
from evaluate.report.published_values import (
    BASELINE_MODEL,
    COMPONENTS,
    PERMUTED_COMPONENTS,
    PUBLISHED_MODELS,
    published_value,
)
from evaluate.scoring import table as t

if TYPE_CHECKING:
    import pandas as pd


def score_kinds_of(rows: pd.DataFrame, own: Iterable[ScoreKind] = ()) -> list[ScoreKind]:
    """Find the kinds of score with a best stage in a table.

    Args:
        rows: Rows of one benchmark.
        own: Kinds of users' metrics, see `evaluate.metrics.score_kinds`.

    Returns:
        Kinds with at least one row.
    """
    return [kind for kind in kinds_in(rows[t.METRIC], own) if kind.best_metric]


def stage_kinds_of(rows: pd.DataFrame, own: Iterable[ScoreKind] = ()) -> list[ScoreKind]:
    """Find the kinds of score without a best stage, such as effective dimensionality; see `score_kinds_of`."""
    return [kind for kind in kinds_in(rows[t.METRIC], own) if not kind.best_metric]


def published_score(kind: ScoreKind, benchmark: str, region: str, model: str = BASELINE_MODEL) -> float | None:
    """Look up a published score of a model.

    Args:
        kind: Kind of score.
        benchmark: Name of the benchmark.
        region: Region, component or "all".
        model: Name in `PUBLISHED_MODELS`.

    Returns:
        The score at the model's best stage; None if none of this kind was published.
    """
    if kind is SIMILARITY:
        row = PUBLISHED_MODELS[model]
        return {"NH2015": row.rsa_nh2015, "B2021": row.rsa_b2021}.get(benchmark) if region == ALL else None
    # Published scores are raw for components, and noise-corrected for voxels.
    is_published = kind is (RAW if benchmark == "NH2015comp" else CORRECTED)
    return published_value(benchmark, region, model) if is_published else None


def published_regions(kind: ScoreKind, benchmark: str) -> list[str]:
    """List the regions or components with published scores, "all" first; empty if there are none."""
    return [region for region in (ALL, *COMPONENTS) if published_score(kind, benchmark, region) is not None]


def published_permuted(kind: ScoreKind, benchmark: str, region: str, model: str) -> float | None:
    """Look up the published score of a model with permuted weights; see `published_score`."""
    row = PUBLISHED_MODELS[model]
    if kind is RAW and benchmark == "NH2015comp":
        by_component = PERMUTED_COMPONENTS.get(model, {})
        return (
            sum(by_component.values()) / len(by_component)
            if by_component and region == ALL
            else by_component.get(region)
        )
    values = {"NH2015": row.nh2015_permuted, "B2021": row.b2021_permuted}
    return values.get(benchmark) if kind is CORRECTED and region == ALL else None


def scores_of(table: pd.DataFrame, run: str, benchmark: str, kind: ScoreKind | None = None) -> pd.DataFrame:
    """Select one run's scores over all subjects on one benchmark, in order of steps.

    Args:
        table: Score table.
        run: Name of the run.
        benchmark: Name of the benchmark.
        kind: Kind of score; None for encoding. Parts take the place of regions, see `ScoreKind.of_parts`.
    """
    rows = t.summary_rows(table)
    rows = rows[(rows[t.RUN] == run) & (rows[t.BENCHMARK] == benchmark)]
    metrics = (*t.STAGE_METRICS, *t.BEST_METRICS) if kind is None else kind.metrics
    rows = rows if kind is None else kind.of_parts(rows)
    return one_per_step(rows[rows[t.METRIC].isin(metrics)])


def one_per_step(rows: pd.DataFrame) -> pd.DataFrame:
    """Keep the last row of each kind per step of a run, in order of steps."""
    # Two checkpoints of the same step (best and last) contain the same network.
    rows = rows.drop_duplicates([t.BENCHMARK, t.STEP, t.METRIC, t.STAGE, t.REGION, t.SUBJECT], keep="last")
    return rows.sort_values(t.STEP, kind="stable")


def kind_of(rows: pd.DataFrame) -> ScoreKind:
    """Find the first kind of score in rows of `scores_of`; raw R^2 if there are none."""
    return next(iter(kinds_in(rows[t.METRIC])), RAW)


def regions_of(rows: pd.DataFrame) -> list[str]:
    """List the regions to show and to test, "all" first, then in the table's order."""
    # Units outside all regions of interest count in "all" and have rows in the table, but no panels or tests.
    shown = [region for region in dict.fromkeys(rows[t.REGION]) if region != NO_REGION]
    return sorted(shown, key=lambda region: region != ALL)


def stages_of(rows: pd.DataFrame) -> list[str]:
    """List the stages of one network in its order, without "best" and "all"."""
    return [stage for stage in dict.fromkeys(rows[t.STAGE]) if stage not in (t.BEST, ALL)]


def by_stage(rows: pd.DataFrame, step: int, region: str, stages: Sequence[str]) -> np.ndarray:
    """Look up the scores (stages,) of one step and region, NaN if missing, in rows of one run and kind of score."""
    here = rows[(rows[t.STEP] == step) & (rows[t.REGION] == region)]
    return here.drop_duplicates(t.STAGE, keep="last").set_index(t.STAGE)[t.VALUE].reindex(list(stages)).to_numpy()


def first_and_last(rows: pd.DataFrame) -> list[int]:
    """Return the first and the last step of one run, or the only one."""
    return sorted({int(rows[t.STEP].min()), int(rows[t.STEP].max())})


def is_untrained(rows: pd.DataFrame, step: int) -> bool:
    """Whether the network of some rows was untrained at a step. Step 0 alone does not say so: it may be unknown."""
    return bool((rows[rows[t.STEP] == step][t.KIND] == "untrained").any())


def step_title(rows: pd.DataFrame, step: int) -> str:
    """Name a step of a network's training, such as "untrained" or "step 40"; empty if the step is unknown."""
    if is_untrained(rows, step):
        return "untrained"
    return f"step {step}" if step else ""


def run_suffix(rows: pd.DataFrame) -> str:
    """Suffix of a title with the name of the run, such as " (demo)"; empty if it has no name."""
    run = readable_name(str(rows[t.RUN].iloc[0]))
    return f" ({run})" if run else ""
