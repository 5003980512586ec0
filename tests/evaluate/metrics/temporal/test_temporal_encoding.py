"""Encoding in time against the reference values, the definition with dense matrices, and known truth."""

import numpy as np
import pytest

from evaluate.metrics.encoding.encoding import encode
from evaluate.metrics.encoding.noise_ceiling import reliability, significance_floor
from evaluate.metrics.splits import published_splits
from evaluate.metrics.temporal.temporal_encoding import temporal_encode

SCALES = 10.0 ** np.arange(4, -8.25, -0.5)


def test_equals_the_reference(shared_dir):
    golden = np.load(shared_dir / "golden" / "time_resolved.npz")
    result = temporal_encode(golden["features"], golden["responses"], published_splits(165))
    assert np.abs(result.r_test - golden["r_test"]).max() < 1e-8
    np.testing.assert_allclose(result.scale, golden["scale"], rtol=1e-12)
    np.testing.assert_array_equal(result.r2_test, np.maximum(result.r_test, 0) ** 2)
    assert result.r_by_bin.shape == (7, 10, 75)
    assert np.isnan(result.r2_test_corrected).all()  # without repetitions


def bin_weights(num_frames, duration_s, num_bins, rate_hz, start_s):
    weights = np.zeros((num_bins, num_frames))
    length = duration_s / num_frames
    for k in range(num_bins):
        first, last = start_s + k / rate_hz, start_s + (k + 1) / rate_hz
        for n in range(num_frames):
            weights[k, n] = max(0.0, min(last, (n + 1) * length) - max(first, n * length))
    weights[weights < 1e-9 / rate_hz] = 0
    inside = weights.sum(axis=1) > 0
    weights[inside] /= weights[inside].sum(axis=1, keepdims=True)
    return weights, inside


def lagged_rows(features, train, *, duration_s, num_bins, rate_hz, start_s, num_lags, max_components):
    """Steps 1 to 5 of the definition: rows (S, T, L * K)."""
    num_bins, start_s = num_bins + num_lags - 1, start_s - (num_lags - 1) / rate_hz
    weights, inside = bin_weights(features.shape[2], duration_s, num_bins, rate_hz, start_s)
    binned = np.einsum("tn,sdn->std", weights, features.astype(np.float64))
    binned -= binned[train][:, inside].reshape(-1, features.shape[1]).mean(axis=0)
    binned[:, ~inside] = 0
    inner = binned[train][:, inside].reshape(-1, features.shape[1])
    _, singular_values, axes = np.linalg.svd(inner, full_matrices=False)
    num = min(max_components, int((singular_values > 1e-6 * singular_values[0]).sum()))
    components = binned @ axes[:num].T
    lags = [components[:, num_lags - 1 - lag : num_bins - lag] for lag in range(num_lags)]
    return np.concatenate(lags, axis=2)


def plain_fits(rows, targets):
    """Weights and intercept at every penalty."""
    mean, target_mean = rows.mean(axis=0), targets.mean(axis=0)
    products = (rows - mean).T @ (rows - mean)
    crossed = (rows - mean).T @ (targets - target_mean)
    unit = np.trace(products) / len(products)
    for scale in SCALES:
        weights = np.linalg.solve(products + scale * unit * np.eye(len(products)), crossed)
        yield weights, target_mean - mean @ weights


def plain_encode(rows, targets, train, test):
    """Steps 6 and 7 for one target (S, T): prediction of the test sounds and penalty."""
    size = rows.shape[2]
    errors = np.zeros(len(SCALES))
    for fold in range(5):
        left_out, fitted = train[fold::5], np.delete(train, np.s_[fold::5])
        for row, (weights, intercept) in enumerate(plain_fits(rows[fitted].reshape(-1, size), targets[fitted].ravel())):
            errors[row] += ((rows[left_out] @ weights + intercept - targets[left_out]) ** 2).sum()
    chosen = int(np.flatnonzero(errors <= errors.min() * (1 + 1e-9))[0])
    weights, intercept = list(plain_fits(rows[train].reshape(-1, size), targets[train].ravel()))[chosen]
    return rows[test] @ weights + intercept, SCALES[chosen]


def correlation(first, second):
    return np.corrcoef(np.ravel(first), np.ravel(second))[0, 1]


SETTINGS = {
    "more frames than bins": {"num_frames": 26, "num_bins": 12, "start_s": 0.0},
    "fewer frames than bins": {"num_frames": 4, "num_bins": 12, "start_s": 0.0},
    "bins before the sound": {"num_frames": 7, "num_bins": 14, "start_s": -0.17},
    "bins that begin within the sound": {"num_frames": 9, "num_bins": 8, "start_s": 0.25},
    "without time": {"num_frames": 1, "num_bins": 12, "start_s": 0.0},
}


@pytest.mark.parametrize("num_features", [5, 90])
@pytest.mark.parametrize("kind", SETTINGS)
def test_equals_the_definition(kind, num_features):
    """With 5 features, all components are computed; with 90, the leading ones."""
    settings = SETTINGS[kind]
    num_frames, num_bins, start_s = settings["num_frames"], settings["num_bins"], settings["start_s"]
    rng = np.random.default_rng(0)
    decay = 0.9 ** np.arange(num_features)
    features = (rng.standard_normal((24, num_features, num_frames)) * decay[:, None] + 3).astype(np.float32)
    responses = rng.standard_normal((24, 2, 3, num_bins)) + 4.0
    responses[:, 0] += features[:, :1].mean(axis=2)[:, :, None]
    splits = published_splits(24, num_splits=2)
    options = {"duration_s": 1.0, "rate_hz": 11.0, "start_s": start_s, "num_lags": 3, "max_components": 6}
    found = temporal_encode(features, responses, splits, **options)
    for split in range(2):
        train, test = np.flatnonzero(splits.train[split]), np.flatnonzero(splits.test[split])
        rows = lagged_rows(features, train, num_bins=num_bins, **options)
        for unit in range(2):
            mean = responses[:, unit].mean(axis=1)
            predicted, scale = plain_encode(rows, mean, train, test)
            assert found.scale[unit, split] == pytest.approx(scale)
            r = correlation(predicted, mean[test])
            assert found.r_test[unit, split] == pytest.approx(r, abs=1e-8)
            for k in np.flatnonzero(np.ptp(predicted, axis=0) > 1e-6):
                by_bin = correlation(predicted[:, k], mean[test, k])
                assert found.r_by_bin[unit, split, k] == pytest.approx(by_bin, abs=1e-6)
            singles = [plain_encode(rows, responses[:, unit, each], train, test)[0].ravel() for each in range(3)]
            ceilings = []
            of_train = responses[train, unit].transpose(0, 2, 1).reshape(-1, 1, 3)
            for values in (of_train, np.stack(singles, axis=1)[:, None]):
                single = reliability(values)[0]
                ceilings.append(max(3 * single / (1 + 2 * single), significance_floor(len(values))))
            assert found.response_ceiling[unit, split] == pytest.approx(ceilings[0], abs=1e-8)
            assert found.prediction_ceiling[unit, split] == pytest.approx(ceilings[1], abs=1e-6)
            corrected = max(r, 0) ** 2 / np.prod(ceilings)
            assert found.r2_test_corrected[unit, split] == pytest.approx(corrected, rel=1e-5, abs=1e-8)


def test_components_much_smaller_than_the_largest_keep_their_digits():
    """They come from the rows themselves, since inner products square the range of the singular values."""
    rng = np.random.default_rng(6)
    size = 10.0 ** (-np.arange(90) / 2)  # the eighth is 3e-4 of the first, its variance 1e-7
    features = (rng.standard_normal((24, 90, 12)) * size[:, None]).astype(np.float32)
    # Each response follows a small component.
    responses = np.stack([features[:, 6] / size[6], features[:, 7] / size[7]], axis=1).astype(np.float64)
    responses += 0.5 * rng.standard_normal(responses.shape)
    splits = published_splits(24, num_splits=2)
    options = {"duration_s": 1.2, "rate_hz": 10.0, "num_lags": 2, "max_components": 8}
    found = temporal_encode(features, responses, splits, **options)
    for split in range(2):
        train, test = np.flatnonzero(splits.train[split]), np.flatnonzero(splits.test[split])
        rows = lagged_rows(features, train, num_bins=12, start_s=0.0, **options)
        for unit in range(2):
            predicted, scale = plain_encode(rows, responses[:, unit], train, test)
            assert found.scale[unit, split] == pytest.approx(scale)
            assert found.r_test[unit, split] == pytest.approx(correlation(predicted, responses[test, unit]), abs=1e-8)
    assert found.r_test.min() > 0.5


@pytest.fixture(scope="module")
def problem():
    """Features with a slow spectrum of components, and responses."""
    rng = np.random.default_rng(1)
    features = rng.standard_normal((24, 90, 10)) * 0.97 ** np.arange(90)[:, None]
    responses = np.repeat(features[:, :3].mean(axis=2)[:, :, None], 8, axis=2) + rng.standard_normal((24, 3, 8))
    return features.astype(np.float32), responses, published_splits(24, num_splits=2)


OPTIONS = {"duration_s": 1.0, "rate_hz": 10.0, "num_lags": 2, "max_components": 8}


def test_little_memory_gives_the_same(problem):
    """Features converted and units fitted a few at a time, without the inner products of all rows."""
    features, responses, splits = problem
    calls = []
    whole = temporal_encode(features, responses, splits, **OPTIONS)
    small = temporal_encode(
        features, responses, splits, **OPTIONS, memory_limit_gib=1e-6, progress=lambda *done: calls.append(done)
    )
    np.testing.assert_allclose(small.r_test, whole.r_test, atol=1e-9)
    np.testing.assert_array_equal(small.scale, whole.scale)
    assert calls == [(3, 6), (6, 6)]


def test_a_unit_alone_gives_the_same_as_among_others(problem):
    """For few units, the errors of all penalties are computed from weights instead of rotated rows."""
    features, responses, splits = problem
    options = {**OPTIONS, "num_lags": 4}
    together = temporal_encode(features, responses, splits, **options)
    alone = temporal_encode(features, responses[:, :1], splits, **options)
    np.testing.assert_allclose(alone.r_test, together.r_test[:1], atol=1e-10)
    np.testing.assert_array_equal(alone.scale, together.scale[:1])


def test_a_large_mean_costs_no_accuracy(problem):
    features, responses, splits = problem
    features = features.astype(np.float64)
    plain = temporal_encode(features, responses, splits, **OPTIONS)
    shifted = temporal_encode(features + 1e5, responses + 1e5, splits, **OPTIONS)
    np.testing.assert_allclose(shifted.r_test, plain.r_test, atol=1e-7)


def test_one_bin_and_one_lag_are_nearly_static_encoding():
    """The grids of penalties differ, so the scores do, a little."""
    rng = np.random.default_rng(2)
    features = rng.standard_normal((60, 8))
    responses = features[:, :4, None] + 0.5 * rng.standard_normal((60, 4, 3))
    splits = published_splits(60, num_splits=4)
    static = encode(features, responses, splits)
    options = {"duration_s": 2.0, "rate_hz": 0.5, "num_lags": 1}
    in_time = temporal_encode(features[:, :, None], responses[..., None], splits, **options)
    np.testing.assert_allclose(in_time.response_ceiling, static.response_ceiling, rtol=1e-12)
    np.testing.assert_allclose(in_time.r2_test_corrected, static.r2_test_corrected, atol=0.05)
    np.testing.assert_allclose(in_time.r_by_bin[:, :, 0], in_time.r_test, atol=1e-12)


def test_lag_and_time_course_of_a_known_drive():
    """A response that follows a feature by three bins, with noise, is explained up to its reliability."""
    rng = np.random.default_rng(3)
    features = rng.standard_normal((60, 6, 20))
    drive = np.pad(features[:, 0], ((0, 0), (3, 0)))[:, :20]
    responses = drive[:, None, None] + rng.standard_normal((60, 1, 3, 20))
    found = temporal_encode(
        features, responses, published_splits(60, num_splits=4), duration_s=2.0, rate_hz=10.0, num_lags=6
    )
    np.testing.assert_allclose(found.peak_lag_s, 0.3)
    np.testing.assert_allclose(found.r2_test_corrected, 1, atol=0.1)
    assert found.r_by_bin[0, :, :3].mean() < 0.2 < 0.6 < found.r_by_bin[0, :, 3:].mean()
    np.testing.assert_allclose(found.bin_centers_s[:2], [0.05, 0.15])


def test_constant_features_and_responses():
    rng = np.random.default_rng(4)
    splits = published_splits(12, num_splits=2)
    responses = rng.standard_normal((12, 2, 5))
    responses[:, 1] = 3.0
    options = {"duration_s": 1.0, "rate_hz": 5.0, "num_lags": 2}
    found = temporal_encode(np.ones((12, 4, 5)), responses, splits, **options)
    assert (found.r_test[0] == 0).all()
    assert (found.r_by_bin[0] == 0).all()
    assert np.isnan(found.r_test[1]).all()
    assert np.isnan(found.r2_test[1]).all()


def test_missing_repetitions_are_allowed_if_asked(problem):
    features, _, splits = problem
    responses = np.random.default_rng(5).standard_normal((24, 2, 3, 8))
    responses[3, 1, 2, 4] = np.nan
    with pytest.raises(ValueError, match="first at stimulus 3, unit 1, repetition 2, bin 4"):
        temporal_encode(features, responses, splits, **OPTIONS)
    found = temporal_encode(features, responses, splits, **OPTIONS, allow_missing=True)
    assert np.isfinite(found.r2_test_corrected).all()
    responses[3, 1, :, 4] = np.nan
    with pytest.raises(ValueError, match="unit 1 has no response to stimulus 3 in bin 4"):
        temporal_encode(features, responses, splits, **OPTIONS, allow_missing=True)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"num_lags": 0}, "num_lags must be at least 1"),
        ({"max_components": 0}, "max_components must be at least 1"),
        ({"duration_s": 0.0}, "duration_s must be the length"),
        ({"rate_hz": -1.0}, "rate_hz must be a positive number"),
        ({"start_s": np.inf}, "start_s must be the start"),
        ({"start_s": 5.0}, "no time bin is inside the sound: bins cover 4.9 to 5.8 s, the sound 0 to 1 s"),
    ],
)
def test_impossible_settings_are_refused(problem, change, message):
    features, responses, splits = problem
    with pytest.raises(ValueError, match=message):
        temporal_encode(features, responses, splits, **{**OPTIONS, **change})


def test_shapes_are_checked(problem):
    features, responses, splits = problem
    with pytest.raises(ValueError, match=r"features of stage 'relu0' must be real numbers \(S, D, N\)"):
        temporal_encode(features[:, :, 0], responses, splits, stage="relu0")
    with pytest.raises(ValueError, match=r"responses must be real numbers \(S, V, T\) or \(S, V, R, T\)"):
        temporal_encode(features, responses[:, :, 0], splits)
    broken = features.copy()
    broken[2, 3, 4] = np.nan
    with pytest.raises(ValueError, match="the first at stimulus 2, column 3, frame 4"):
        temporal_encode(broken, responses, splits)
