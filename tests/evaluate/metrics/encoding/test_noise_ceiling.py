"""Reliability, its extrapolation and its floor."""

import numpy as np
import pytest
from scipy import stats

from evaluate.metrics.encoding.noise_ceiling import reliability, significance_floor


def test_floors_are_the_published_ones():
    assert significance_floor(83) == 0.182
    assert significance_floor(82) == 0.183


@pytest.mark.parametrize("num", [3, 10, 50, 165, 1000])
def test_floor_is_the_smallest_significant_correlation_of_three_decimals(num):
    def p_value(r):
        t = r * np.sqrt((num - 2) / max(1 - r**2, 1e-300))
        return stats.t.sf(t, num - 2)

    floor = significance_floor(num)
    assert p_value(floor) < 0.05
    assert p_value(floor - 0.001) >= 0.05


def test_floor_needs_three_stimuli():
    with pytest.raises(ValueError, match="at least 3 stimuli, got 2"):
        significance_floor(2)


@pytest.mark.parametrize("num_repetitions", [2, 3, 4])
def test_reliability_is_the_median_over_pairs(num_repetitions):
    rng = np.random.default_rng(1)
    values = rng.standard_normal((30, 5, num_repetitions)) + rng.standard_normal((30, 5, 1))
    for unit, found in enumerate(reliability(values)):
        matrix = np.corrcoef(values[:, unit].T)
        expected = np.median(matrix[np.triu_indices(num_repetitions, k=1)])
        np.testing.assert_allclose(found, expected)


def test_pairs_that_are_undefined_are_left_out():
    rng = np.random.default_rng(2)
    values = rng.standard_normal((30, 3, 3)) + rng.standard_normal((30, 3, 1))
    values[:, 0, 2] = 0.1
    values[3, 1, 2] = np.nan
    values[:, 2, 1:] = 0.3
    found = reliability(values)
    np.testing.assert_allclose(found[0], np.corrcoef(values[:, 0, 0], values[:, 0, 1])[0, 1])
    np.testing.assert_allclose(found[1], np.corrcoef(values[:, 1, 0], values[:, 1, 1])[0, 1])
    assert np.isnan(found[2])


def test_reliability_needs_two_repetitions():
    with pytest.raises(ValueError, match=r"\(S, V, R\) with R at least 2, got \(10, 4, 1\)"):
        reliability(np.zeros((10, 4, 1)))
