"""Variance partitioning against the reference values, its definition kernel by kernel, himalaya, and known truth."""

import numpy as np
import pytest

from evaluate.metrics.encoding.encoding import encode
from evaluate.metrics.partition.partition import partition
from evaluate.metrics.splits import Splits, published_splits

GAMMAS = np.arange(11) / 10
ALPHAS = 10.0 ** np.arange(10, -10.25, -0.5)


@pytest.fixture(scope="module")
def golden(shared_dir):
    return np.load(shared_dir / "golden" / "partition.npz")


@pytest.fixture(scope="module")
def result(golden):
    return partition(golden["features_a"], golden["features_b"], golden["responses"], published_splits(165))


def test_equals_the_reference(golden, result):
    for name in ("r_a", "r_b", "r_ab"):
        assert np.abs(getattr(result, name) - golden[name]).max() < 1e-8, name
    for name in ("gamma", "alpha"):
        np.testing.assert_allclose(getattr(result, name), golden[name], rtol=1e-12)


def test_parts_add_up_to_what_both_explain(result):
    parts = result.unique_a + result.unique_b + result.shared
    np.testing.assert_allclose(parts, result.r2_ab, atol=1e-12)
    np.testing.assert_allclose(result.unique_a + result.shared, result.r2_a, atol=1e-12)
    assert (result.unique_a < 0).any()  # not clipped
    assert np.isnan(result.unique_a_corrected).all()  # no repetitions, no ceiling


def joint_kernels(features_a, features_b, train):
    kernels = []
    for features in (features_a, features_b):
        centred = features - features[train].mean(axis=0)
        kernel = centred @ centred[train].T
        kernels.append(kernel / np.diag(kernel[train]).mean())
    return kernels


def plain_fit(kernels, targets, train, test):
    """The definition for one target: errors of all pairs of weight and penalty, without shortcuts."""
    mean = targets[train].mean()
    y = targets[train] - mean
    errors, predictions = np.empty((11, len(ALPHAS))), np.empty((11, len(ALPHAS), test.sum()))
    for g, gamma in enumerate(GAMMAS):
        kernel = gamma * kernels[0] + (1 - gamma) * kernels[1]
        eigenvalues, basis = np.linalg.eigh(kernel[train])
        kept = eigenvalues > 1e-10 * eigenvalues[-1]
        eigenvalues, basis = eigenvalues[kept], basis[:, kept]
        coordinates = basis.T @ y
        spans_all = len(eigenvalues) == len(y) - 1  # the rest below is then rounding error
        rest = 0.0 if spans_all else y - basis @ coordinates
        free_rest = 0.0 if spans_all else 1 - 1 / len(y) - (basis**2).sum(axis=1)
        for a, alpha in enumerate(ALPHAS):
            weights = alpha / (eigenvalues + alpha)
            residual = basis @ (weights * coordinates) + rest
            free = basis**2 @ weights + free_rest
            errors[g, a] = ((residual / free) ** 2).sum()
            predictions[g, a] = kernel[test] @ (basis @ (coordinates / (eigenvalues + alpha))) + mean
    return errors, predictions


def choose(errors, gammas):
    tied = np.argwhere(errors[gammas] <= errors[gammas].min() * (1 + 1e-9))
    g, a = min(tied.tolist(), key=lambda pair: (pair[1], abs(2 * gammas[pair[0]] - 10)))
    return gammas[g], a


def make_problem(rng, num_stimuli=60):
    """Units driven by A, by B, by both, and by nothing."""
    features_a = rng.standard_normal((num_stimuli, 5))
    features_b = rng.standard_normal((num_stimuli, 80)) * 0.95 ** np.arange(80)
    drive_a, drive_b = features_a[:, 0], features_b[:, 0]
    signal = np.stack([drive_a, drive_b, drive_a + drive_b, 0 * drive_a], axis=1)
    noise = rng.standard_normal((num_stimuli, 4, 3))
    return features_a, features_b, signal[:, :, None] + 0.3 * noise + 5.0


def test_equals_the_definition():
    rng = np.random.default_rng(0)
    features_a, features_b, responses = make_problem(rng)
    splits = published_splits(60, num_splits=2)
    found = partition(features_a, features_b, responses, splits)
    for split in range(2):
        train, test = splits.train[split], splits.test[split]
        kernels = joint_kernels(features_a, features_b, train)
        for unit in range(4):
            mean = responses[:, unit].mean(axis=1)
            errors, predictions = plain_fit(kernels, mean, train, test)
            for name, gammas in (("a", [10]), ("b", [0]), ("ab", list(range(11)))):
                g, a = choose(errors, gammas)
                r = np.corrcoef(predictions[g, a], mean[test])[0, 1]
                if a > 0:  # with the largest penalty, the prediction may be constant to rounding
                    assert getattr(found, f"r_{name}")[unit, split] == pytest.approx(r, abs=1e-8)
                alpha = found.alpha if name == "ab" else getattr(found, f"alpha_{name}")
                assert alpha[unit, split] == pytest.approx(ALPHAS[a])
            assert found.gamma[unit, split] == pytest.approx(GAMMAS[g])


def test_equals_himalaya_on_the_same_kernels(golden, result):
    """Its weighted kernel ridge with our weights, and its multiple-kernel search over ours, with pairs left out."""
    split = 0
    reason = "himalaya is not installed: install the extra 'benchmarks'"
    kernel_ridge = pytest.importorskip("himalaya.kernel_ridge", reason=reason)
    train, test = published_splits(165).train[split], published_splits(165).test[split]
    kernels = np.stack(joint_kernels(golden["features_a"], golden["features_b"], train))
    responses = golden["responses"]
    mean = responses[train].mean(axis=0)
    for unit in range(responses.shape[1]):
        gamma, alpha = result.gamma[unit, split], result.alpha[unit, split]
        deltas = np.log(np.maximum([gamma, 1 - gamma], 1e-300))
        model = kernel_ridge.WeightedKernelRidge(
            alpha=alpha, deltas=deltas, kernels="precomputed", solver_params={"max_iter": 20000, "tol": 1e-10}
        ).fit(kernels[:, train], (responses[train] - mean)[:, unit])
        r = np.corrcoef(model.predict(kernels[:, test]), responses[test, unit])[0, 1]
        assert result.r_ab[unit, split] == pytest.approx(r, abs=1e-6)
    gammas = np.stack([GAMMAS, 1 - GAMMAS], axis=1)
    found = kernel_ridge.solve_multiple_kernel_ridge_random_search(
        kernels[:, train],
        responses[train] - mean,
        n_iter=gammas,
        alphas=ALPHAS[10:31],
        cv=int(train.sum()) // 2,
        progress_bar=False,
        return_weights="dual",
        local_alpha=True,
    )
    predicted = kernel_ridge.predict_weighted_kernel_ridge(kernels[:, test], found[1], found[0])
    r = [np.corrcoef(predicted[:, unit], responses[test, unit])[0, 1] for unit in range(6)]
    assert np.median(np.abs(r - result.r_ab[:, split])) < 1e-3


def test_unique_parts_of_disjoint_drives_are_right_and_those_of_noise_zero():
    features_a, features_b, responses = make_problem(np.random.default_rng(1), num_stimuli=240)
    found = partition(features_a, features_b, responses, published_splits(240, num_splits=4))
    unique_a, unique_b, shared = (
        np.median(part, axis=1) for part in (found.unique_a_corrected, found.unique_b_corrected, found.shared_corrected)
    )
    variance = features_a[:, 0].var(), features_b[:, 0].var()
    np.testing.assert_allclose(unique_a[:3], [1, 0, variance[0] / sum(variance)], atol=0.1)
    np.testing.assert_allclose(unique_b[:3], [0, 1, variance[1] / sum(variance)], atol=0.1)
    np.testing.assert_allclose(shared[:3], 0, atol=0.15)  # the drives correlate a little in these sounds
    assert max(abs(part[3]) for part in (np.median(found.unique_a, axis=1), np.median(found.unique_b, axis=1))) < 0.05


def test_the_same_space_twice_shares_everything():
    features, _, responses = make_problem(np.random.default_rng(2))
    found = partition(features, features, responses, published_splits(60, num_splits=2))
    np.testing.assert_allclose(found.unique_a, 0, atol=1e-8)
    np.testing.assert_allclose(found.shared, found.r2_a, atol=1e-8)
    assert (found.gamma == 0.5).all()  # all weights tie


def test_few_units_at_a_time_give_the_same():
    features_a, features_b, responses = make_problem(np.random.default_rng(3))
    splits = published_splits(60, num_splits=2)
    calls = []
    whole = partition(features_a, features_b, responses, splits)
    small = partition(
        features_a, features_b, responses, splits, memory_limit_gib=1e-5, progress=lambda *done: calls.append(done)
    )
    for name in ("r_ab", "gamma", "alpha", "response_ceiling"):
        np.testing.assert_allclose(getattr(small, name), getattr(whole, name), rtol=1e-9)
    assert calls[-1] == (8, 8)


def test_missing_repetitions_and_the_ceiling_are_those_of_encode():
    features_a, features_b, responses = make_problem(np.random.default_rng(4))
    responses[3, 0, 1] = np.nan
    splits = published_splits(60, num_splits=2)
    with pytest.raises(ValueError, match="first at stimulus 3, unit 0, repetition 1"):
        partition(features_a, features_b, responses, splits)
    found = partition(features_a, features_b, responses, splits, allow_missing=True)
    expected = encode(features_a, responses, splits, allow_missing=True)
    np.testing.assert_allclose(found.response_ceiling, expected.response_ceiling, rtol=1e-9)


def test_constant_features_and_responses():
    rng = np.random.default_rng(5)
    features_a, _, responses = make_problem(rng)
    responses[:, 1] = 2.0
    found = partition(features_a, np.ones((60, 3)), responses, published_splits(60, num_splits=2))
    np.testing.assert_allclose(found.r_b[0], 0)
    np.testing.assert_allclose(found.r_ab[0], found.r_a[0], atol=1e-3)
    assert np.isnan(found.r_a[1]).all()


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        (np.ones((5, 2)), np.ones((6, 2)), "features_a have 5 stimuli, but the splits have 6"),
        (np.ones((6, 2)), np.full((6, 2), np.nan), "features_b contain 12 NaN or infinite values, the first at stim"),
        (np.ones((6, 2)), np.ones((6, 2, 3)), r"features_b must be real numbers \(S, D\)"),
    ],
)
def test_errors_name_the_argument(a, b, message):
    splits = Splits(train=np.array([[True] * 3 + [False] * 3]), test=np.array([[False] * 3 + [True] * 3]))
    with pytest.raises(ValueError, match=message):
        partition(a, b, np.ones((6, 1)), splits)
