"""Effective dimensionality against its definition, and for known spectra."""

import numpy as np
import pytest

from evaluate.metrics.dimensionality import effective_dimensionality


def plain(features):
    eigenvalues = np.linalg.eigvalsh(np.cov(features - features.mean(axis=0)))
    return eigenvalues.sum() ** 2 / np.square(eigenvalues).sum()


@pytest.mark.parametrize("shape", [(165, 211), (165, 40), (20, 2000)])
def test_equals_the_definition(shape):
    rng = np.random.default_rng(0)
    features = rng.standard_normal(shape) * np.logspace(0, -2, shape[1]) + 5
    np.testing.assert_allclose(effective_dimensionality(features), plain(features), rtol=1e-9)
    standardised = (features - features.mean(axis=0)) / features.std(axis=0)
    np.testing.assert_allclose(effective_dimensionality(features, z_score=True), plain(standardised), rtol=1e-9)


def test_known_numbers_of_dimensions():
    rng = np.random.default_rng(1)
    basis = np.linalg.qr(rng.standard_normal((60, 60)) - 0.0)[0]
    stimuli = basis[:, :7] - basis[:, :7].mean(axis=0)
    stimuli = np.linalg.qr(stimuli)[0]
    axes = rng.standard_normal((7, 500))
    axes = np.linalg.qr((axes - axes.mean(axis=1, keepdims=True)).T)[0].T
    assert effective_dimensionality(stimuli @ axes) == pytest.approx(7)
    assert effective_dimensionality(np.outer(stimuli[:, 0], axes[0])) == pytest.approx(1)


def test_scale_and_offset_do_not_matter():
    features = np.random.default_rng(2).standard_normal((30, 80))
    expected = effective_dimensionality(features)
    for scale in (1e-200, 1e200):
        assert effective_dimensionality(scale * features) == pytest.approx(expected)
    assert effective_dimensionality(features + np.arange(80)) == pytest.approx(expected)


def test_unvarying_features_are_undefined_and_dead_ones_ignored():
    features = np.random.default_rng(3).standard_normal((30, 80))
    assert np.isnan(effective_dimensionality(np.full((30, 80), 0.1)))
    dead = np.hstack([features, np.full((30, 20), 0.1)])
    zeroed = np.hstack([(features - features.mean(axis=0)) / features.std(axis=0), np.zeros((30, 20))])
    assert effective_dimensionality(dead, z_score=True) == pytest.approx(plain(zeroed))


def test_errors_say_what_is_wrong():
    with pytest.raises(ValueError, match=r"\(S, D\) with at least two stimuli and two features, got \(5, 1\)"):
        effective_dimensionality(np.zeros((5, 1)))
    with pytest.raises(ValueError, match="1 NaN or infinite"):
        effective_dimensionality(np.array([[0.0, 1.0], [np.nan, 2.0]]))
