"""The metric `dimensionality`: the number of dimensions over which the features of a stage spread their variance."""

from collections.abc import Mapping

import numpy as np

from evaluate.benchmarks.benchmark import ALL, Benchmark
from evaluate.metrics.metric import Arrays, Computing, Metric, Rows, ScoreKind
from evaluate.metrics.table_rows import rows_of
from evaluate.scoring import table as t


def effective_dimensionality(features: np.ndarray, *, z_score: bool = False) -> float:
    """Effective dimensionality (participation ratio) of the representation of a set of stimuli.

    With eigenvalues l_i of the covariance C (S, S) between stimuli (Tuckute, Feather et al. 2023),

        ED = (sum_i l_i)^2 / sum_i l_i^2 = trace(C)^2 / ||C||_F^2

    C is `numpy.cov` of the features after subtracting each feature's mean over stimuli. The second form needs no
    eigenvalues.

    Args:
        features: (S, D) real and finite, with at least two stimuli and two features.
        z_score: Also divide each feature by its standard deviation over stimuli, as before representational
            similarity analysis; constant features are 0.

    Returns:
        A number between 1 and min(S - 1, D - 1); NaN if no feature varies, or if all vary identically.

    Raises:
        ValueError: The features do not have two axes of at least two, or are not finite.
    """
    values = np.asarray(features, dtype=np.float64)
    if values.ndim != 2 or values.shape[0] < 2 or values.shape[1] < 2:
        raise ValueError(f"features must be (S, D) with at least two stimuli and two features, got {values.shape}")
    if not np.isfinite(values).all():
        raise ValueError(
            f"features contain {int((~np.isfinite(values)).sum())} NaN or infinite values: check the network's weights"
        )
    scale = float(np.abs(values).max())
    centred = values - values.mean(axis=0)
    if z_score:
        deviation = centred.std(axis=0)
        varies = deviation > 1e-14 * np.abs(values).max(axis=0)
        centred = np.where(varies, centred / np.where(varies, deviation, 1.0), 0.0)
        scale = 1.0
    centred -= centred.mean(axis=1, keepdims=True)  # numpy.cov subtracts each stimulus' mean over features
    if np.abs(centred).max() <= 1e-14 * scale:  # what remains is rounding
        return float("nan")
    centred /= np.abs(centred).max()  # ED does not depend on the scale; this avoids overflow
    # X X' (S, S) and X' X (D, D) have the same non-zero eigenvalues: use the smaller matrix.
    small = centred if values.shape[0] <= values.shape[1] else centred.T
    covariance = small @ small.T
    return float(np.trace(covariance) ** 2 / np.square(covariance).sum())


def measure(features: np.ndarray, benchmark: Benchmark, stage: str, computing: Computing) -> Arrays:
    """Compute the effective dimensionality of a stage, without and with z-scoring; NaN for a single feature."""
    defined = features.shape[1] > 1
    return {
        t.EFFECTIVE_DIMENSIONALITY: np.array(effective_dimensionality(features) if defined else np.nan),
        t.EFFECTIVE_DIMENSIONALITY_Z_SCORED: np.array(
            effective_dimensionality(features, z_score=True) if defined else np.nan
        ),
    }


def tabulate(results: Mapping[str, Arrays], benchmark: Benchmark) -> Rows:
    """Make one row per stage and kind."""
    return [
        row
        for stage, arrays in results.items()
        for metric, value in arrays.items()
        for row in rows_of(metric, stage, {(ALL, ALL): float(value)})
    ]


EFFECTIVE = ScoreKind(
    stage_metric=t.EFFECTIVE_DIMENSIONALITY,
    label="effective dimensionality",
    title="effective dimensionality",
    symbol="dimensions",
    name="dimensionality",
    is_bounded=False,
)
METRIC = Metric(measure=measure, tabulate=tabulate, kinds=lambda benchmark: (EFFECTIVE,))
