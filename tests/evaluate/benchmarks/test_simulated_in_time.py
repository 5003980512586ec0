"""The simulated cortex in time, and that encoding in time recovers it."""

import numpy as np
import pytest

from evaluate.benchmarks import load_benchmark
from evaluate.benchmarks.simulated.cortex_in_time import (
    BINS,
    COARSE_BINS,
    MAX_LAGS,
    coarse_cortex_in_time,
    drive_features,
    simulated_cortex_in_time,
    unit_signals,
)
from evaluate.metrics.splits import published_splits
from evaluate.metrics.temporal.temporal_encoding import temporal_encode

NUM_STIMULI = 60


@pytest.fixture(scope="module")
def benchmark():
    return simulated_cortex_in_time(num_stimuli=NUM_STIMULI, num_subjects=2, units_per_subject=6)


@pytest.fixture(scope="module")
def result(benchmark):
    splits = published_splits(NUM_STIMULI, num_splits=2)
    return temporal_encode(drive_features(NUM_STIMULI), benchmark.time_courses, splits, num_lags=MAX_LAGS)


def test_peak_lags_are_recovered_to_one_bin(benchmark, result):
    difference = result.peak_lag_s - benchmark.units["lag_s"].to_numpy()[:, None]
    assert np.abs(difference).max() < 1.01 / BINS.rate_hz
    assert np.mean(np.abs(difference) < 1e-9) > 0.7


def test_lags_in_coarse_bins_are_recovered():
    benchmark = coarse_cortex_in_time()
    assert benchmark.bins == COARSE_BINS
    lags_s = benchmark.units.groupby("region")["lag_s"]
    assert lags_s.max()["Primary"] < lags_s.min()["Nonprimary"]
    features, splits = drive_features(benchmark.num_stimuli), published_splits(benchmark.num_stimuli, num_splits=1)
    found = temporal_encode(features, benchmark.time_courses, splits, rate_hz=COARSE_BINS.rate_hz, num_lags=5)
    difference = found.peak_lag_s[:, 0] - benchmark.units["lag_s"].to_numpy()
    assert np.abs(difference).max() < 1.01 / COARSE_BINS.rate_hz
    assert np.median(found.r2_test_corrected) > 0.9


def test_true_features_explain_everything_but_noise(result):
    """Their corrected R^2 is 1, within the error of estimating 480 weights from noisy responses."""
    corrected = np.median(result.r2_test_corrected, axis=1)
    assert np.abs(corrected - 1).max() < 0.1
    assert np.abs(np.median(corrected) - 1) < 0.05
    assert np.median(result.r2_test) < 0.9


def test_features_of_other_sounds_explain_nothing(benchmark):
    features = np.roll(drive_features(NUM_STIMULI), 7, axis=0)
    splits = published_splits(NUM_STIMULI, num_splits=1)
    shuffled = features + np.random.default_rng(0).standard_normal(features.shape) * features.std()
    # Onsets and ends of all sounds coincide: remove the mean course, which any sound predicts.
    courses = benchmark.time_courses - benchmark.time_courses.mean(axis=0)
    found = temporal_encode(shuffled, courses, splits, num_lags=3)
    assert np.median(found.r2_test) < 0.05


def test_signals_have_the_reliability_that_the_table_says(benchmark):
    signals = unit_signals(drive_features(NUM_STIMULI), benchmark.units)
    np.testing.assert_allclose(signals.var(axis=(0, 2)), 1)
    np.testing.assert_allclose(signals.mean(axis=(0, 2)), 0, atol=1e-12)
    first, second = (benchmark.time_courses[:, :, each].transpose(1, 0, 2).reshape(12, -1) for each in (0, 1))
    found = [np.corrcoef(*pair)[0, 1] for pair in zip(first, second, strict=True)]
    np.testing.assert_allclose(found, benchmark.units["reliability"], atol=0.05)


def test_it_is_found_by_name(monkeypatch):
    monkeypatch.setitem(simulated_cortex_in_time.__kwdefaults__, "num_stimuli", 55)
    benchmark = load_benchmark("simulated_time")
    assert benchmark.bins == BINS
    assert benchmark.regions == ("Primary", "Nonprimary")


@pytest.mark.parametrize("change", [{"num_subjects": 0}, {"units_per_subject": 1}, {"reliability": (0.0, 0.5)}])
def test_impossible_numbers_are_refused(change):
    with pytest.raises(ValueError, match=r"expected|reliability"):
        simulated_cortex_in_time(**change)
