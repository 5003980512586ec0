r"""Errors over sounds of scores that are means over overlapping splits of the same sounds.

A component has no participants. What its score would be for other sounds is estimated from its scores in J random
splits, which are not independent: each sound is in about half of the training sets and in about half of the test sets.
Nadeau & Bengio 2003 ("Inference for the generalization error", Machine Learning 52:239) correct the variance of such a
mean for the overlap: with the variance s^2 (ddof=1) of the scores of the splits, and n_train and n_test sounds in each,

    SE^2 = (1 / J + n_test / n_train) s^2

with J - 1 degrees of freedom. For the published splits (J = 10, 83 and 82 sounds), that is 1.09 s^2 instead of the
0.1 s^2 of independent samples. The score of a split is that at the stages which other splits selected
(`evaluate.metrics.best_stage.scores_of_splits`). Nothing is drawn at random.

In simulations with 165 sounds (`tests/evaluate/report/test_sound_errors.py`), intervals of 95 % (score ± 2.26 SE)
contain the true score in 90 to 95 %, and those of differences between two networks in 95 to 97 %. Intervals from the
published error, over iterations of stage selection, contain it in about 20 %.
"""

import numpy as np

from evaluate.metrics.splits import sound_error
from evaluate.report.significance import Comparison, t_comparison

__all__ = ["sound_comparison", "sound_error"]


def sound_comparison(first: np.ndarray, second: np.ndarray, *, num_train: float, num_test: float) -> Comparison:
    """One-tailed test that the first network's score is above the second's for other sounds.

    This is the corrected resampled t test on the differences in the splits, which are the same for both networks.

    Args:
        first: (J,) scores of the first network in J splits.
        second: (J,) scores of the second network in the same splits; splits with NaN are excluded.
        num_train: Number of training sounds of each split.
        num_test: Number of test sounds of each split.

    Returns:
        The comparison; its statistic is t. p is NaN if fewer than two splits remain, or if all differ alike.
    """
    differences = np.asarray(first, dtype=np.float64) - np.asarray(second, dtype=np.float64)
    defined = differences[~np.isnan(differences)]
    number, num_undefined = len(defined), len(differences) - len(defined)
    error = float(sound_error(defined, num_train=num_train, num_test=num_test)) if number > 1 else float("nan")
    difference = float(defined.mean()) if number else float("nan")
    return t_comparison(difference, error, number, num_undefined)
