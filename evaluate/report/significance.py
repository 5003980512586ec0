"""Error bars and comparisons between models, as published; NaN is left out and counted."""

from dataclasses import dataclass

import numpy as np
from scipy import stats

# Tuckute, Feather et al. 2023: resamples of the bootstrap and of the permutation test.
PUBLISHED_NUM_RESAMPLES = 10_000

# Values handled at once when resampling: bounds memory at 8 MiB.
_BLOCK_VALUES = 2**20


@dataclass(frozen=True)
class Comparison:
    """Outcome of a test of one model against another.

    Attributes:
        difference: Mean (Wilcoxon: median) of the first less that of the second.
        p_value: Probability of such a difference by chance; NaN if the test is undefined.
        statistic: Wilcoxon's W; otherwise the difference.
        num_first: Values of the first model that entered.
        num_second: Values of the second model that entered.
        num_undefined: Values (Wilcoxon: pairs) left out because they are NaN.
    """

    difference: float
    p_value: float
    statistic: float
    num_first: int
    num_second: int
    num_undefined: int


def participant_error(scores: np.ndarray) -> np.ndarray:
    """Within-participant error bars of several models.

    Each participant's mean over the models compared is taken out; then `std(ddof=0) / sqrt(P - 1)`.

    Args:
        scores: (models, P) score of each model in each participant; NaN is left out.

    Returns:
        (models,) standard errors, NaN for a model with fewer than two participants.

    Raises:
        ValueError: Not two axes.
    """
    scores = np.asarray(scores, dtype=np.float64)
    if scores.ndim != 2:
        raise ValueError(f"scores must be (models, participants), got {scores.shape}")
    defined = ~np.isnan(scores)
    count = np.maximum(defined.sum(axis=0), 1)
    return standard_error(scores - np.where(defined, scores, 0.0).sum(axis=0) / count)


def standard_error(values: np.ndarray) -> np.ndarray:
    """Standard error of the mean over the last axis, `std(ddof=0) / sqrt(n - 1)` over what is not NaN.

    The published error bar of a component is this over the ten iterations of its stage selection.

    Args:
        values: (..., n).

    Returns:
        (...), NaN where fewer than two values are defined.
    """
    values = np.asarray(values, dtype=np.float64)
    # scipy's error, std(ddof=1) / sqrt(n), is the same number: both are sqrt(sum of squares / (n (n - 1))).
    has_error = (~np.isnan(values)).sum(axis=-1) > 1
    errors = np.full(values.shape[:-1], np.nan)
    errors[has_error] = stats.sem(values[has_error], axis=-1, nan_policy="omit")
    return errors


def bootstrap_comparison(
    first: np.ndarray, second: np.ndarray, *, num_resamples: int = PUBLISHED_NUM_RESAMPLES, seed: int = 0
) -> Comparison:
    """One-tailed bootstrap test that the first model's mean over participants is above the second's.

    The second model's participants are drawn again with replacement; p is the share of resampled means that reach
    the first model's mean, the observed data counted as one resample, `(k + 1) / (num_resamples + 1)`.

    Args:
        first: (P,) scores of the first model.
        second: (Q,) scores of the second model; NaN is left out of both.
        num_resamples: Resamples of the second model.
        seed: Seed of the resampling.

    Returns:
        The comparison; p is NaN where a model has no defined score.
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
    p_value = (reached + 1) / (num_resamples + 1)
    return Comparison(difference, p_value, difference, len(first), len(second), num_undefined)


def permutation_comparison(
    first: np.ndarray, second: np.ndarray, *, num_resamples: int = PUBLISHED_NUM_RESAMPLES, seed: int = 0
) -> Comparison:
    """One-tailed permutation test that the mean of the first values is above that of the second.

    For components: the 10 + 10 values of two models over the iterations of stage selection are dealt out again at
    random; p is the share of differences of means that reach the observed one, itself counted as one. With fewer
    different deals than `num_resamples`, each is taken once and the test is exact.

    Args:
        first: (n,) values of the first model.
        second: (m,) values of the second model; NaN is left out of both.
        num_resamples: Random permutations.
        seed: Seed of the permutations.

    Returns:
        The comparison; p is NaN if a model has fewer than two defined values.
    """
    first, second, num_undefined = _defined_values(first, second)
    if min(len(first), len(second)) < 2:
        return _undefined(first, second, num_undefined)
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


def wilcoxon_over_models(first: np.ndarray, second: np.ndarray) -> Comparison:
    """Two-sided Wilcoxon signed-rank test of paired values, one pair for each model.

    The published use: best-stage positions of primary auditory cortex against those of another region.

    Args:
        first: (models,) values.
        second: (models,) values of the same models; pairs with NaN are left out.

    Returns:
        The comparison; p is NaN where no pair is left, or none differs.

    Raises:
        ValueError: Different numbers of models.
    """
    first, second = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if first.shape != second.shape or first.ndim != 1:
        raise ValueError(f"pairs need two lists of one length, got shapes {first.shape} and {second.shape}")
    defined = ~(np.isnan(first) | np.isnan(second))
    num_undefined = int((~defined).sum())
    differences = first[defined] - second[defined]
    if not differences.any():
        return _undefined(first[defined], second[defined], num_undefined)
    outcome = stats.wilcoxon(differences, alternative="two-sided")
    num_pairs = len(differences)
    return Comparison(
        difference=float(np.median(differences)),
        p_value=float(outcome.pvalue),
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
