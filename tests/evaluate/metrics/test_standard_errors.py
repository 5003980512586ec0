"""Standard errors: definitions, and errors over sounds against simulated sounds whose true error is known."""

from typing import NamedTuple

import numpy as np
import pytest
from scipy import stats

from evaluate.metrics.best_stage import best_stage, scores_of_splits
from evaluate.metrics.encoding.encoding import encode
from evaluate.metrics.splits import published_splits
from evaluate.metrics.standard_errors import fraction_error, sound_error, standard_error, within_participant_error
from evaluate.report.sound_comparison import sound_comparison

SPLITS = published_splits(165)
SIZES = {"num_train": 83, "num_test": 82}
NUM_UNITS, NUM_DRIVES, NUM_FEATURES = 6, 30, 40


class Simulated(NamedTuple):
    """Networks of two stages, scored on new sounds again and again: (repetitions, units) and (..., splits)."""

    scores: np.ndarray
    iterations: np.ndarray
    splits: np.ndarray

    @property
    def errors(self):
        return sound_error(self.splits, **SIZES)

    def coverage(self, errors, width):
        """How often an interval holds the true score: the mean over all repetitions."""
        return float((np.abs(self.scores - self.scores.mean(axis=0)) <= width * errors).mean())


def simulate(num_repetitions, *, noise_of_stages=(1.5, 0.7), seed=0):
    """Draw 165 sounds from a population, and responses to them that are partly non-linear and noisy."""
    fixed = np.random.default_rng(1)
    weights = fixed.standard_normal((NUM_DRIVES, NUM_UNITS)) / NUM_DRIVES**0.5
    projections = fixed.standard_normal((len(noise_of_stages), NUM_DRIVES, NUM_FEATURES)) / NUM_DRIVES**0.5
    found = []
    for repetition in range(num_repetitions):
        rng = np.random.default_rng([seed, repetition])
        drives = rng.standard_normal((165, NUM_DRIVES))
        responses = drives @ weights + 0.5 * np.sin(2 * drives[:, :NUM_UNITS])
        responses += 0.6 * rng.standard_normal((165, NUM_UNITS))
        scores = np.stack(
            [
                encode(drives @ project + noise * rng.standard_normal((165, NUM_FEATURES)), responses, SPLITS).r2_test
                for project, noise in zip(projections, noise_of_stages, strict=True)
            ],
            axis=1,
        )
        best = best_stage(scores, np.arange(NUM_UNITS).astype(str), clip=False)
        found.append((best.score, best.score_by_iteration.T, scores_of_splits(scores, best)))
    return Simulated(*map(np.stack, zip(*found, strict=True)))


def test_error_within_participants_takes_out_what_participants_share():
    rng = np.random.default_rng(0)
    scores = rng.standard_normal((5, 8))
    centred = scores - scores.mean(axis=0)
    np.testing.assert_allclose(within_participant_error(scores), centred.std(axis=1) / np.sqrt(7))
    np.testing.assert_allclose(
        within_participant_error(scores + 10 * rng.standard_normal(8)), within_participant_error(scores)
    )


def test_error_within_participants_leaves_out_nan():
    scores = np.random.default_rng(1).standard_normal((3, 8))
    scores[:, 2] = np.nan
    expected = within_participant_error(np.delete(scores, 2, axis=1))
    np.testing.assert_allclose(within_participant_error(scores), expected)
    scores[0, 1:] = np.nan
    assert np.isnan(within_participant_error(scores)[0])
    with pytest.raises(ValueError, match=r"\(networks, participants\), got \(3,\)"):
        within_participant_error(scores[:, 0])


def test_standard_error_is_the_usual_one():
    values = np.random.default_rng(2).standard_normal((4, 10))
    np.testing.assert_allclose(standard_error(values), stats.sem(values, axis=1))
    values[1, :9] = np.nan
    assert np.isnan(standard_error(values)[1])
    values[2, 3] = np.nan
    np.testing.assert_allclose(standard_error(values)[2], stats.sem(values[2], nan_policy="omit"))


def test_equal_values_have_no_error():
    """Rounding of 1e-17 would otherwise be a test with p = 0."""
    values = np.array([0.1 + 0.2, 0.3, 0.3])
    assert standard_error(values) == 0.0
    assert sound_error(values, **SIZES) == 0.0
    assert standard_error(np.array([0.3, 0.3 + 1e-9])) > 0
    assert np.isnan(standard_error(np.array([0.3])))
    assert np.isnan(standard_error(np.array([])))
    assert np.isnan(sound_comparison(values, values[::-1], **SIZES).p_value)


def test_error_of_a_fraction():
    answers = np.array([1, 1, 1, 0])
    assert fraction_error(0.75, 4) == pytest.approx(answers.std() / 2)


def test_error_is_the_corrected_variance_of_the_splits():
    scores = np.random.default_rng(0).standard_normal((3, 10))
    expected = np.sqrt((1 / 10 + 82 / 83) * scores.var(axis=1, ddof=1))
    np.testing.assert_allclose(sound_error(scores, **SIZES), expected)
    scores[0, 1:] = np.nan
    scores[1, :2] = np.nan
    found = sound_error(scores, **SIZES)
    assert np.isnan(found[0])
    np.testing.assert_allclose(found[1], np.sqrt((1 / 8 + 82 / 83) * scores[1, 2:].var(ddof=1)))


def test_comparison_is_a_corrected_t_test():
    rng = np.random.default_rng(0)
    first, second = rng.normal(0.5, 0.05, 10), rng.normal(0.4, 0.05, 10)
    found = sound_comparison(first, second, **SIZES)
    error = sound_error(first - second, **SIZES)
    assert found.difference == pytest.approx((first - second).mean())
    assert found.statistic == pytest.approx(found.difference / error)
    assert found.p_value == pytest.approx(stats.t.sf(found.statistic, 9))
    assert sound_comparison(second, first, **SIZES).p_value == pytest.approx(1 - found.p_value)
    uncorrected = stats.ttest_rel(first, second, alternative="greater").pvalue
    assert uncorrected < found.p_value
    assert np.isnan(sound_comparison(first, first, **SIZES).p_value)
    partly = np.where(np.arange(10) < 3, np.nan, second)
    assert (found := sound_comparison(first, partly, **SIZES)).num_first == 7
    assert found.num_undefined == 3
    assert np.isnan(sound_comparison(first, np.full(10, np.nan), **SIZES).p_value)


def test_error_has_the_size_of_the_true_one():
    """The published error, over iterations, is about a tenth of it."""
    found = simulate(12, noise_of_stages=(0.7,))
    true = found.scores.std(axis=0, ddof=1).mean()
    assert 0.6 < np.sqrt((found.errors**2).mean()) / true < 1.4
    assert standard_error(found.iterations).mean() / true < 0.25


@pytest.mark.slow
def test_intervals_hold_the_true_score():
    """As stated next to the table: 90 to 95 % instead of the nominal 95 %, and about 20 % with the published error."""
    found = simulate(100)
    assert 0.88 < found.coverage(found.errors, stats.t.ppf(0.975, 9)) < 0.97
    assert found.coverage(standard_error(found.iterations), 1.96) < 0.35


@pytest.mark.slow
def test_networks_that_are_alike_rarely_differ():
    """Two networks with the same noise: one-tailed tests at .05 reject in about .05 of the cases."""
    found = [simulate(60, noise_of_stages=(0.7,), seed=seed) for seed in (1, 2)]
    p_values = [
        sound_comparison(first, second, **SIZES).p_value
        for one, other in zip(found[0].splits, found[1].splits, strict=True)
        for first, second in zip(one, other, strict=True)
    ]
    assert np.mean(np.array(p_values) < 0.05) < 0.09
