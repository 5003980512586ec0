"""The metric `encoding`: its rows by hand, and what it asks `encode` for."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from evaluate.metrics.best_stage import best_stage, scores_of_splits
from evaluate.metrics.encoding import encoding_metric
from evaluate.metrics.encoding.encoding import encode
from evaluate.metrics.metric import Computing
from evaluate.metrics.splits import Splits, published_splits
from evaluate.scoring import table as t
from networks import NetworkIdentity

SIZES = {"num_sounds": np.array([12.0, 12.0])}


def value(rows, **wanted):
    """The one value of the rows that agree with what is wanted."""
    for column, content in wanted.items():
        rows = rows[rows[column] == content]
    assert len(rows) == 1, rows
    return rows[t.VALUE].item()


def random_scores(benchmark, stages=("a", "b", "c"), num_splits=10, seed=0):
    generator = np.random.default_rng(seed)
    return {
        stage: {
            "r2": generator.uniform(0, 1.4, (benchmark.num_units, num_splits)),
            "num_ties": np.array(number),
            **SIZES,
        }
        for number, stage in enumerate(stages)
    }


def tabulate(scores, benchmark):
    return t.identified(encoding_metric.tabulate(scores, benchmark), benchmark.name, NetworkIdentity())


@pytest.fixture
def components(make_benchmark):
    units = pd.DataFrame({"unit": ["low", "music"], "subject": "all", "region": ["low", "music"]})
    benchmark = make_benchmark(num_units=2, num_repetitions=1)
    return replace(benchmark, units=units, unit_kind="component", noise_corrected=False)


def test_stage_curve_of_voxels_by_hand(make_benchmark):
    benchmark = make_benchmark()
    scores = random_scores(benchmark)
    rows = tabulate(scores, benchmark)
    for stage, arrays in scores.items():
        r2 = arrays["r2"]
        by_subject = {}
        for region in ("all", "A", "B"):
            for subject in ("s1", "s2"):
                medians = []
                for unit in benchmark.units.itertuples():
                    if unit.subject == subject and region in ("all", unit.region):
                        ordered = sorted(r2[unit.Index])
                        medians.append(min(1.0, (ordered[4] + ordered[5]) / 2))
                by_subject[region, subject] = np.median(medians)
                found = value(rows, metric=t.ENCODING_R2_CORRECTED, stage=stage, region=region, subject=subject)
                assert found == pytest.approx(by_subject[region, subject], abs=1e-12)
            found = value(rows, metric=t.ENCODING_R2_CORRECTED, stage=stage, region=region, subject="all")
            assert found == pytest.approx((by_subject[region, "s1"] + by_subject[region, "s2"]) / 2, abs=1e-12)


def test_scores_of_splits_are_medians_over_units_and_means_over_participants(make_benchmark):
    """Those of the subject "split3" and so on, for an error over sounds, of voxels as of components."""
    benchmark = make_benchmark()
    scores = random_scores(benchmark)
    rows = tabulate(scores, benchmark)
    stacked = np.stack([arrays["r2"] for arrays in scores.values()], axis=1)
    subjects, regions = (benchmark.units[name].to_numpy() for name in ("subject", "region"))
    of_units = np.minimum(scores_of_splits(stacked, best_stage(stacked, subjects)), 1.0)
    for region in ("all", "A", "B"):
        for split in range(10):
            medians = [
                np.nanmedian(of_units[(subjects == subject) & ((regions == region) | (region == "all")), split])
                for subject in ("s1", "s2")
            ]
            found = value(rows, metric=t.BEST_STAGE_R2_CORRECTED, stage="best", region=region, subject=f"split{split}")
            assert found == pytest.approx(np.mean(medians))
    assert value(rows, metric=t.NUM_TRAIN_SOUNDS) == value(rows, metric=t.NUM_TEST_SOUNDS) == 12


def test_components_are_unclipped_and_averaged(components):
    scores = random_scores(components)
    scores["a"]["r2"][:] += 1
    rows = tabulate(scores, components)
    for number, component in enumerate(("low", "music")):
        found = value(rows, metric=t.ENCODING_R2, stage="a", region=component, subject="all")
        assert found == pytest.approx(np.median(scores["a"]["r2"][number]))
        assert found > 1
    mean = np.median(scores["b"]["r2"], axis=1).mean()
    assert value(rows, metric=t.ENCODING_R2, stage="b", region="all") == pytest.approx(mean)
    repeated = (f"{what}{number}" for what in ("iteration", "split") for number in range(10))
    assert set(rows[t.SUBJECT]) == {"all", *repeated}
    iterated = rows[rows[t.SUBJECT].str.startswith("iteration")]
    assert set(iterated[t.METRIC]) == {t.BEST_STAGE_R2}
    for region in ("low", "music", "all"):
        overall = value(rows, metric=t.BEST_STAGE_R2, region=region, subject="all")
        assert iterated[iterated[t.REGION] == region][t.VALUE].mean() == pytest.approx(overall)


def test_best_stage_of_voxels(make_benchmark):
    benchmark = make_benchmark()
    scores = random_scores(benchmark)
    rows = tabulate(scores, benchmark)
    stacked = np.stack([stage["r2"] for stage in scores.values()], axis=1)
    subjects = np.array([0, 0, 0, 1, 1, 1])
    best = best_stage(stacked, subjects, clip=True)
    for number, subject in enumerate(("s1", "s2")):
        chosen = {"stage": t.BEST, "region": "all", "subject": subject}
        assert value(rows, metric=t.BEST_STAGE_R2_CORRECTED, **chosen) == best.score[number]
        assert value(rows, metric=t.BEST_STAGE_POSITION, **chosen) == best.relative_position[number]
    overall = value(rows, metric=t.BEST_STAGE_R2_CORRECTED, stage=t.BEST, region="all", subject="all")
    assert overall == pytest.approx(np.mean(best.score))
    # Regions: units v0, v2 | v1 | v4 | v3, v5 in order of their first unit.
    regional = best_stage(stacked, np.array([0, 1, 0, 2, 3, 2]), clip=True)
    for number, (region, subject) in enumerate([("B", "s1"), ("A", "s1"), ("A", "s2"), ("B", "s2")]):
        found = value(rows, metric=t.BEST_STAGE_R2_CORRECTED, region=region, subject=subject)
        assert found == regional.score[number]


def test_best_stage_of_components_is_their_mean(components):
    scores = random_scores(components)
    rows = tabulate(scores, components)
    stacked = np.stack([stage["r2"] for stage in scores.values()], axis=1)
    best = best_stage(stacked, np.arange(2), clip=False)
    for number, component in enumerate(("low", "music")):
        assert value(rows, metric=t.BEST_STAGE_R2, region=component, subject="all") == best.score[number]
    assert value(rows, metric=t.BEST_STAGE_R2, region="all", subject="all") == pytest.approx(np.mean(best.score))


def test_a_stage_that_is_always_best_is_found(make_benchmark):
    benchmark = make_benchmark()
    scores = random_scores(benchmark)
    scores["c"]["r2"][:] = 0.9
    scores["a"]["r2"][:] *= 0.1
    scores["b"]["r2"][:] *= 0.1
    rows = tabulate(scores, benchmark)
    assert value(rows, metric=t.BEST_STAGE_R2_CORRECTED, region="all", subject="all") == pytest.approx(0.9)
    assert value(rows, metric=t.BEST_STAGE_POSITION, region="all", subject="all") == pytest.approx(1.0)


def test_region_positions_are_those_of_the_stage_curve(make_benchmark):
    benchmark = make_benchmark()
    scores = random_scores(benchmark)
    rows = tabulate(scores, benchmark)
    rows = rows[rows[t.METRIC] == t.REGION_STAGE_POSITION]
    curves = np.stack([np.median(stage["r2"], axis=1) for stage in scores.values()], axis=1)
    positions = pd.Series(np.minimum(curves, 1.0).argmax(axis=1) / (len(scores) - 1))
    units = benchmark.units
    by_subject = positions.groupby([units["region"], units["subject"]]).median()
    for (region, subject), expected in by_subject.items():
        assert value(rows, region=region, subject=subject) == expected
    for region, expected in by_subject.groupby("region").mean().items():
        assert value(rows, region=region, subject="all") == pytest.approx(expected)
    assert len(rows) == len(by_subject) + units["region"].nunique()


def test_undefined_scores_are_counted_and_never_zero(make_benchmark):
    benchmark = make_benchmark()
    scores = random_scores(benchmark)
    scores["b"]["r2"][1, :] = np.nan  # the only unit of region A in subject s1
    scores["b"]["r2"][4, 3] = np.nan
    rows = tabulate(scores, benchmark)
    assert value(rows, metric=t.NUM_UNDEFINED, stage="b") == 11
    assert value(rows, metric=t.NUM_UNDEFINED, stage="a") == 0
    assert math.isnan(value(rows, metric=t.ENCODING_R2_CORRECTED, stage="b", region="A", subject="s1"))
    other = value(rows, metric=t.ENCODING_R2_CORRECTED, stage="b", region="A", subject="s2")
    assert other == pytest.approx(min(1.0, np.nanmedian(scores["b"]["r2"][[3, 5]], axis=1).mean()), abs=0.5)
    assert value(rows, metric=t.ENCODING_R2_CORRECTED, stage="b", region="A", subject="all") == other
    assert value(rows, metric=t.NUM_TIES, stage="c") == 2


def test_measure_uses_what_the_benchmark_asks_for(make_benchmark):
    benchmark = make_benchmark()
    features = np.random.default_rng(0).standard_normal((24, 5))
    splits = published_splits(24)
    corrected = encode(features, benchmark.responses, splits)
    raw = encode(features, benchmark.responses.mean(axis=2), splits)
    measured = encoding_metric.measure(features, benchmark, "stage", Computing())
    np.testing.assert_array_equal(measured["r2"], corrected.r2_test_corrected)
    plain = replace(benchmark, noise_corrected=False)
    measured = encoding_metric.measure(features, plain, "stage", Computing())
    np.testing.assert_array_equal(measured["r2"], raw.r2_test)
    assert measured["num_ties"] == raw.num_ties
    few = Splits(splits.train[:3], splits.test[:3])
    measured = encoding_metric.measure(features, plain, "stage", Computing(splits=few))
    np.testing.assert_array_equal(measured["r2"], raw.r2_test[:, :3])


def test_features_that_drive_the_responses_predict_them(make_benchmark):
    benchmark = make_benchmark()
    sounds = np.abs(benchmark.stimuli(1000, 64)).astype(np.float64)
    noise = np.random.default_rng(5).standard_normal((24, 64))
    many = replace(benchmark, responses=np.repeat(sounds[:, :6, None], 3, axis=2))
    features = {"drive": sounds[:, :6], "noise": noise}
    scores = {name: encoding_metric.measure(values, many, name, Computing()) for name, values in features.items()}
    rows = tabulate(scores, many)
    assert value(rows, metric=t.ENCODING_R2_CORRECTED, stage="drive", region="all", subject="all") > 0.95
    assert value(rows, metric=t.ENCODING_R2_CORRECTED, stage="noise", region="all", subject="all") < 0.3


def test_real_components_of_stored_features(shared_dir):
    from evaluate.benchmarks import load_benchmark

    golden = np.load(shared_dir / "golden" / "encoding.npz")
    benchmark = load_benchmark(shared_dir / "data" / "natsound165")
    r2 = encoding_metric.measure(golden["features"], benchmark, "stored", Computing())["r2"]
    defined = golden["components/alpha"] < 1e10
    np.testing.assert_allclose(r2[defined], golden["components/r2_test"][defined], atol=1e-6)
