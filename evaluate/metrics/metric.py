"""The comparisons of networks with brains that `python -m evaluate score` offers.

Each is two functions: one that works on a single stage and gives small arrays, which are kept as soon as they are
there, and one that makes rows of the score table from the arrays of all stages.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from evaluate.benchmarks.benchmark import ALL, Benchmark
from evaluate.metrics.dimensionality import effective_dimensionality
from evaluate.metrics.encoding.encoding import encode
from evaluate.metrics.encoding.splits import published_splits
from evaluate.metrics.similarity import category_order, read_out_best, rsa
from evaluate.metrics.stage_selection import mean_defined, median_defined
from evaluate.options import DEFAULT_MEMORY_LIMIT_GIB
from evaluate.report.significance import BROAD_CATEGORIES, within_category_r2
from evaluate.scoring import table as t
from evaluate.scoring.rows import Origin, add_means, rows_of, with_origin
from evaluate.scoring.scores import StageScores, curve_rows, encode_stage, tabulate

if TYPE_CHECKING:
    import pandas as pd


Arrays = dict[str, np.ndarray]


@dataclass(frozen=True, kw_only=True)
class Computing:
    """How a stage's result is computed; it does not change what comes out but by rounding.

    Attributes:
        device: Where to compute.
        memory_limit_gib: Bound on the working memory, in GiB.
        progress: Called as `progress(num_done, num_total)`.
    """

    device: torch.device | str = "cpu"
    memory_limit_gib: float = DEFAULT_MEMORY_LIMIT_GIB
    progress: Callable[[int, int], None] | None = None


@dataclass(frozen=True)
class Metric:
    """A comparison of stages with responses.

    Attributes:
        measure: `measure(features, benchmark, stage, computing)` with (S, D) features; gives arrays by name.
        tabulate: `tabulate(results, benchmark, origin)` with the arrays of each stage in the network's order; gives
            a score table.
        version: Goes up when `measure` gives other numbers than before, so that kept results are not used.
        needs_categories: Whether it works on benchmarks with categories of sounds alone.
    """

    measure: Callable[[np.ndarray, Benchmark, str, Computing], Arrays]
    tabulate: Callable[[Mapping[str, Arrays], Benchmark, Origin], pd.DataFrame]
    version: int = 1
    needs_categories: bool = False


def _measure_encoding(features: np.ndarray, benchmark: Benchmark, stage: str, computing: Computing) -> Arrays:
    """Scores of all units and splits, see `encode_stage`."""
    scores = encode_stage(
        features,
        benchmark,
        published_splits(benchmark.num_stimuli),
        stage=stage,
        device=computing.device,
        memory_limit_gib=computing.memory_limit_gib,
        progress=computing.progress,
    )
    return {"r2": scores.r2, "num_ties": np.array(scores.num_ties)}


def _tabulate_encoding(results: Mapping[str, Arrays], benchmark: Benchmark, origin: Origin) -> pd.DataFrame:
    scores = {stage: StageScores(arrays["r2"], int(arrays["num_ties"])) for stage, arrays in results.items()}
    return tabulate(scores, benchmark, origin)


def _measure_rsa(features: np.ndarray, benchmark: Benchmark, stage: str, _: Computing) -> Arrays:
    """Similarity of a stage with each subject in each split, (P, splits), and the subjects' ceilings, (P,).

    Sounds are in category order, or in the benchmark's where they have no categories.
    """
    order = np.arange(benchmark.num_stimuli)
    if benchmark.categories is not None:
        order = category_order(benchmark.categories)
    result = rsa(
        {stage: features[order]},
        benchmark.responses[order],
        benchmark.units["subject"].to_numpy(),
        published_splits(benchmark.num_stimuli),
    )
    return {
        "train_similarity": result.train_similarity[:, 0],
        "test_similarity": result.test_similarity[:, 0],
        "ceiling": result.ceiling,
    }


def _tabulate_rsa(results: Mapping[str, Arrays], benchmark: Benchmark, origin: Origin) -> pd.DataFrame:
    """Similarity of each stage, and at the stage that is best on each split's training sounds (see `rsa`)."""

    def rows_for(metric: str, stage: str, by_subject: np.ndarray) -> list[dict[str, Any]]:
        values = {(ALL, subject): float(v) for subject, v in zip(benchmark.subjects, by_subject, strict=True)}
        return rows_of(metric, stage, add_means(values, benchmark))

    rows = []
    for stage, arrays in results.items():
        rows += rows_for(t.RSA, stage, median_defined(arrays["test_similarity"], axis=1))
    train, test = (
        np.stack([arrays[key] for arrays in results.values()], axis=1)  # (P, stages, splits)
        for key in ("train_similarity", "test_similarity")
    )
    rows += rows_for(t.BEST_STAGE_RSA, t.BEST, read_out_best(train, test)[1])
    ceiling = next(iter(results.values()))["ceiling"]  # of the responses alone: the same for every stage
    rows += rows_for(t.RSA_CEILING, ALL, ceiling)
    for stage, arrays in results.items():
        num_undefined = int(np.isnan(arrays["test_similarity"]).sum())
        rows += rows_of(t.RSA_NUM_UNDEFINED, stage, {(ALL, ALL): num_undefined})
    return with_origin(rows, benchmark.name, origin)


def _measure_dimensionality(features: np.ndarray, _: Benchmark, stage: str, __: Computing) -> Arrays:
    """Effective dimensionality of a stage, without and with z-scoring; NaN for a single feature."""
    defined = features.shape[1] > 1
    return {
        t.EFFECTIVE_DIMENSIONALITY: np.array(effective_dimensionality(features) if defined else np.nan),
        t.EFFECTIVE_DIMENSIONALITY_Z_SCORED: np.array(
            effective_dimensionality(features, z_score=True) if defined else np.nan
        ),
    }


def _tabulate_dimensionality(results: Mapping[str, Arrays], benchmark: Benchmark, origin: Origin) -> pd.DataFrame:
    rows = [
        row
        for stage, arrays in results.items()
        for metric, value in arrays.items()
        for row in rows_of(metric, stage, {(ALL, ALL): float(value)})
    ]
    return with_origin(rows, benchmark.name, origin)


def _measure_within_category(features: np.ndarray, benchmark: Benchmark, stage: str, computing: Computing) -> Arrays:
    """R^2 within the sounds of each category, and of each broad one where the categories are the published ones.

    As everywhere of the test sounds of each split, (V, splits); NaN where a split tests fewer than three of them.
    """
    assert benchmark.categories is not None  # as needs_categories says
    splits = published_splits(benchmark.num_stimuli)
    measured = mean_defined(benchmark.responses, axis=2)
    result = encode(
        features,
        measured,
        splits,
        keep_predictions=True,
        stage=stage,
        device=computing.device,
        memory_limit_gib=computing.memory_limit_gib,
        progress=computing.progress,
    )
    assert result.predictions is not None  # asked for
    groupings = [benchmark.categories]
    if set(benchmark.categories) <= set(BROAD_CATEGORIES):
        groupings.append(tuple(BROAD_CATEGORIES[name] for name in benchmark.categories))
    by_category: dict[str, list[np.ndarray]] = {}
    for categories in groupings:
        for prediction in result.predictions:
            for name, values in within_category_r2(prediction, measured, categories).items():
                by_category.setdefault(name, []).append(values)
    return {name: np.stack(values, axis=1) for name, values in by_category.items()}


def _tabulate_within_category(results: Mapping[str, Arrays], benchmark: Benchmark, origin: Origin) -> pd.DataFrame:
    rows = [
        row
        for name in next(iter(results.values()))
        for row in curve_rows(
            f"{t.WITHIN_CATEGORY_R2}/{name}", {stage: arrays[name] for stage, arrays in results.items()}, benchmark
        )
    ]
    return with_origin(rows, benchmark.name, origin)


METRICS = {
    "encoding": Metric(_measure_encoding, _tabulate_encoding),
    "rsa": Metric(_measure_rsa, _tabulate_rsa),
    "dimensionality": Metric(_measure_dimensionality, _tabulate_dimensionality),
    "within_category": Metric(_measure_within_category, _tabulate_within_category, needs_categories=True),
}
"""Comparisons by name; the first is the default."""
