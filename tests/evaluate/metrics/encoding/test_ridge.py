"""Leave-one-out ridge against refitting, scikit-learn and the plain rule."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge, RidgeCV

from evaluate.metrics.encoding.decomposition import compress, decompose
from evaluate.metrics.encoding.penalties import PUBLISHED_ALPHAS, TIE_TOLERANCE
from evaluate.metrics.encoding.ridge import LeaveOneOutRidge


def make_features(kind, rng, num=40):
    """Training features of one of the kinds that solvers trip over."""
    if kind == "wide":
        return rng.standard_normal((num, 150))
    if kind == "tall":
        return rng.standard_normal((num, 7))
    if kind == "one feature":
        return rng.standard_normal((num, 1))
    if kind == "rank deficient":
        return rng.standard_normal((num, 5)) @ rng.standard_normal((5, 120))
    if kind == "constant columns":
        return np.hstack([rng.standard_normal((num, 60)), np.full((num, 3), 1e6), np.zeros((num, 2))])
    if kind == "duplicated rows":
        features = rng.standard_normal((num, 80))
        features[10:20] = features[:10]
        return features
    if kind == "steep spectrum":
        return rng.standard_normal((num, 100)) * np.logspace(0, -7, 100)
    if kind == "own feature":
        features = rng.standard_normal((num, 6))
        return np.hstack([features, np.eye(num)[:, :3]])
    raise AssertionError(kind)


KINDS = [
    "wide",
    "tall",
    "one feature",
    "rank deficient",
    "constant columns",
    "duplicated rows",
    "steep spectrum",
    "own feature",
]


def make_targets(features, rng, num_targets=30):
    """From all signal to no signal."""
    standard = features - features.mean(axis=0)
    signal = standard @ rng.standard_normal((features.shape[1], num_targets))
    signal /= np.maximum(signal.std(axis=0), 1e-12)
    share = np.linspace(0, 0.98, num_targets)  # rounding decides the penalty of a perfect fit
    return 5.0 + share * signal + (1 - share) * rng.standard_normal(signal.shape)


def plain_choice(errors):
    """The rule in words: the largest penalty (first row) within the tolerance of the smallest error."""
    return [np.flatnonzero(column <= column.min() * (1 + TIE_TOLERANCE))[0] for column in errors.T]


@pytest.mark.parametrize("kind", KINDS)
def test_errors_equal_refitting_without_each_stimulus(kind):
    rng = np.random.default_rng(1)
    features = make_features(kind, rng, num=20)
    targets = make_targets(features, rng, 4)
    alphas = np.array([1e4, 10.0, 1e-2])
    expected = np.zeros((3, 4))
    for row, alpha in enumerate(alphas):
        for left_out in range(20):
            kept = np.arange(20) != left_out
            model = Ridge(alpha=alpha, solver="svd").fit(features[kept], targets[kept])
            expected[row] += (targets[left_out] - model.predict(features[[left_out]])[0]) ** 2 / 20
    found = LeaveOneOutRidge(torch.tensor(features), alphas).errors(torch.tensor(targets))
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-7)


@pytest.mark.parametrize("kind", KINDS)
def test_choice_and_prediction_equal_ridge_cv(kind):
    rng = np.random.default_rng(2)
    features = make_features(kind, rng)
    targets = make_targets(features, rng)[:, 2:-4]
    new = make_features(kind, rng)
    # Below, RidgeCV's own errors are rounding wherever the kernel is singular (see the next test).
    alphas = 10.0 ** np.arange(8, -3, -1)
    solver = LeaveOneOutRidge(torch.tensor(features), alphas)
    projection = solver.project(torch.tensor(targets))
    choice = solver.choose(projection)
    coefficients = solver.shrink(projection.coordinates, choice.index)
    parts = solver.decomposition
    found = (torch.tensor(new) - parts.mean) @ parts.axes @ coefficients + torch.tensor(targets).mean(dim=0)
    for unit in range(targets.shape[1]):
        oracle = RidgeCV(alphas=alphas).fit(features, targets[:, unit])
        if choice.is_tie[unit]:
            continue
        assert choice.alpha[unit] == oracle.alpha_
        np.testing.assert_allclose(-oracle.best_score_, choice.error[unit], rtol=1e-7)
        np.testing.assert_allclose(found[:, unit], oracle.predict(new), rtol=1e-5, atol=1e-6)
    assert not choice.is_tie.all()


def test_singular_kernel_and_tiny_penalties():
    """Where RidgeCV of newer releases of scikit-learn breaks down: its error at 1e-12 is a thousand times larger."""
    rng = np.random.default_rng(2)
    features = make_features("duplicated rows", rng)
    target = make_targets(features, rng)[:, 20]
    alphas = np.array([1e-4, 1e-6, 1e-12, 1e-50])
    expected = 0.0
    for left_out in range(40):
        kept = np.arange(40) != left_out
        mean = features[kept].mean(axis=0)
        smallest_norm = np.linalg.pinv(features[kept] - mean, rcond=1e-10) @ (target[kept] - target[kept].mean())
        prediction = target[kept].mean() + (features[left_out] - mean) @ smallest_norm
        expected += (target[left_out] - prediction) ** 2 / 40
    found = LeaveOneOutRidge(torch.tensor(features), alphas).errors(torch.tensor(target[:, None]))[:, 0]
    assert abs(float(found[0]) / expected - 1) < 1e-4
    np.testing.assert_allclose(found[1:], expected, rtol=1e-6)
    np.testing.assert_allclose(found[2:], expected, rtol=1e-10)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e7])
def test_shortcuts_do_not_change_the_choice(kind, scale):
    rng = np.random.default_rng(3)
    for _ in range(5):
        features = make_features(kind, rng) * scale
        targets = torch.tensor(make_targets(features, rng, 60))
        solver = LeaveOneOutRidge(torch.tensor(features))
        errors = solver.errors(targets).numpy()
        choice = solver.choose(solver.project(targets))
        expected = errors.min(axis=0)
        np.testing.assert_allclose(choice.error, errors[choice.index, np.arange(60)], rtol=1e-9)
        assert (choice.error.numpy() <= expected * (1 + 1.1 * TIE_TOLERANCE)).all()
        np.testing.assert_array_equal(choice.index, plain_choice(errors))


def test_few_penalties_are_evaluated(monkeypatch):
    rng = np.random.default_rng(4)
    features = make_features("wide", rng)
    targets = torch.tensor(make_targets(features, rng))
    num_columns = []
    whole = LeaveOneOutRidge._weighted_error

    def counted(self, weights, inverse_remaining, coordinates, outside):
        num_columns.append(coordinates.shape[1])
        return whole(self, weights, inverse_remaining, coordinates, outside)

    monkeypatch.setattr(LeaveOneOutRidge, "_weighted_error", counted)
    solver = LeaveOneOutRidge(torch.tensor(features))
    solver.choose(solver.project(targets))
    assert sum(num_columns) < 15 * targets.shape[1]


def test_ties_take_the_largest_penalty_and_are_flagged():
    rng = np.random.default_rng(5)
    features = torch.tensor(rng.standard_normal((40, 60)))
    noise = torch.tensor(rng.standard_normal((40, 200)))
    solver = LeaveOneOutRidge(features)
    choice = solver.choose(solver.project(noise))
    assert 20 < choice.is_tie.sum() < 180
    assert (choice.alpha[choice.is_tie] == 1e49).all()
    assert (choice.alpha[~choice.is_tie] < 1e13).all()
    of_mean = noise.var(dim=0, correction=0) / (1 - 1 / 40) ** 2
    torch.testing.assert_close(choice.error[choice.is_tie], of_mean[choice.is_tie])


def test_order_of_penalties_does_not_matter():
    rng = np.random.default_rng(6)
    features = torch.tensor(make_features("wide", rng))
    targets = torch.tensor(make_targets(features.numpy(), rng))
    alphas = [LeaveOneOutRidge(features, grid) for grid in (PUBLISHED_ALPHAS, rng.permutation(PUBLISHED_ALPHAS))]
    first, second = (solver.choose(solver.project(targets)).alpha for solver in alphas)
    assert torch.equal(first, second)


def test_features_that_do_not_vary_predict_the_mean():
    solver = LeaveOneOutRidge(torch.full((20, 4), 3.7, dtype=torch.float64))
    projection = solver.project(torch.tensor(np.random.default_rng(7).standard_normal((20, 3))))
    choice = solver.choose(projection)
    assert choice.is_tie.all()
    assert solver.shrink(projection.coordinates, choice.index).shape == (0, 3)


def test_constant_target_is_a_tie():
    rng = np.random.default_rng(8)
    solver = LeaveOneOutRidge(torch.tensor(rng.standard_normal((20, 50))))
    choice = solver.choose(solver.project(torch.full((20, 1), 2.0, dtype=torch.float64)))
    assert choice.is_tie.all()
    assert choice.alpha.item() == 1e49


@pytest.mark.parametrize("kind", KINDS)
def test_decomposition_rebuilds_centred_features(kind):
    features = torch.tensor(make_features(kind, np.random.default_rng(9)))
    parts = decompose(features)
    rebuilt = (parts.basis * parts.singular_values) @ parts.axes.T
    largest = features.abs().max()
    torch.testing.assert_close(rebuilt, features - features.mean(dim=0), atol=1e-13 * float(largest), rtol=0)
    identity = torch.eye(parts.basis.shape[1], dtype=torch.float64)
    torch.testing.assert_close(parts.basis.T @ parts.basis, identity, atol=1e-12, rtol=0)
    assert parts.basis.sum(dim=0).abs().max() < 1e-12


@pytest.mark.parametrize(("num_features", "limit_gib"), [(10, 2.0), (30, 2.0), (400, 2.0), (400, 1e-9)])
def test_compressed_features_have_the_same_inner_products(num_features, limit_gib):
    features = np.random.default_rng(10).standard_normal((30, num_features)).astype(np.float32) + 100
    found = compress(features, memory_limit_gib=limit_gib)
    assert found.shape == (30, min(30, num_features))
    wide = features.astype(np.float64)
    centred = wide - wide.mean(axis=0)
    np.testing.assert_allclose(found @ found.T, centred @ centred.T, atol=1e-9)


def test_published_grid_equals_the_reference(shared_dir):
    golden = np.load(shared_dir / "golden" / "encoding.npz")
    np.testing.assert_array_equal(PUBLISHED_ALPHAS, golden["alphas"])


def test_errors_say_what_is_wrong():
    features = torch.ones((10, 2), dtype=torch.float64)
    for bad in ([], [1.0, -1.0], [np.inf], [[1.0]]):
        with pytest.raises(ValueError, match="positive, finite"):
            LeaveOneOutRidge(features, np.array(bad))
    with pytest.raises(ValueError, match="twice"):
        LeaveOneOutRidge(features, np.array([1.0, 1.0]))
    with pytest.raises(ValueError, match="at least 3 training stimuli, got 2"):
        LeaveOneOutRidge(features[:2])
