"""Tests: definitions, level under the null hypothesis, NaN."""

import numpy as np
import pytest
from scipy import stats

from evaluate.report.significance import (
    bootstrap_comparison,
    permutation_comparison,
    wilcoxon_over_models,
)


def test_bootstrap_of_clear_and_of_no_difference():
    rng = np.random.default_rng(3)
    base = rng.standard_normal(20)
    clear = bootstrap_comparison(base + 5, base)
    assert clear.p_value == pytest.approx(1 / 10_001)
    assert clear.difference == pytest.approx(5)
    assert bootstrap_comparison(base, base + 5).p_value == 1.0
    assert abs(bootstrap_comparison(base, base).p_value - 0.5) < 0.05
    assert bootstrap_comparison(base, base, seed=1) == bootstrap_comparison(base, base, seed=1)


def test_bootstrap_follows_the_distribution_of_the_mean():
    second = np.random.default_rng(4).standard_normal(200)
    offset = 1.5 * second.std() / np.sqrt(200)
    found = bootstrap_comparison(np.full(200, second.mean() + offset), second, num_resamples=50_000)
    assert abs(found.p_value - stats.norm.sf(1.5)) < 0.01


def test_permutation_equals_full_enumeration():
    first, second = np.array([3.0, 4.0, 6.0, 9.0]), np.array([1.0, 2.0, 5.0, 4.5])
    exact = stats.permutation_test(
        (first, second), lambda a, b: a.mean() - b.mean(), alternative="greater", n_resamples=np.inf
    )
    found = permutation_comparison(first, second, num_resamples=50_000)
    assert abs(found.p_value - exact.pvalue) < 0.01
    assert found.difference == pytest.approx(exact.statistic)


def test_one_value_cannot_be_permuted():
    found = permutation_comparison(np.array([1.0]), np.array([0.0, 2.0, np.nan]))
    assert np.isnan(found.p_value)
    assert (found.num_first, found.num_second, found.num_undefined) == (1, 2, 1)


def test_permutation_of_identical_values_is_never_significant():
    assert permutation_comparison(np.full(10, 0.1), np.full(10, 0.1)).p_value == 1.0


def test_permutation_keeps_its_level():
    rng = np.random.default_rng(5)
    p = [permutation_comparison(*rng.standard_normal((2, 10)), num_resamples=400, seed=i).p_value for i in range(400)]
    assert 0.02 < np.mean(np.array(p) < 0.05) < 0.09


def test_wilcoxon_equals_scipy():
    rng = np.random.default_rng(6)
    first, second = rng.standard_normal((2, 15))
    first += 0.5
    expected = stats.wilcoxon(first, second)
    found = wilcoxon_over_models(first, second)
    assert found.p_value == expected.pvalue
    assert found.statistic == expected.statistic
    assert found.difference == pytest.approx(np.median(first - second))
    assert np.isnan(wilcoxon_over_models(first, first).p_value)
    with pytest.raises(ValueError, match="equal length"):
        wilcoxon_over_models(first, second[:5])


def test_nan_is_left_out_and_counted():
    values = np.array([1.0, np.nan, 3.0, 2.0])
    other = np.array([0.0, 1.0, np.nan, 0.5])
    for compare in (bootstrap_comparison, permutation_comparison):
        found = compare(values, other)
        assert (found.num_first, found.num_second, found.num_undefined) == (3, 3, 2)
        assert np.isnan(compare(values, np.full(4, np.nan)).p_value)
    paired = wilcoxon_over_models(values, other)
    assert (paired.num_first, paired.num_undefined) == (2, 2)
    assert np.isnan(wilcoxon_over_models(values, np.full(4, np.nan)).difference)
