"""The metric `rsa`, representational similarity analysis: are the same sounds similar to a stage and to a brain?

Procedure of Tuckute, Feather et al. 2023, with stage selection on the training sounds of each split.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from evaluate.benchmarks.benchmark import ALL, Benchmark
from evaluate.metrics.best_rows import selection_shares, share_rows
from evaluate.metrics.best_stage import mean_defined, median_defined
from evaluate.metrics.metric import Arrays, Computing, Metric, Rows, ScoreKind
from evaluate.metrics.splits import Splits
from evaluate.metrics.table_rows import add_means, rows_of
from evaluate.scoring import table as t

CeilingKind = Literal["pearson", "spearman"]

# A deviation below this fraction of the largest value is the rounding error of a constant.
_CONSTANT_TOLERANCE = 1e-14


@dataclass(frozen=True, eq=False)
class RsaResult:
    """Similarity of model and brain representations.

    Attributes:
        subjects: P subjects in order of first appearance.
        stages: Names of the stages, in order.
        score: (P,) test similarity at the stage that is best on the training sounds, median over splits.
        ceiling: (P,) similarity with the mean of the other subjects, median over splits; NaN for one subject.
        mean_score: Mean of `score` over subjects.
        mean_ceiling: Mean of `ceiling` over subjects.
        best_stage: (P, splits) index of the selected stage, -1 if no similarity is defined.
        train_similarity: (P, stages, splits) similarity on the training sounds.
        test_similarity: (P, stages, splits) similarity on the test sounds.
        num_undefined: Number of subjects, stages and splits whose test similarity is undefined, because the values of
            a sound do not vary.
    """

    subjects: tuple[str, ...]
    stages: tuple[str, ...]
    score: np.ndarray
    ceiling: np.ndarray
    mean_score: float
    mean_ceiling: float
    best_stage: np.ndarray
    train_similarity: np.ndarray
    test_similarity: np.ndarray
    num_undefined: int


def category_order(categories: Sequence[str], names: Sequence[str] | None = None) -> np.ndarray:
    """Order stimuli by category, as the published analysis does before it splits them.

    Args:
        categories: (S,) category of each stimulus.
        names: The categories in the desired order; by default, that of their first appearance.

    Returns:
        (S,) indices, which keep the order within a category.

    Raises:
        ValueError: A category is not in `names`.
    """
    names = list(dict.fromkeys(categories)) if names is None else list(names)
    unknown = sorted(set(categories) - set(names))
    if unknown:
        raise ValueError(f"categories {unknown} are not among the given names {names}")
    rank = {name: position for position, name in enumerate(names)}
    return np.argsort([rank[category] for category in categories], kind="stable")


def rsa(
    stages: Mapping[str, np.ndarray],
    responses: np.ndarray,
    subjects: np.ndarray,
    splits: Splits,
    *,
    ceiling: CeilingKind = "pearson",
) -> RsaResult:
    """Compare the similarity matrices of network stages with those of subjects.

    For each split, with Z the values z-scored over stimuli by mean and deviation of the training stimuli (constant
    columns are 0), and i, j stimuli of one side of the split (training or test),

        M_ij = Pearson(Z_i, Z_j),   similarity = Spearman(M_stage[i < j], M_brain[i < j])

    For each subject and split, the stage with the highest training similarity is selected, and its test similarity is
    the score; then the median over splits.

    Args:
        stages: Features (S, D) by stage, in network order. The published splits were drawn over sounds in category
            order (`category_order`): sort features and responses in this order first.
        responses: (S, V, R) repeated responses, averaged here over the values that are not NaN; or (S, V) responses.
        subjects: (V,) subject of each unit.
        splits: Train and test masks over the S stimuli.
        ceiling: Correlation of a subject's test matrix with the mean matrix of the others: "pearson" as in the
            published software, or "spearman" as in the published text.

    Returns:
        Scores and ceilings of the subjects.

    Raises:
        ValueError: Shapes do not match, values are not finite, or the ceiling is unknown.
    """
    if ceiling not in ("pearson", "spearman"):
        raise ValueError(f"ceiling must be 'pearson' (software) or 'spearman' (text), got {ceiling!r}")
    names, by_subject = _responses_by_subject(responses, subjects, splits)
    features = {name: _check_features(name, values, splits) for name, values in stages.items()}
    if not features:
        raise ValueError("stages is empty: give the features of at least one stage")
    shape = (len(names), len(features), splits.num_splits)
    train_similarity, test_similarity = np.empty(shape), np.empty(shape)
    ceilings = np.empty((len(names), splits.num_splits))
    for split in range(splits.num_splits):
        train, test = splits.train[split], splits.test[split]
        brains = [_triangles(values, train, test) for values in by_subject]
        models = [_triangles(values, train, test) for values in features.values()]
        # Spearman is Pearson of ranks: (P, pairs) and (stages, pairs) -> (P, stages), for training and test.
        for side, similarity in ((0, train_similarity), (1, test_similarity)):
            similarity[:, :, split] = _compare(
                np.stack([_ranks(brain[side]) for brain in brains]),
                np.stack([_ranks(model[side]) for model in models]),
            )
        ceilings[:, split] = _ceilings(np.stack([brain[1] for brain in brains]), ceiling)
    best, score = read_out_best(train_similarity, test_similarity)
    ceiling_values = median_defined(ceilings, axis=1)
    return RsaResult(
        subjects=names,
        stages=tuple(features),
        score=score,
        ceiling=ceiling_values,
        mean_score=float(mean_defined(score, axis=0)),
        mean_ceiling=float(mean_defined(ceiling_values, axis=0)),
        best_stage=best,
        train_similarity=train_similarity,
        test_similarity=test_similarity,
        num_undefined=int(np.isnan(test_similarity).sum()),
    )


def similarity_matrix(values: np.ndarray) -> np.ndarray:
    """Pearson correlations between stimuli.

    Args:
        values: (S, D) values of each stimulus.

    Returns:
        (S, S) correlations, NaN for a stimulus whose values do not vary.
    """
    centred = values - values.mean(axis=1, keepdims=True)
    norm = np.sqrt(np.square(centred).sum(axis=1, keepdims=True))
    smallest = _CONSTANT_TOLERANCE * np.abs(values).max(axis=1, keepdims=True) * np.sqrt(values.shape[1])
    unit = centred / np.where(norm > smallest, norm, np.nan)
    return np.clip(unit @ unit.T, -1.0, 1.0)


def z_score(values: np.ndarray, train: np.ndarray) -> np.ndarray:
    """Standardise columns (S, D) by mean and deviation (ddof 0) over the stimuli in `train`; constant ones are 0."""
    deviation = values[train].std(axis=0)
    varies = deviation > _CONSTANT_TOLERANCE * np.abs(values[train]).max(axis=0)
    return np.where(varies, (values - values[train].mean(axis=0)) / np.where(varies, deviation, 1.0), 0.0)


def _responses_by_subject(
    responses: np.ndarray, subjects: np.ndarray, splits: Splits
) -> tuple[tuple[str, ...], list[np.ndarray]]:
    responses = np.asarray(responses, dtype=np.float64)
    if responses.ndim not in (2, 3) or responses.shape[0] != splits.num_stimuli:
        raise ValueError(
            f"responses must be ({splits.num_stimuli}, V) or ({splits.num_stimuli}, V, R) for these splits, "
            f"got {responses.shape}"
        )
    labels = np.asarray(subjects).astype(str)
    if labels.shape != (responses.shape[1],):
        raise ValueError(f"expected one subject for each of {responses.shape[1]} units, got shape {labels.shape}")
    repeated = responses if responses.ndim == 3 else responses[:, :, None]
    bad = np.isnan(repeated).all(axis=2) | np.isinf(repeated).any(axis=2)
    if bad.any():
        stimulus, unit = np.argwhere(bad)[0]
        raise ValueError(
            f"unit {unit} has no finite response to stimulus {stimulus} ({int(bad.sum())} such pairs in all): "
            "leave such units out"
        )
    mean = mean_defined(repeated, axis=2)
    names = tuple(dict.fromkeys(labels.tolist()))
    return names, [mean[:, labels == name] for name in names]


def _check_features(name: str, values: np.ndarray, splits: Splits) -> np.ndarray:
    values = np.asarray(values, dtype=np.float64)
    if values.ndim != 2 or values.shape[0] != splits.num_stimuli:
        raise ValueError(f"features of stage {name!r} must be ({splits.num_stimuli}, D), got {values.shape}")
    if not np.isfinite(values).all():
        raise ValueError(f"features of stage {name!r} contain NaN or infinite values: check the network's weights")
    return values


def _triangles(values: np.ndarray, train: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Upper triangles (without diagonal) of the similarity matrices of training and of test stimuli."""
    standardised = z_score(values, train)
    train_matrix, test_matrix = similarity_matrix(standardised[train]), similarity_matrix(standardised[test])
    return (
        train_matrix[np.triu_indices(len(train_matrix), k=1)],
        test_matrix[np.triu_indices(len(test_matrix), k=1)],
    )


def _ranks(values: np.ndarray) -> np.ndarray:
    """Ranks, with the mean rank for ties; all NaN if any value is NaN."""
    from scipy.stats import rankdata

    return rankdata(values) if np.isfinite(values).all() else np.full_like(values, np.nan)


def _compare(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Pearson correlations (rows, rows) between the rows of two matrices; NaN for a row that does not vary."""

    def unit(rows: np.ndarray) -> np.ndarray:
        centred = rows - rows.mean(axis=1, keepdims=True)
        norm = np.sqrt(np.square(centred).sum(axis=1, keepdims=True))
        return centred / np.where(norm > 0, norm, np.nan)

    return unit(first) @ unit(second).T


def _ceilings(brains: np.ndarray, kind: CeilingKind) -> np.ndarray:
    """Correlation (P,) of each subject's triangle with the mean triangle of the others; brains (P, pairs)."""
    num_subjects = len(brains)
    if num_subjects == 1:
        return np.full(1, np.nan)
    result = np.empty(num_subjects)
    for subject in range(num_subjects):
        pair = brains[subject], np.delete(brains, subject, axis=0).mean(axis=0)
        own, others = pair if kind == "pearson" else (_ranks(pair[0]), _ranks(pair[1]))
        result[subject] = _compare(own[None], others[None])[0, 0]
    return result


def read_out_best(train_similarity: np.ndarray, test_similarity: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Select each split's best stage on its training sounds, and score it on its test sounds.

    Args:
        train_similarity: (P, stages, splits) similarity on the training sounds.
        test_similarity: (P, stages, splits) similarity on the test sounds.

    Returns:
        Index (P, splits) of the selected stage, the first of equals, -1 if none is defined; and its test similarity
        (P,), median over splits.
    """
    best = np.where(np.isnan(train_similarity), -np.inf, train_similarity).argmax(axis=1)
    best = np.where(np.isnan(train_similarity).all(axis=1), -1, best)
    chosen = np.take_along_axis(test_similarity, np.maximum(best, 0)[:, None, :], axis=1)[:, 0]
    return best, median_defined(np.where(best >= 0, chosen, np.nan), axis=1)


def measure(features: np.ndarray, benchmark: Benchmark, stage: str, computing: Computing) -> Arrays:
    """Measure the similarity (P, splits) of a stage with each subject in each split, and the ceilings (P,).

    Sounds are in category order, or in the benchmark's order if they have no categories.
    """
    order = np.arange(benchmark.num_stimuli)
    if benchmark.categories is not None:
        order = category_order(benchmark.categories)
    result = rsa(
        {stage: features[order]},
        benchmark.responses[order],
        benchmark.units["subject"].to_numpy(),
        computing.splits_of(benchmark),
    )
    return {
        "train_similarity": result.train_similarity[:, 0],
        "test_similarity": result.test_similarity[:, 0],
        "ceiling": result.ceiling,
    }


def tabulate(results: Mapping[str, Arrays], benchmark: Benchmark) -> Rows:
    """Make rows of the similarity of each stage, and at the stage that is best on the training sounds (see `rsa`)."""

    def rows_for(metric: str, stage: str, by_subject: np.ndarray) -> Rows:
        values = {(ALL, subject): float(v) for subject, v in zip(benchmark.subjects, by_subject, strict=True)}
        return rows_of(metric, stage, add_means(values, benchmark))

    rows = []
    for stage, arrays in results.items():
        rows += rows_for(t.RSA, stage, median_defined(arrays["test_similarity"], axis=1))
    train, test = (
        np.stack([arrays[key] for arrays in results.values()], axis=1)  # (P, stages, splits)
        for key in ("train_similarity", "test_similarity")
    )
    selected, scores = read_out_best(train, test)
    rows += rows_for(t.BEST_STAGE_RSA, t.BEST, scores)
    shares = {
        (ALL, subject): selection_shares(of_subject, len(results))
        for subject, of_subject in zip(benchmark.subjects, selected, strict=True)
    }
    rows += share_rows(t.BEST_STAGE_RSA, tuple(results), shares, benchmark)
    ceiling = next(iter(results.values()))["ceiling"]  # depends only on the responses: the same for every stage
    rows += rows_for(t.RSA_CEILING, ALL, ceiling)
    for stage, arrays in results.items():
        num_undefined = int(np.isnan(arrays["test_similarity"]).sum())
        rows += rows_of(t.RSA_NUM_UNDEFINED, stage, {(ALL, ALL): num_undefined})
    return rows


SIMILARITY = ScoreKind(
    stage_metric=t.RSA,
    best_metric=t.BEST_STAGE_RSA,
    label="representational similarity (Spearman ρ)",
    title="representational similarity",
    symbol="ρ",
    name="rsa",
    counts=(("undefined", t.RSA_NUM_UNDEFINED),),
    ceiling_metric=t.RSA_CEILING,
)
METRIC = Metric(measure=measure, tabulate=tabulate, kinds=lambda benchmark: (SIMILARITY,))
