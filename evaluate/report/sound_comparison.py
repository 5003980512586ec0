"""Comparison of two networks over sounds."""

import numpy as np

from evaluate.metrics.standard_errors import sound_error
from evaluate.report.significance import Comparison, paired_differences, t_comparison


def sound_comparison(first: np.ndarray, second: np.ndarray, *, num_train: float, num_test: float) -> Comparison:
    """One-tailed test that the first network's score is above the second's for other sounds.

    This is the corrected resampled t test on the differences in the splits, which are the same for both networks; their
    standard error is that of `evaluate.metrics.standard_errors`.

    Args:
        first: (J,) scores of the first network in J splits.
        second: (J,) scores of the second network in the same splits; splits with NaN are excluded.
        num_train: Number of training sounds of each split.
        num_test: Number of test sounds of each split.

    Returns:
        The comparison; its statistic is t. p is NaN if fewer than two splits remain, or if all differ alike.
    """
    differences = paired_differences(first, second)
    defined = differences[~np.isnan(differences)]
    number, num_undefined = len(defined), len(differences) - len(defined)
    error = float(sound_error(defined, num_train=num_train, num_test=num_test))
    difference = float(defined.mean()) if number else float("nan")
    return t_comparison(difference, error, number, num_undefined)
