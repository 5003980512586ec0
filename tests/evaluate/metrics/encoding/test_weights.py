"""Weights of encoding models: their predictions are those of the fit, and they are scikit-learn's."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from evaluate.metrics.encoding.decomposition import compress, compress_reversibly
from evaluate.metrics.encoding.encoding import EncodingResult, encode
from evaluate.metrics.splits import published_splits

NUM_STIMULI, NUM_UNITS = 40, 5


def problem(num_features, *, offset=0.0, decay=0.0, dtype=np.float64):
    """Features with singular values that fall by `decay` decades, and three repetitions of noisy responses."""
    rng = np.random.default_rng(0)
    latent = rng.standard_normal((NUM_STIMULI, 4))
    features = latent @ rng.standard_normal((4, num_features)) + 0.3 * rng.standard_normal((NUM_STIMULI, num_features))
    features = features * np.logspace(0, -decay, num_features) + offset
    noise = rng.standard_normal((NUM_STIMULI, NUM_UNITS, 3))
    return features.astype(dtype), (latent @ rng.standard_normal((4, NUM_UNITS)))[:, :, None] + 0.3 * noise


PROBLEMS = {
    "wide": problem(300),
    "tall": problem(6),
    "square": problem(NUM_STIMULI),
    "float32": problem(300, dtype=np.float32),
    "far from zero": problem(300, offset=1e4),
    "steep": problem(300, decay=8),
}


@pytest.fixture(params=PROBLEMS.values(), ids=PROBLEMS)
def kept(request):
    features, responses = request.param
    result = encode(
        features,
        responses,
        published_splits(NUM_STIMULI),
        keep_predictions=True,
        keep_weights=True,
        memory_limit_gib=1e-5,
    )
    return features, responses, result


def test_kept_models_predict_what_the_fit_predicts(kept):
    features, responses, result = kept
    splits = published_splits(NUM_STIMULI)
    predicted = result.weights.predict(features)
    for split, test in enumerate(splits.test):
        error = np.abs(predicted[split, test] - result.predictions[split, test])
        assert error.max() < 1e-12
        np.testing.assert_array_equal(result.weights.predict(features, split), predicted[split])
    # The correlation with the mean response is the score.
    mean = responses.mean(axis=2)
    test = splits.test[3]
    r = [np.corrcoef(predicted[3, test, unit], mean[test, unit])[0, 1] for unit in range(NUM_UNITS)]
    np.testing.assert_allclose(result.r_test_raw[:, 3], r, atol=1e-9)


def test_weights_are_those_of_scikit_learn(kept):
    features, responses, result = kept
    train = published_splits(NUM_STIMULI).train[2]
    mean = responses.mean(axis=2)
    for unit in range(NUM_UNITS):
        ridge = Ridge(alpha=result.alpha[unit, 2], solver="svd")
        model = ridge.fit(features[train].astype(np.float64), mean[train, unit])
        weights, intercept = result.weights.model(2, units=[unit])
        assert np.abs(weights[:, 0] - model.coef_).max() < 1e-6 * np.abs(model.coef_).max()
        predicted = features.astype(np.float64) @ weights[:, 0] + intercept[0]
        np.testing.assert_allclose(predicted, result.weights.predict(features, 2)[:, unit], atol=1e-7)


def test_the_mean_model_predicts_the_mean(kept):
    features, _, result = kept
    weights, intercept = result.weights.model(units=slice(1, 3))
    assert weights.shape == (features.shape[1], 2)
    expected = result.weights.predict(features).mean(axis=0)[:, 1:3]
    np.testing.assert_allclose(features.astype(np.float64) @ weights + intercept, expected, atol=1e-7)


def test_scores_are_bitwise_the_same_without_weights(kept):
    features, responses, result = kept
    plain = encode(features, responses, published_splits(NUM_STIMULI), memory_limit_gib=1e-5)
    assert plain.weights is None
    for name in EncodingResult.__dataclass_fields__:
        if name not in ("predictions", "weights"):
            np.testing.assert_array_equal(getattr(result, name), getattr(plain, name))


@pytest.mark.parametrize("limit_gib", [1e-6, 1e-4, 2.0])
@pytest.mark.parametrize("num_features", [3, NUM_STIMULI, NUM_STIMULI + 1, 411])
def test_compressed_features_are_reversible(num_features, limit_gib):
    features = np.random.default_rng(1).standard_normal((NUM_STIMULI, num_features)) + 3
    rotated, directions, mean = compress_reversibly(features, memory_limit_gib=limit_gib)
    assert np.array_equal(rotated, compress(features, memory_limit_gib=limit_gib))
    np.testing.assert_allclose(rotated @ directions.T + mean, features, atol=1e-12)
    np.testing.assert_allclose(directions.T @ directions, np.eye(min(features.shape)), atol=1e-13)


def test_wrong_requests_are_explained(kept):
    features, _, result = kept
    with pytest.raises(ValueError, match=rf"expected features \(S, {features.shape[1]}\) as those that were fitted"):
        result.weights.predict(features[:, :-1])
    with pytest.raises(IndexError, match="expected a split from 0 to 9, got 10"):
        result.weights.model(10)
    num_units = len(result.r2_test)
    with pytest.raises(
        IndexError, match=f"expected units from 0 to {num_units - 1}, a mask of {num_units}, or a slice"
    ):
        result.weights.model(units=[0, num_units])
