r"""Noise correction of explained variance from repeated measurements.

The share of variance that any model can explain is bounded by the reliability of the measured response and, as
the model is itself fitted to noisy responses, by the reliability of its predictions. Published procedure
(Tuckute, Feather et al. 2023, Methods, after Spearman 1904): with `rel` the median over pairs of repetitions of
their Pearson correlation, `SB` the Spearman-Brown extrapolation from one repetition to R, and floors at the
smallest significant correlation,

    R2_corrected = R2 / (max(SB(rel_response), floor(n_train)) * max(SB(rel_prediction), floor(n_test)))
"""

import itertools
import math
from functools import lru_cache

import numpy as np
import torch
from scipy import stats

from evaluate.metrics.encoding.pearson import column_sum, deviation

# One-tailed, Tuckute, Feather et al. 2023.
FLOOR_SIGNIFICANCE = 0.05
# The published floors, 0.182 for 83 stimuli and 0.183 for 82, are the smallest correlations of three decimals
# with p < .05 (exact: 0.18180 and 0.18292).
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
        ValueError: Fewer than three stimuli.
    """
    if num_stimuli < 3:
        raise ValueError(f"a correlation has a significance from 3 stimuli on, got {num_stimuli}")
    t = stats.t.isf(FLOOR_SIGNIFICANCE, num_stimuli - 2)
    scale = 10**FLOOR_DECIMALS
    return min(math.ceil(scale * t / math.sqrt(t**2 + num_stimuli - 2)) / scale, 1.0)


def reliability(repetitions: np.ndarray) -> np.ndarray:
    """Median over pairs of repetitions of the Pearson correlation over stimuli.

    Args:
        repetitions: (S, V, R), R at least 2. Pairs with a repetition that holds NaN or is constant are left out.

    Returns:
        (V,) reliabilities, NaN where no pair is left.

    Raises:
        ValueError: Not three axes, or fewer than two repetitions.
    """
    values = torch.as_tensor(np.asarray(repetitions, dtype=np.float64))
    if values.ndim != 3 or values.shape[2] < 2:
        raise ValueError(f"repetitions must be (S, V, R) with R at least 2, got {tuple(values.shape)}")
    return pairwise_reliability(*deviation(values.transpose(1, 2))).numpy()


def pairwise_reliability(centred: torch.Tensor, norm: torch.Tensor) -> torch.Tensor:
    """Median over pairs of repetitions of the correlation of already centred values.

    Args:
        centred: (S, R, V), zero mean over S.
        norm: (R, V) their norms over S, 0 for a repetition that counts as constant and is left out.

    Returns:
        (V,), NaN where no pair is left.
    """
    norm = torch.where(norm > 0, norm, torch.nan)
    pairs = itertools.combinations(range(centred.shape[1]), 2)
    correlations = [column_sum(centred[:, i] * centred[:, j]) / (norm[i] * norm[j]) for i, j in pairs]
    return torch.nanquantile(torch.stack(correlations), 0.5, dim=0)


def ceiling(single: torch.Tensor, num_repetitions: torch.Tensor | float, num_stimuli: int) -> torch.Tensor:
    """Spearman-Brown reliability, held above the significance floor.

    An undefined reliability (NaN) takes the floor. As in the published numbers, nothing is done about
    reliabilities below -1 / (R - 1), where the Spearman-Brown formula turns positive and above 1: they occur for
    predictions of units without signal, whose corrected R^2 they make smaller.

    Args:
        single: (V,) reliability of single repetitions.
        num_repetitions: R, one number or one for each unit.
        num_stimuli: Sample size that the reliability was computed over; sets the floor.

    Returns:
        (V,) ceilings, at least the floor.
    """
    floor = significance_floor(num_stimuli)
    extrapolated = num_repetitions * single / (1.0 + (num_repetitions - 1.0) * single)
    return torch.where(single.isnan(), floor, extrapolated).clamp(min=floor)
