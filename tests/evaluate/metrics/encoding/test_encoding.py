"""Encoding models against the reference values, scikit-learn fit by fit, and known truth."""

import numpy as np
import pytest
from sklearn.linear_model import RidgeCV

from evaluate.metrics.encoding.encoding import encode
from evaluate.metrics.encoding.noise_ceiling import reliability, significance_floor
from evaluate.metrics.splits import Splits, published_splits


@pytest.fixture(scope="module")
def golden(shared_dir):
    return np.load(shared_dir / "golden" / "encoding.npz")


def test_components_equal_the_reference(golden):
    result = encode(golden["features"], golden["responses"], published_splits(165))
    comparable = golden["components/alpha"] < 1e10
    np.testing.assert_array_equal(result.alpha[comparable], golden["components/alpha"][comparable])
    for name in ("r2_test", "r2_train"):
        difference = getattr(result, name) - golden[f"components/{name}"]
        assert np.abs(difference[comparable]).max() < 1e-12
    np.testing.assert_array_equal(result.is_tie, ~comparable)
    assert result.num_ties == 1
    assert np.isnan(result.r2_test_corrected).all()
    assert result.num_undefined == 0


def test_voxels_equal_the_reference(golden):
    result = encode(golden["features"], golden["voxels"], published_splits(165))
    comparable = golden["voxels_out/alpha"] < 1e10
    np.testing.assert_array_equal(result.alpha[comparable], golden["voxels_out/alpha"][comparable])
    pairs = {"r_test_raw": "r_test", "r2_test": "r2_test", "r2_train": "r2_train"}
    for ours, theirs in pairs.items():
        difference = getattr(result, ours) - golden[f"voxels_out/{theirs}"]
        assert np.abs(difference[comparable]).max() < 1e-12
    np.testing.assert_array_equal(result.is_tie, ~comparable)
    assert (result.alpha[result.is_tie] == 1e49).all()
    assert (result.r_test[result.is_tie] == 0).all()
    without_ties = comparable & (result.num_tied_repetitions == 0)
    assert without_ties.sum() > 200
    difference = result.r2_test_corrected - golden["voxels_out/r2_test_c"]
    assert np.abs(difference[without_ties]).max() < 1e-12


def make_problem(kind, rng, num_units=4):
    num_stimuli = 40
    if kind == "wide":
        features = rng.standard_normal((num_stimuli, 300))
    elif kind == "tall":
        features = rng.standard_normal((num_stimuli, 6))
    elif kind == "rank deficient":
        features = rng.standard_normal((num_stimuli, 4)) @ rng.standard_normal((4, 90))
    elif kind == "constant columns":
        features = np.hstack([rng.standard_normal((num_stimuli, 50)), np.full((num_stimuli, 4), 1e5)])
    else:
        features = rng.standard_normal((num_stimuli, 1))
    weights = rng.standard_normal((features.shape[1], num_units))
    signal = (features - features.mean(axis=0)) @ weights
    noise = rng.standard_normal((num_stimuli, num_units, 3))
    return features, signal[:, :, None] / signal.std() + noise + 7.0


def plain_encode(features, responses, splits, alphas):
    """The specification, one fit at a time."""
    num_units, num_repetitions = responses.shape[1:]
    names = ("r_test_raw", "r2_test", "r2_train", "r2_test_corrected", "alpha")
    out = {name: np.empty((num_units, splits.num_splits)) for name in names}
    for split in range(splits.num_splits):
        train, test = splits.train[split], splits.test[split]
        for unit in range(num_units):
            mean = responses[:, unit].mean(axis=1)
            model = RidgeCV(alphas=alphas).fit(features[train], mean[train])
            r = np.corrcoef(model.predict(features[test]), mean[test])[0, 1]
            singles = []
            for repetition in range(num_repetitions):
                single = RidgeCV(alphas=alphas).fit(features[train], responses[train, unit, repetition])
                singles.append(single.predict(features[test]))
            pairs = [(0, 1), (0, 2), (1, 2)]
            measured = responses[train, unit].T
            rel = np.median([np.corrcoef(measured[i], measured[j])[0, 1] for i, j in pairs])
            rel_pred = np.median([np.corrcoef(singles[i], singles[j])[0, 1] for i, j in pairs])
            ceilings = max(3 * rel / (1 + 2 * rel), significance_floor(train.sum()))
            ceilings *= max(3 * rel_pred / (1 + 2 * rel_pred), significance_floor(test.sum()))
            out["alpha"][unit, split] = model.alpha_
            out["r_test_raw"][unit, split] = r
            out["r2_test"][unit, split] = max(r, 0) ** 2
            out["r2_test_corrected"][unit, split] = max(r, 0) ** 2 / ceilings
            fitted = model.predict(features[train])
            out["r2_train"][unit, split] = np.corrcoef(fitted, mean[train])[0, 1] ** 2
    return out


@pytest.mark.parametrize("kind", ["wide", "tall", "rank deficient", "constant columns", "one feature"])
def test_equals_ridge_cv_fit_by_fit(kind):
    rng = np.random.default_rng(11)
    features, responses = make_problem(kind, rng)
    splits = published_splits(40, num_splits=3)
    alphas = 10.0 ** np.arange(6, -4, -1)
    expected = plain_encode(features, responses, splits, alphas)
    result = encode(features, responses, splits, alphas=alphas)
    fair = ~result.is_tie & (result.num_tied_repetitions == 0)
    assert fair.sum() >= 4
    np.testing.assert_array_equal(result.alpha[fair], expected["alpha"][fair])
    for name, values in expected.items():
        np.testing.assert_allclose(getattr(result, name)[fair], values[fair], rtol=1e-6, atol=1e-8, err_msg=name)


def test_predictions_equal_ridge_cv():
    rng = np.random.default_rng(12)
    features, responses = make_problem("wide", rng)
    splits = published_splits(40, num_splits=2)
    alphas = 10.0 ** np.arange(4, -3, -1)
    result = encode(features, responses.mean(axis=2), splits, alphas=alphas, keep_predictions=True)
    assert result.predictions.shape == (2, 40, 4)
    np.testing.assert_array_equal(~np.isnan(result.predictions[:, :, 0]), splits.test)
    for split, unit in [(0, 0), (1, 3)]:
        train, test = splits.train[split], splits.test[split]
        model = RidgeCV(alphas=alphas).fit(features[train], responses[train, unit].mean(axis=1))
        expected = model.predict(features[test])
        np.testing.assert_allclose(result.predictions[split, test, unit], expected, rtol=1e-9)


@pytest.mark.parametrize("single_rel", [0.3, 0.5, 0.7, 0.9])
def test_correction_recovers_the_explainable_variance(single_rel):
    """True features explain all explainable variance, features of noise none.

    A quotient of estimates is biased upwards by some percent at low reliability: a unit's estimate is held to
    its standard error, and the mean over units to 5 %.
    """
    rng = np.random.default_rng(int(10 * single_rel))
    features = rng.standard_normal((165, 20))
    signal = features @ rng.standard_normal((20, 300))
    signal /= signal.std(axis=0)
    noise_level = np.sqrt(1 / single_rel - 1)
    responses = signal[:, :, None] + noise_level * rng.standard_normal((165, 300, 3))
    splits = published_splits(165)
    true = np.median(encode(features, responses, splits).r2_test_corrected, axis=1)
    assert abs(true.mean() - 1) < min(true.std(ddof=1), 0.05)
    unrelated = encode(rng.standard_normal((165, 20)), responses, splits)
    chance = np.median(unrelated.r2_test_corrected, axis=1)
    assert chance.mean() < min(chance.std(ddof=1), 0.01)


def test_memory_limit_and_chunks_do_not_change_the_result():
    rng = np.random.default_rng(13)
    features, responses = make_problem("wide", rng, num_units=23)
    splits = published_splits(40, num_splits=2)
    whole = encode(features, responses, splits)
    small = encode(features, responses, splits, memory_limit_gib=1e-4)
    for name in ("r_test", "r2_test_corrected", "r2_train"):
        np.testing.assert_allclose(getattr(small, name), getattr(whole, name), rtol=1e-9, atol=1e-12)
    np.testing.assert_array_equal(small.alpha, whole.alpha)


def test_units_do_not_influence_each_other():
    rng = np.random.default_rng(14)
    features, responses = make_problem("wide", rng, num_units=6)
    splits = published_splits(40, num_splits=2)
    order = rng.permutation(6)
    found = encode(features, responses[:, order], splits).r2_test_corrected
    np.testing.assert_allclose(found, encode(features, responses, splits).r2_test_corrected[order], rtol=1e-9)


def test_offset_and_scale_of_responses_and_rotation_of_features_do_not_matter():
    rng = np.random.default_rng(15)
    features, responses = make_problem("wide", rng)
    splits = published_splits(40, num_splits=2)
    base = encode(features, responses, splits)
    rotation = np.linalg.qr(rng.standard_normal((300, 300)))[0]
    moved = encode(features @ rotation + 50.0, 1e3 * responses - 1e4, splits)
    np.testing.assert_allclose(moved.r2_test_corrected, base.r2_test_corrected, rtol=1e-7)
    np.testing.assert_array_equal(moved.alpha, base.alpha)


def test_progress_counts_to_the_end():
    rng = np.random.default_rng(16)
    features, responses = make_problem("tall", rng, num_units=9)
    calls = []
    splits = published_splits(40, num_splits=3)
    encode(features, responses, splits, memory_limit_gib=1e-4, progress=lambda *call: calls.append(call))
    assert calls[-1] == (27, 27)
    assert [done for done, _ in calls] == sorted({done for done, _ in calls})


def test_constant_prediction_scores_zero_and_is_counted():
    rng = np.random.default_rng(17)
    responses = rng.standard_normal((40, 5, 3))
    result = encode(np.ones((40, 3)), responses, published_splits(40))
    assert result.num_ties == 50
    assert (result.num_tied_repetitions == 3).all()
    assert (result.r_test == 0).all()
    assert np.isnan(result.r_test_raw).all()
    assert (result.r2_test_corrected == 0).all()
    assert (result.prediction_ceiling == significance_floor(20)).all()
    assert result.num_undefined == 0


def test_constant_unit_is_undefined_and_counted():
    rng = np.random.default_rng(18)
    features, responses = make_problem("wide", rng)
    responses[:, 1] = 0.1
    result = encode(features, responses, published_splits(40))
    assert np.isnan(result.r2_test[1]).all()
    assert np.isnan(result.r2_test_corrected[1]).all()
    assert result.num_undefined == 10
    assert np.isfinite(np.delete(result.r2_test, 1, axis=0)).all()


def test_one_repetition_equals_none():
    rng = np.random.default_rng(19)
    features, responses = make_problem("wide", rng)
    splits = published_splits(40, num_splits=2)
    with_axis, without = encode(features, responses[:, :, :1], splits), encode(features, responses[:, :, 0], splits)
    np.testing.assert_array_equal(with_axis.r2_test, without.r2_test)
    assert np.isnan(with_axis.r2_test_corrected).all()


def test_ceilings_for_other_numbers_of_repetitions():
    rng = np.random.default_rng(20)
    features, responses = make_problem("wide", rng)
    responses = np.concatenate([responses, responses[:, :, :2] + rng.standard_normal((40, 4, 2))], axis=2)
    splits = published_splits(40, num_splits=2)
    for num in (2, 5):
        result = encode(features, responses[:, :, :num], splits)
        rel = reliability(responses[splits.train[1]][:, :, :num])
        spearman_brown = num * rel / (1 + (num - 1) * rel)  # reliability of the mean of `num` repetitions
        expected = np.maximum(spearman_brown, significance_floor(20))
        np.testing.assert_allclose(result.response_ceiling[:, 1], expected)


def test_missing_repetition_equals_a_unit_without_it():
    rng = np.random.default_rng(21)
    features, responses = make_problem("wide", rng)
    splits = published_splits(40, num_splits=2)
    partial = responses.copy()
    partial[:, 2, 1] = np.nan
    partial[:, 3, 1:] = np.nan
    result = encode(features, partial, splits, allow_missing=True)
    whole = encode(features, responses, splits)
    two = encode(features, responses[:, [2]][:, :, [0, 2]], splits)
    one = encode(features, responses[:, 3, 0][:, None], splits)
    np.testing.assert_allclose(result.r2_test_corrected[:2], whole.r2_test_corrected[:2])
    np.testing.assert_allclose(result.r2_test_corrected[2], two.r2_test_corrected[0])
    np.testing.assert_allclose(result.r2_test[3], one.r2_test[0])
    assert np.isnan(result.r2_test_corrected[3]).all()


def test_single_missing_value_leaves_the_mean_of_the_others():
    rng = np.random.default_rng(22)
    features, responses = make_problem("wide", rng)
    splits = published_splits(40, num_splits=2)
    partial = responses.copy()
    partial[5, 0, 2] = np.nan
    result = encode(features, partial, splits, allow_missing=True, keep_predictions=True)
    mean = np.nanmean(partial, axis=2)
    np.testing.assert_allclose(result.r2_test[0], encode(features, mean, splits).r2_test[0])
    assert np.isfinite(result.r2_test_corrected[0]).all()


def test_errors_say_what_is_wrong():
    rng = np.random.default_rng(23)
    features, responses = make_problem("wide", rng)
    splits = published_splits(40)
    broken = features.copy()
    broken[3, 17] = np.nan
    with pytest.raises(ValueError, match=r"'relu0' contain 1 NaN .* stimulus 3, column 17"):
        encode(broken, responses, splits, stage="relu0")
    with pytest.raises(ValueError, match=r"features must be real numbers \(S, D\), got float64 \(40, 300, 1\)"):
        encode(features[:, :, None], responses, splits)
    with pytest.raises(
        ValueError, match="must be those of one stage, got a dictionary of 'relu0', 'relu1': choose one"
    ):
        encode({"relu0": features, "relu1": features}, responses, splits)
    with pytest.raises(ValueError, match="features have 30 stimuli, but the splits have 40"):
        encode(features[:30], responses, splits)
    with pytest.raises(ValueError, match="responses have 30 stimuli, but the splits have 40"):
        encode(features, responses[:30], splits)
    with pytest.raises(ValueError, match=r"responses must be real numbers .* got <U"):
        encode(features, responses.astype(str), splits)
    broken = responses.copy()
    broken[4, 2, 1] = np.nan
    with pytest.raises(ValueError, match=r"stimulus 4, unit 2, repetition 1: .*allow_missing"):
        encode(features, broken, splits)
    broken[4, 2, :] = np.nan
    with pytest.raises(ValueError, match="unit 2 has no response to stimulus 4"):
        encode(features, broken, splits, allow_missing=True)
    broken[4, 2, :] = np.inf
    with pytest.raises(ValueError, match="infinite"):
        encode(features, broken, splits, allow_missing=True)


def test_splits_of_a_user_with_uneven_sides():
    rng = np.random.default_rng(24)
    features, responses = make_problem("wide", rng)
    train = np.zeros((2, 40), dtype=bool)
    train[0, :30] = train[1, 10:] = True
    splits = Splits(train, ~train)
    result = encode(features, responses, splits)
    floors = significance_floor(30), significance_floor(10)
    assert result.response_ceiling.min() >= floors[0]
    assert result.prediction_ceiling.min() >= floors[1]
