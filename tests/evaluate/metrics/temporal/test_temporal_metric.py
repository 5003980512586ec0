"""The metric `temporal`: rows of stages, regions, bins and lags, through the engine."""

import weakref
from dataclasses import replace

import numpy as np
import pytest

from evaluate import score_network
from evaluate.benchmarks import BenchmarkError
from evaluate.features.activations import stage_activations
from evaluate.features.cache import ActivationCache
from evaluate.metrics import load_metric
from evaluate.metrics.score_kinds import kinds_in
from evaluate.metrics.splits import published_splits
from evaluate.metrics.temporal.temporal_encoding import temporal_encode
from evaluate.metrics.temporal.temporal_metric import measure
from evaluate.scoring import engine
from evaluate.scoring import table as t
from evaluate.scoring.plan import ScoringPlan
from networks import NetworkIdentity


@pytest.fixture
def rows(scored_in_time):
    return scored_in_time.copy()


def value(rows, metric, stage, region="all", subject="all"):
    found = rows[(rows[t.METRIC] == metric) & (rows[t.STAGE] == stage)]
    return found[(found[t.REGION] == region) & (found[t.SUBJECT] == subject)][t.VALUE].item()


def test_rows_are_those_of_temporal_encode(tiny_network, make_benchmark, rows):
    benchmark = make_benchmark(num_bins=4)
    features = stage_activations(tiny_network, benchmark.stimuli(1000, 64), average=False)["pool0"]
    options = {"duration_s": 0.064, "rate_hz": 62.5, "num_lags": 25}
    result = temporal_encode(features, benchmark.time_courses, published_splits(24), **options)
    by_unit = np.minimum(np.median(result.r2_test_corrected, axis=1), 1)
    of_subjects = [np.median(by_unit[:3]), np.median(by_unit[3:])]
    assert value(rows, "temporal_r2_corrected", "pool0") == pytest.approx(np.mean(of_subjects))
    course = np.median(result.r_by_bin.mean(axis=1), axis=0)
    assert value(rows, "temporal_r/0.008", "pool0") == pytest.approx(course[0])
    assert value(rows, "temporal_r/0.056", "pool0") == pytest.approx(course[3])
    lag = np.median(np.median(result.peak_lag_s, axis=1)[1::2])  # units of region A
    assert value(rows, "temporal_peak_lag_s", "pool0", region="A") == pytest.approx(lag)
    assert set(rows[rows[t.METRIC] == "best_stage_temporal_r2_corrected"][t.REGION]) == {"all", "A", "B"}


def test_only_its_score_compares_networks(rows):
    assert [kind.stage_metric for kind in kinds_in(rows[t.METRIC])] == ["temporal_r2_corrected"]


def test_one_repetition_is_not_corrected(tiny_network, make_benchmark):
    benchmark = make_benchmark(num_bins=4, num_repetitions=1)
    rows = score_network(tiny_network, benchmark, metrics=["temporal"], stages=["pool0"])
    assert np.isfinite(value(rows, "temporal_r2", "pool0"))


def test_with_other_metrics_and_a_cache_scores_are_the_same(tiny_network, make_benchmark, rows, tmp_path):
    benchmark = make_benchmark(num_bins=4)
    cache = ActivationCache(tmp_path)
    for _ in range(2):
        both = score_network(tiny_network, benchmark, metrics=["encoding", "temporal"], cache=cache)
        found = both[both[t.METRIC].str.contains("temporal")].reset_index(drop=True)
        np.testing.assert_array_equal(found[t.VALUE], rows[t.VALUE])
    assert cache.num_found == 6  # three stages, averaged and in time


def test_features_of_a_stage_are_freed_before_those_of_the_next(tiny_network, make_benchmark, monkeypatch):
    """In time, those of one stage of a large network may be a gigabyte."""
    held, num_held = [], []

    def measured(features, benchmark, stage, computing):
        num_held.append(sum(kept() is not None for kept in held))
        held.append(weakref.ref(features))
        return measure(features, benchmark, stage, computing)

    plan = ScoringPlan(
        benchmarks=(make_benchmark(num_bins=4),),
        metrics={"temporal": replace(load_metric("temporal"), measure=measured)},
        memory_limit_gib=1e-6,  # a pass through the sounds for each stage
    )
    recorded = engine.timed_activations

    def counted(*arguments, **options):
        for stage, features in recorded(*arguments, **options):
            yield stage, features
            del features
            num_held.append(sum(kept() is not None for kept in held))

    monkeypatch.setattr(engine, "timed_activations", counted)
    engine.ScoringEngine(plan=plan).score(tiny_network, plan.benchmarks[0], NetworkIdentity(run="tiny"))
    assert len(held) == 3
    assert num_held == [0] * 6


def test_responses_without_time_are_refused(make_benchmark):
    with pytest.raises(BenchmarkError, match="metric temporal needs responses in time"):
        ScoringPlan(benchmarks=(make_benchmark(),), metrics={"temporal": load_metric("temporal")})
