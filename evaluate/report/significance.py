"""Comparisons between models, as published; NaN values are excluded and counted.

**The least p over participants.** If two models predict equally well, each participant's difference is as likely to be
above 0 as below. That all n of them have the sign of the mean difference then has the probability 2^-n, and this is the
smallest one-tailed p of any test that assumes no more than that. A bootstrap takes the participants that there are for
all that there could be: whatever their number, it returns 1 / 10 001 as soon as the differences are large, also for
two participants. What the report shows of a test over participants is therefore at least `least_p(n)`: 0.25 for two,
0.063 for four, 0.031 for five. With fewer than `FEW_PARTICIPANTS`, none can be below .05.
"""

from dataclasses import dataclass

import numpy as np

from evaluate.metrics.standard_errors import ROUNDING, standard_error

# Tuckute, Feather et al. 2023: resamples of the bootstrap and of the permutation test.
PUBLISHED_NUM_RESAMPLES = 10_000

FEW_PARTICIPANTS = 5
"""With fewer participants, no test over them can be below .05 (`least_p`)."""

# Number of values to resample at a time: bounds memory at 8 MiB.
_BLOCK_VALUES = 2**20


@dataclass(frozen=True)
class Comparison:
    """Result of a test between two models.

    Attributes:
        difference: Mean of the first minus mean of the second (Wilcoxon: median of the differences).
        p_value: Probability of such a difference by chance; NaN if the test is undefined.
        statistic: W of Wilcoxon's test; otherwise the difference.
        num_first: Number of values of the first model.
        num_second: Number of values of the second model.
        num_undefined: Number of values (Wilcoxon: pairs) excluded because they are NaN.
    """

    difference: float
    p_value: float
    statistic: float
    num_first: int
    num_second: int
    num_undefined: int


def least_p(number: int) -> float:
    """Smallest one-tailed p, 2^-n, that n participants allow (see the module)."""
    return float(2.0**-number)


def few_text(number: int) -> str:
    """Write a number of participants that are few, such as "n = 2 < 5"; empty if they are many."""
    return f"n = {number} < {FEW_PARTICIPANTS}" if 0 < number < FEW_PARTICIPANTS else ""


def bootstrap_comparison(
    first: np.ndarray, second: np.ndarray, *, num_resamples: int = PUBLISHED_NUM_RESAMPLES, seed: int = 0
) -> Comparison:
    """One-tailed bootstrap test that the first model's mean over participants is above the second's.

    Participants of the second model are resampled with replacement. With k the number of resampled means that are at
    least the first model's mean, `p = (k + 1) / (num_resamples + 1)`: the observed data count as one resample. With n
    participants in the model that has fewer, p is at least 2^-n (`least_p`).

    Args:
        first: (P,) scores of the first model.
        second: (Q,) scores of the second model; NaN values are excluded from both.
        num_resamples: Number of resamples of the second model.
        seed: Seed of the resampling.

    Returns:
        The comparison; p is NaN if a model has no defined score.
    """
    first, second, num_undefined = _defined_values(first, second)
    if len(first) == 0 or len(second) == 0:
        return _undefined(first, second, num_undefined)
    rng = np.random.default_rng(seed)
    reached, block = 0, max(1, _BLOCK_VALUES // len(second))
    for start in range(0, num_resamples, block):
        size = (min(block, num_resamples - start), len(second))
        means = second[rng.integers(len(second), size=size)].mean(axis=1)
        reached += int((means >= first.mean()).sum())
    difference = float(first.mean() - second.mean())
    p_value = max((reached + 1) / (num_resamples + 1), least_p(min(len(first), len(second))))
    return Comparison(difference, p_value, difference, len(first), len(second), num_undefined)


def permutation_comparison(
    first: np.ndarray, second: np.ndarray, *, num_resamples: int = PUBLISHED_NUM_RESAMPLES, seed: int = 0
) -> Comparison:
    """One-tailed permutation test that the mean of the first values is above that of the second.

    For components, the 10 + 10 values of two models over the iterations of stage selection are randomly reassigned to
    the models. With k the number of permuted differences of means that are at least the observed one,
    `p = (k + 1) / (num_resamples + 1)`. If there are fewer distinct permutations than `num_resamples`, each is taken
    once and the test is exact.

    Args:
        first: (n,) values of the first model.
        second: (m,) values of the second model; NaN values are excluded from both.
        num_resamples: Number of random permutations.
        seed: Seed of the permutations.

    Returns:
        The comparison; p is NaN if a model has fewer than two defined values.
    """
    first, second, num_undefined = _defined_values(first, second)
    if min(len(first), len(second)) < 2:
        return _undefined(first, second, num_undefined)
    from scipy import stats

    outcome = stats.permutation_test(
        (first, second),
        lambda x, y, axis: x.mean(axis=axis) - y.mean(axis=axis),
        permutation_type="independent",
        alternative="greater",
        n_resamples=num_resamples,
        batch=max(1, _BLOCK_VALUES // (len(first) + len(second))),
        vectorized=True,
        random_state=np.random.default_rng(seed),
    )
    difference = float(outcome.statistic)
    return Comparison(difference, float(outcome.pvalue), difference, len(first), len(second), num_undefined)


def paired_comparison(first: np.ndarray, second: np.ndarray) -> Comparison:
    """One-tailed t test over participants that the first model's scores are above the second's.

    It assumes that differences have a normal distribution and has no least p of its own: what the report shows of it is
    at least 2^-n (`least_p`, after the correction for the number of tests).

    Args:
        first: (P,) scores of the first model.
        second: (P,) scores of the second model in the same participants; participants with NaN are excluded.

    Returns:
        The comparison; its statistic is t. p is NaN if fewer than two participants remain, or if all differ alike.
    """
    differences = paired_differences(first, second)
    defined = differences[~np.isnan(differences)]
    number, num_undefined = len(defined), len(differences) - len(defined)
    difference = float(defined.mean()) if number else float("nan")
    return t_comparison(difference, float(standard_error(defined)), number, num_undefined)


def paired_differences(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Differences of paired values, exactly 0 where they differ by rounding alone, which would pass for certain."""
    first, second = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    differences = first - second
    return np.where(np.abs(differences) <= ROUNDING * np.maximum(np.abs(first), np.abs(second)), 0.0, differences)


def t_comparison(difference: float, error: float, number: int, num_undefined: int) -> Comparison:
    """One-tailed t test of a mean difference with its standard error.

    Args:
        difference: Mean of the differences.
        error: Its standard error; NaN if undefined.
        number: Number of differences, one more than there are degrees of freedom.
        num_undefined: Number of excluded differences.

    Returns:
        The comparison; its statistic is t. p is NaN unless the error is above 0.
    """
    if not error > 0:
        return Comparison(difference, float("nan"), float("nan"), number, number, num_undefined)
    from scipy.special import stdtr  # the distribution function of t, far quicker to import than `scipy.stats`

    t = difference / error
    return Comparison(difference, float(stdtr(number - 1, -t)), t, number, number, num_undefined)


def holm(p_values: np.ndarray) -> np.ndarray:
    """Correct p values for the number of tests.

    Holm 1979 (Scandinavian Journal of Statistics 6:65): with the n values in ascending order, the i-th (from 0) is
    multiplied by n - i, and is at least its predecessor and at most 1. The probability of any false positive is then at
    most the level, also if tests depend on each other.

    Args:
        p_values: (tests,) p values; NaN values are excluded and stay NaN.

    Returns:
        (tests,) corrected p values.
    """
    p_values = np.asarray(p_values, dtype=np.float64)
    corrected = np.full(p_values.shape, np.nan)
    order = np.argsort(p_values)[: int((~np.isnan(p_values)).sum())]
    multiplied = p_values[order] * np.arange(len(order), 0, -1)
    corrected[order] = np.minimum(np.maximum.accumulate(multiplied), 1.0)
    return corrected


def wilcoxon_over_models(first: np.ndarray, second: np.ndarray) -> Comparison:
    """Two-sided Wilcoxon signed-rank test of paired values, one pair for each model.

    The paper compares best-stage positions of primary auditory cortex with those of another region in this way. With n
    pairs that differ, p is at least 2^(1 - n), also where SciPy approximates it because of ties.

    Args:
        first: (models,) values.
        second: (models,) values of the same models; pairs with NaN are excluded.

    Returns:
        The comparison; p is NaN if no pair remains, or no pair differs.

    Raises:
        ValueError: The numbers of models differ.
    """
    first, second = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if first.shape != second.shape or first.ndim != 1:
        raise ValueError(f"expected two lists of equal length, got shapes {first.shape} and {second.shape}")
    defined = ~(np.isnan(first) | np.isnan(second))
    num_undefined = int((~defined).sum())
    differences = first[defined] - second[defined]
    if not differences.any():
        return _undefined(first[defined], second[defined], num_undefined)
    from scipy import stats

    outcome = stats.wilcoxon(differences, alternative="two-sided")
    num_pairs = len(differences)
    return Comparison(
        difference=float(np.median(differences)),
        p_value=max(float(outcome.pvalue), 2 * least_p(int((differences != 0).sum()))),
        statistic=float(outcome.statistic),
        num_first=num_pairs,
        num_second=num_pairs,
        num_undefined=num_undefined,
    )


def _defined_values(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
    first = np.asarray(first, dtype=np.float64).ravel()
    second = np.asarray(second, dtype=np.float64).ravel()
    num_undefined = int(np.isnan(first).sum() + np.isnan(second).sum())
    return first[~np.isnan(first)], second[~np.isnan(second)], num_undefined


def _undefined(first: np.ndarray, second: np.ndarray, num_undefined: int) -> Comparison:
    difference = float(first.mean() - second.mean()) if len(first) and len(second) else float("nan")
    return Comparison(difference, float("nan"), float("nan"), len(first), len(second), num_undefined)
