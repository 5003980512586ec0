r"""Variance partitioning: what two feature spaces explain of responses alone, and what they share.

For each split of the stimuli, ridge regression predicts every unit from A, from B, and from both (`joint_ridge`):

    unique_A = R2_AB - R2_B     unique_B = R2_AB - R2_A     shared = R2_A + R2_B - R2_AB

on the test stimuli, with R^2 = max(r, 0)^2 (Borcard et al. 1992; de Heer et al. 2017). Unique parts may be slightly
negative, since R^2 is that of new stimuli.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from datamodules.progress import ReportCount
from evaluate.array_shapes import show_shapes
from evaluate.metrics.encoding.decomposition import compress
from evaluate.metrics.encoding.features import check_features
from evaluate.metrics.encoding.pearson import deviation
from evaluate.metrics.encoding.prediction_scores import Deviations, ceiling_of_repetitions, signed_correlation
from evaluate.metrics.encoding.responses import arrange_targets, check_responses
from evaluate.metrics.partition.joint_ridge import ALPHAS, NUM_STEPS, JointRidge
from evaluate.metrics.splits import Splits
from evaluate.workers import Workers


@dataclass(frozen=True, eq=False)
class PartitionResult:
    """What two feature spaces A and B explain of V units in each split; every array is (V, splits).

    Attributes:
        r_a: Pearson correlation over the test stimuli of the responses and their prediction from A; 0 if the prediction
            is constant, NaN if the response is.
        r_b: The same from B.
        r_ab: The same from both.
        gamma: Weight of A's kernel in the fit to both, from 0 to 1.
        alpha: Penalty of the fit to both.
        alpha_a: Penalty of the fit to A.
        alpha_b: Penalty of the fit to B.
        response_ceiling: Reliability of the mean response, at least its floor; NaN without repetitions.
    """

    r_a: np.ndarray
    r_b: np.ndarray
    r_ab: np.ndarray
    gamma: np.ndarray
    alpha: np.ndarray
    alpha_a: np.ndarray
    alpha_b: np.ndarray
    response_ceiling: np.ndarray

    __repr__ = show_shapes

    @property
    def r2_a(self) -> np.ndarray:
        """Variance that A explains; 0 for a negative correlation."""
        return np.maximum(self.r_a, 0.0) ** 2

    @property
    def r2_b(self) -> np.ndarray:
        """Variance that B explains; 0 for a negative correlation."""
        return np.maximum(self.r_b, 0.0) ** 2

    @property
    def r2_ab(self) -> np.ndarray:
        """Variance that both together explain; 0 for a negative correlation."""
        return np.maximum(self.r_ab, 0.0) ** 2

    @property
    def unique_a(self) -> np.ndarray:
        """Variance that A explains and B does not; may be slightly negative."""
        return self.r2_ab - self.r2_b

    @property
    def unique_b(self) -> np.ndarray:
        """Variance that B explains and A does not; may be slightly negative."""
        return self.r2_ab - self.r2_a

    @property
    def shared(self) -> np.ndarray:
        """Variance that either of them explains."""
        return self.r2_a + self.r2_b - self.r2_ab

    @property
    def unique_a_corrected(self) -> np.ndarray:
        """`unique_a` relative to the variance of the responses that is not noise."""
        return self.unique_a / self.response_ceiling

    @property
    def unique_b_corrected(self) -> np.ndarray:
        """`unique_b` relative to the variance of the responses that is not noise."""
        return self.unique_b / self.response_ceiling

    @property
    def shared_corrected(self) -> np.ndarray:
        """`shared` relative to the variance of the responses that is not noise."""
        return self.shared / self.response_ceiling


def partition(
    features_a: np.ndarray,
    features_b: np.ndarray,
    responses: np.ndarray,
    splits: Splits,
    *,
    allow_missing: bool = False,
    device: torch.device | str = "cpu",
    memory_limit_gib: float = 2.0,
    progress: ReportCount | None = None,
) -> PartitionResult:
    """Divide the explained variance of responses between two feature spaces.

    Both kernels are divided by the mean of their training diagonal. Penalty (1e10 to 1e-10 in half decades) and mixing
    weight (0, 0.1, ..., 1) are chosen for each unit by leave-one-out error; errors within 1e-9 tie, the largest penalty
    wins, then the weight nearest to 0.5.

    Args:
        features_a: (S, D) features of the stimuli in A, real and finite.
        features_b: (S, E) features of the same stimuli in B.
        responses: (S, V, R) repeated or (S, V) single responses of the units; the fit is to their mean.
        splits: Train and test masks over the S stimuli.
        allow_missing: Accept NaN in `responses` for missing repetitions, as `encode` does.
        device: Device to compute on, in float64.
        memory_limit_gib: Bound on working memory in addition to features, responses and result, in GiB.
        progress: Called as `progress(num_done, num_total)` from time to time; both count units times splits.

    Returns:
        Correlations, choices and parts, see `PartitionResult`.

    Raises:
        ValueError: Shapes are wrong or differ, features are not finite, responses are NaN or infinite, or a unit has
            no response to a stimulus. The message gives the position.
    """
    spaces = [
        compress(check_features(features, splits, name=name), device=device, memory_limit_gib=memory_limit_gib)
        for name, features in (("features_a", features_a), ("features_b", features_b))
    ]
    responses = check_responses(responses, splits, allow_missing=allow_missing)
    num_units = responses.shape[1]
    arrays: dict[str, np.ndarray] = {}
    with Workers(spaces[0].device) as workers:
        chunk = _chunk_size(responses, memory_limit_gib / workers.num_workers)

        def fit(split: int) -> dict[str, np.ndarray]:
            train, test = (
                torch.as_tensor(np.flatnonzero(side[split]), device=spaces[0].device)
                for side in (splits.train, splits.test)
            )
            model = JointRidge((spaces[0], spaces[1]), train, test)
            parts = [
                _fit_units(model, torch.as_tensor(responses[:, first : first + chunk]).to(train.device), train, test)
                for first in range(0, num_units, chunk)
            ]
            return {name: torch.cat([part[name] for part in parts]).cpu().numpy() for name in parts[0]}

        for split, found in enumerate(workers.map(fit, range(splits.num_splits))):
            for name, values in found.items():
                arrays.setdefault(name, np.empty((num_units, splits.num_splits)))[:, split] = values
            if progress is not None:
                progress(num_units * (split + 1), num_units * splits.num_splits)
    return PartitionResult(**arrays)


def _fit_units(model: JointRidge, repetitions: Tensor, train: Tensor, test: Tensor) -> dict[str, Tensor]:
    """Fit the mean of repetitions (S, V, R); return the arrays of `PartitionResult`, each (V,)."""
    targets = arrange_targets(repetitions.double())
    mean = targets.values[:, 0]
    fit_a, fit_b, fit_ab = model.fit(mean[train])
    measured = mean[test]
    ceiling = torch.full_like(fit_ab.alpha, torch.nan)
    if targets.values.shape[1] > 1:
        ceiling = ceiling_of_repetitions(Deviations(*deviation(targets.values[train])), targets)
    return {
        "r_a": signed_correlation(fit_a.predicted, measured),
        "r_b": signed_correlation(fit_b.predicted, measured),
        "r_ab": signed_correlation(fit_ab.predicted, measured),
        "gamma": fit_ab.gamma,
        "alpha": fit_ab.alpha,
        "alpha_a": fit_a.alpha,
        "alpha_b": fit_b.alpha,
        "response_ceiling": ceiling,
    }


def _chunk_size(responses: np.ndarray, memory_limit_gib: float) -> int:
    """Number of units to fit at a time, within half of the memory limit."""
    num_stimuli, _, num_repetitions = responses.shape
    # Projections and errors of each mixing weight, and about eight arrays over stimuli and repetitions.
    bytes_per_unit = 8 * ((NUM_STEPS + 1) * (3 * num_stimuli + 2 * len(ALPHAS)) + 8 * num_stimuli * num_repetitions)
    return max(1, int(memory_limit_gib * 2**29 / bytes_per_unit))
