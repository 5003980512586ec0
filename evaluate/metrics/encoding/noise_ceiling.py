r"""Noise correction of explained variance from repeated measurements.

The variance that a model can explain is bounded by the reliability of the measured response and, since the model is
itself fitted to noisy responses, by the reliability of its predictions. The published procedure (Tuckute, Feather et
al. 2023, Methods, after Spearman 1904) is

    R2_corrected = R2 / (max(SB(rel_response), floor(n_train)) * max(SB(rel_prediction), floor(n_test)))
    SB(rel) = R rel / (1 + (R - 1) rel)

- `rel` is the Pearson correlation over stimuli of two single repetitions, median over pairs of repetitions;
- `SB` is the Spearman-Brown extrapolation from one repetition to the mean of R;
- `floor(n)` is the smallest significant correlation over n stimuli.
"""

import itertools
import math
from functools import lru_cache

import numpy as np
import torch
from scipy import stats

from evaluate.metrics.encoding.pearson import column_sum, deviation

# One-tailed p (Tuckute, Feather et al. 2023).
FLOOR_SIGNIFICANCE = 0.05
# The published floors, 0.182 for 83 stimuli and 0.183 for 82, are the smallest correlations with three decimals and
# p < .05 (exact values: 0.18180 and 0.18292).
FLOOR_DECIMALS = 3


@lru_cache(maxsize=256)
def significance_floor(num_stimuli: int) -> float:
    """Smallest correlation, to three decimals, that is significant at one-tailed p < .05.

    From Student's t with n - 2 degrees of freedom, `r = t / sqrt(t^2 + n - 2)`, rounded up to three decimals.

    Args:
        num_stimuli: Sample size n of the correlation, at least 3.

    Returns:
        The correlation: 0.182 for 83 stimuli, 0.183 for 82, as published.

    Raises:
        ValueError: There are fewer than three stimuli.
    """
    if num_stimuli < 3:
        raise ValueError(f"the significance of a correlation needs at least 3 stimuli, got {num_stimuli}")
    # r = t / sqrt(t^2 + n - 2)
    t = stats.t.isf(FLOOR_SIGNIFICANCE, num_stimuli - 2)
    scale = 10**FLOOR_DECIMALS
    return min(math.ceil(scale * t / math.sqrt(t**2 + num_stimuli - 2)) / scale, 1.0)


def reliability(repetitions: np.ndarray) -> np.ndarray:
    """Median over pairs of repetitions of the Pearson correlation over stimuli.

    Args:
        repetitions: (S, V, R), R at least 2. Repetitions that contain NaN or are constant are excluded.

    Returns:
        (V,) reliabilities, NaN if fewer than two repetitions remain.

    Raises:
        ValueError: There are not three axes, or fewer than two repetitions.
    """
    values = torch.as_tensor(np.asarray(repetitions, dtype=np.float64))
    if values.ndim != 3 or values.shape[2] < 2:
        raise ValueError(f"repetitions must be (S, V, R) with R at least 2, got {tuple(values.shape)}")
    return pairwise_reliability(*deviation(values.transpose(1, 2))).numpy()


def pairwise_reliability(centred: torch.Tensor, norm: torch.Tensor) -> torch.Tensor:
    """Median over pairs of repetitions of the correlation of values that are already centred.

    Args:
        centred: (S, R, V) with mean 0 over S.
        norm: (R, V) norms over S, 0 for a repetition to exclude.

    Returns:
        (V,) reliabilities, NaN if fewer than two repetitions remain.
    """
    norm = torch.where(norm > 0, norm, torch.nan)
    # r_ij = <x_i, x_j> / (|x_i| |x_j|) for each pair of repetitions, (V,) each; then the median over pairs.
    pairs = itertools.combinations(range(centred.shape[1]), 2)
    correlations = [column_sum(centred[:, i] * centred[:, j]) / (norm[i] * norm[j]) for i, j in pairs]
    return torch.nanquantile(torch.stack(correlations), 0.5, dim=0)


def ceiling(single: torch.Tensor, num_repetitions: torch.Tensor | float, num_stimuli: int) -> torch.Tensor:
    """Spearman-Brown reliability (V,) of the mean of R repetitions, at least the significance floor."""
    # SB = R rel / (1 + (R - 1) rel). An undefined reliability (NaN) gives the floor. As in the published numbers,
    # reliabilities below -1 / (R - 1), for which the formula is above 1, are not treated specially: they occur for
    # predictions of units without signal, and reduce their corrected R^2.
    floor = significance_floor(num_stimuli)
    extrapolated = num_repetitions * single / (1.0 + (num_repetitions - 1.0) * single)
    return torch.where(single.isnan(), floor, extrapolated).clamp(min=floor)
