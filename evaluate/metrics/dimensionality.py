"""The metric `dimensionality`: over how many dimensions the features of a stage spread their variance."""

from collections.abc import Mapping

import numpy as np

from evaluate.benchmarks.benchmark import ALL, Benchmark
from evaluate.metrics.metric import Arrays, Computing, Metric, Rows, ScoreKind
from evaluate.metrics.table_rows import rows_of
from evaluate.scoring import table as t


def effective_dimensionality(features: np.ndarray, *, z_score: bool = False) -> float:
    """Effective dimensionality (participation ratio) of the representation of a set of stimuli.

    `(sum l)^2 / sum l^2`, with l the eigenvalues of the covariance between stimuli, `numpy.cov` of the features
    after the mean over stimuli is taken from each (Tuckute, Feather et al. 2023). As the sum of eigenvalues is the
    trace, and of their squares the squared Frobenius norm, no decomposition is needed.

    Args:
        features: (S, D) real, finite, at least two features.
        z_score: Also divide each feature by its deviation over stimuli, as before representational similarity
            analysis; features that do not vary stay 0.

    Returns:
        Between 1 and min(S - 1, D - 1); NaN where no feature varies or all do alike.

    Raises:
        ValueError: Not two axes, or not finite.
    """
    values = np.asarray(features, dtype=np.float64)
    if values.ndim != 2 or values.shape[0] < 2 or values.shape[1] < 2:
        raise ValueError(f"features must be (S, D) with at least two stimuli and two features, got {values.shape}")
    if not np.isfinite(values).all():
        raise ValueError(f"features hold {int((~np.isfinite(values)).sum())} NaN or infinite values")
    scale = float(np.abs(values).max())
    centred = values - values.mean(axis=0)
    if z_score:
        deviation = centred.std(axis=0)
        varies = deviation > 1e-14 * np.abs(values).max(axis=0)
        centred = np.where(varies, centred / np.where(varies, deviation, 1.0), 0.0)
        scale = 1.0
    centred -= centred.mean(axis=1, keepdims=True)  # numpy.cov takes each stimulus' mean over features
    if np.abs(centred).max() <= 1e-14 * scale:
        return float("nan")
    centred /= np.abs(centred).max()
    small = centred if values.shape[0] <= values.shape[1] else centred.T
    covariance = small @ small.T
    return float(np.trace(covariance) ** 2 / np.square(covariance).sum())


def measure(features: np.ndarray, benchmark: Benchmark, stage: str, computing: Computing) -> Arrays:
    """Effective dimensionality of a stage, without and with z-scoring; NaN for a single feature."""
    defined = features.shape[1] > 1
    return {
        t.EFFECTIVE_DIMENSIONALITY: np.array(effective_dimensionality(features) if defined else np.nan),
        t.EFFECTIVE_DIMENSIONALITY_Z_SCORED: np.array(
            effective_dimensionality(features, z_score=True) if defined else np.nan
        ),
    }


def tabulate(results: Mapping[str, Arrays], benchmark: Benchmark) -> Rows:
    """One row per stage and kind."""
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
