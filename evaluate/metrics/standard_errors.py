r"""Standard errors of means: over participants, seeds or folds; over sounds; and of fractions.

**Over independent samples** (participants, seeds, folds), the standard error is `std(ddof=1) / sqrt(n)`. It depends on
the values of one network alone.

**Over sounds**, a score is a mean over J random splits of the same sounds. These are not independent: each sound is in
about half of the training sets and in about half of the test sets. Nadeau & Bengio 2003 ("Inference for the
generalization error", Machine Learning 52:239) correct the variance of such a mean for the overlap: with the variance
s^2 (ddof=1) of the scores of the splits, and n_train and n_test sounds in each,

    SE^2 = (1 / J + n_test / n_train) s^2

with J - 1 degrees of freedom. For the published splits (J = 10, 83 and 82 sounds), that is 1.09 s^2 instead of the
0.1 s^2 of independent samples. The score of a split is that at the stages which other splits selected
(`evaluate.metrics.best_stage.scores_of_splits`). Nothing is drawn at random.

In simulations with 165 sounds (`tests/evaluate/metrics/test_standard_errors.py`), intervals of 95 % (score ± 2.26 SE)
contain the true score in 90 to 95 %, and those of differences between two networks in 95 to 97 %. Intervals from the
published error of components, over iterations of stage selection, contain it in about 20 %.

Errors are NaN with fewer than two samples, and exactly 0 if these differ by rounding alone.
"""

import numpy as np

ROUNDING = 1e-13
"""Standard deviations below this fraction of the largest value are those of equal values."""


def standard_error(values: np.ndarray) -> np.ndarray:
    """Standard error of the mean over the last axis, `std(ddof=1) / sqrt(n)` of the values that are not NaN.

    The published error bar of a component is this over the ten iterations of its stage selection.

    Args:
        values: (..., n) values.

    Returns:
        (...) standard errors, NaN if fewer than two values are defined.
    """
    deviations, count = _deviations(values)
    return deviations / np.sqrt(np.maximum(count, 1))


def sound_error(scores: np.ndarray, *, num_train: float, num_test: float) -> np.ndarray:
    """Standard error over sounds of the mean over splits, corrected for their overlap (see the module).

    Args:
        scores: (..., J) scores of J random splits of the same sounds; NaN values are excluded.
        num_train: Number of training sounds of each split.
        num_test: Number of test sounds of each split.

    Returns:
        (...) standard errors, NaN if fewer than two scores are defined.
    """
    deviations, count = _deviations(scores)
    return deviations * np.sqrt(1 / np.maximum(count, 1) + num_test / num_train)


def within_participant_error(scores: np.ndarray) -> np.ndarray:
    """Published error bars of voxels, within participants: they depend on which networks are compared.

    With scores x (networks, P) and m_p the mean of participant p over networks, `std_p(x - m, ddof=0) / sqrt(P - 1)`,
    which is the standard error of x - m.

    Args:
        scores: (networks, P) score of each network in each participant; NaN values are excluded.

    Returns:
        (networks,) errors, NaN for a network with fewer than two participants.

    Raises:
        ValueError: The scores do not have two axes.
    """
    scores = np.asarray(scores, dtype=np.float64)
    if scores.ndim != 2:
        raise ValueError(f"scores must be (networks, participants), got {scores.shape}")
    defined = ~np.isnan(scores)
    count = np.maximum(defined.sum(axis=0), 1)
    return standard_error(scores - np.where(defined, scores, 0.0).sum(axis=0) / count)


def fraction_error(fraction: float, number: int) -> float:
    """Standard error `sqrt(p (1 - p) / n)` of the fraction p of n independent answers; n is at least 1."""
    return float(np.sqrt(fraction * (1 - fraction) / number))


def _deviations(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Standard deviations (ddof=1) over the last axis, NaN for fewer than two values, and the numbers of values."""
    values = np.asarray(values, dtype=np.float64)
    count = (~np.isnan(values)).sum(axis=-1)
    is_defined = count > 1
    deviations = np.full(values.shape[:-1], np.nan)
    chosen = values[is_defined]
    found = np.nanstd(chosen, axis=-1, ddof=1)
    if chosen.size:
        found = np.where(found > ROUNDING * np.nanmax(np.abs(chosen), axis=-1), found, 0.0)
    deviations[is_defined] = found
    return deviations, count
