"""Linear probes: how well a linear classifier distinguishes labelled sounds by a stage's activations.

The procedure is the one by which the published networks were tested on ESC-50 (Tuckute, Feather et al. 2023): features
of five random 2 s crops of each sound; five folds; a linear support vector machine with a penalty chosen within the
training folds; and the majority vote over the crops of a sound. Where the publication does not give details, features
are z-scored by mean and deviation of the training sounds, classes are compared in pairs (scikit-learn's `SVC`), and
tied votes go to the label with the highest sum of decision values.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import NamedTuple

import numpy as np

from datamodules.progress import ReportProgress
from evaluate.array_shapes import show_shapes
from evaluate.metrics.standard_errors import standard_error
from evaluate.options import PUBLISHED_NUM_FOLDS
from networks.text.wording import counted

PUBLISHED_PENALTIES = (0.01, 0.1, 1.0, 10.0, 100.0)
"""Values of C: the published range, in steps of a factor of ten."""


class ProbeError(ValueError):
    """Sounds, folds or features with which no classifier can be fitted and tested."""


@dataclass(frozen=True)
class ProbeResult:
    """How well a stage's features distinguish labelled sounds.

    Attributes:
        accuracy: (K,) fraction of test sounds with the correct label, by fold.
        penalty: (K,) C chosen within the training folds.
        num_test: (K,) number of test sounds of each fold.
        chance: Fraction of the most common label among all sounds, the accuracy of always predicting it.
        predictions: (S,) predicted label of each sound when it was a test sound.
    """

    accuracy: np.ndarray
    penalty: np.ndarray
    num_test: np.ndarray
    chance: float
    predictions: np.ndarray

    __repr__ = show_shapes

    @property
    def mean(self) -> float:
        """Mean accuracy over folds."""
        return float(self.accuracy.mean())

    @property
    def standard_error(self) -> float:
        """Standard error of the mean over folds."""
        return float(standard_error(self.accuracy))


class _Chosen(NamedTuple):
    """A penalty and the number of held-out sounds that it classifies correctly."""

    penalty: float
    num_right: int


def stratified_folds(
    labels: Sequence[str], sources: Sequence[str], *, num_folds: int = PUBLISHED_NUM_FOLDS, seed: int = 0
) -> np.ndarray:
    """Divide sounds into folds, with labels spread evenly and all sounds of a source in one fold.

    Args:
        labels: (S,) labels.
        sources: (S,) recording that each sound was cut from.
        num_folds: Number of folds, K.
        seed: Seed of the random order.

    Returns:
        (S,) folds from 1 to K.

    Raises:
        ProbeError: A label has fewer sources than there are folds; the message names it.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    for label in dict.fromkeys(labels):
        of_label = {source for source, own in zip(sources, labels, strict=True) if own == label}
        if len(of_label) < num_folds:
            raise ProbeError(
                f"label {label!r} has sounds of {counted(len(of_label), 'source')}, but {num_folds} folds need at "
                "least "
                f"{num_folds}: add sounds, leave the label out, or use fewer folds"
            )
    splitter = StratifiedGroupKFold(n_splits=num_folds, shuffle=True, random_state=seed)
    folds = np.zeros(len(labels), dtype=int)
    splits = splitter.split(np.zeros(len(labels)), np.asarray(labels), np.asarray(sources))
    for number, (_, test) in enumerate(splits, start=1):
        folds[test] = number
    return folds


def probe(
    features: np.ndarray,
    labels: Sequence[str],
    folds: Sequence[int] | np.ndarray,
    *,
    penalties: Sequence[float] = PUBLISHED_PENALTIES,
    progress: ReportProgress | None = None,
) -> ProbeResult:
    """Classify the sounds of each fold by a linear support vector machine fitted to the other folds.

    The penalty is the one that classifies most sounds correctly when each training fold is held out in turn. Of equals,
    it is the smallest C, which regularises most.

    Args:
        features: (S, P, D) features of P crops of each sound.
        labels: (S,) labels.
        folds: (S,) fold of each sound; at least three folds.
        penalties: Values of C to choose from.
        progress: Called as `progress("classifiers", num_done, num_total)`.

    Returns:
        Accuracies, penalties and predictions, see `ProbeResult`.

    Raises:
        ProbeError: There are fewer than three folds, training sounds have only one label, or features are not finite.
        ValueError: Shapes do not match.
    """
    features, names, folds = np.asarray(features), np.asarray(labels), np.asarray(folds)
    if features.ndim != 3 or not len(features) == len(names) == len(folds):
        raise ValueError(
            f"features must be (sounds, crops, features) with a label and fold for each sound, got {features.shape}, "
            f"{len(names)} labels and {len(folds)} folds"
        )
    if not np.isfinite(features).all():
        raise ProbeError("features are not finite: the network has diverged, or its weights are damaged")
    fold_names = np.unique(folds)
    _check_folds(names, folds, fold_names)
    # For each fold: one fit for each penalty and held-out training fold, then the final one.
    num_fits = len(fold_names) * (len(penalties) * (len(fold_names) - 1) + 1)
    done = iter(range(1, num_fits + 1))

    def report() -> None:
        if progress:
            progress("classifiers", next(done), num_fits)

    predictions = np.empty(len(names), dtype=names.dtype)
    chosen_penalties = []
    for fold in fold_names:
        training = folds != fold
        similarity = _similarity(features, training)
        chosen = max(
            _held_out(
                similarity, names, folds, training, penalties=penalties, num_crops=features.shape[1], report=report
            ),
            key=lambda one: (one.num_right, -one.penalty),
        )
        predictions[~training] = _classify(
            similarity, names, training, ~training, penalty=chosen.penalty, num_crops=features.shape[1]
        )
        chosen_penalties.append(chosen.penalty)
        report()
    right = predictions == names
    return ProbeResult(
        accuracy=np.array([right[folds == fold].mean() for fold in fold_names]),
        penalty=np.array(chosen_penalties),
        num_test=np.array([(folds == fold).sum() for fold in fold_names]),
        chance=float(np.unique(names, return_counts=True)[1].max() / len(names)),
        predictions=predictions,
    )


def _held_out(
    similarity: np.ndarray,
    labels: np.ndarray,
    folds: np.ndarray,
    training: np.ndarray,
    *,
    penalties: Sequence[float],
    num_crops: int,
    report: Callable[[], None],
) -> Iterator[_Chosen]:
    """Count, for each penalty, the sounds classified correctly when each training fold is held out in turn."""
    inner = np.unique(folds[training])
    num_right = dict.fromkeys(penalties, 0)
    for penalty, held_out in product(penalties, inner):
        test = folds == held_out
        given = _classify(similarity, labels, training & ~test, test, penalty=penalty, num_crops=num_crops)
        num_right[penalty] += int((given == labels[test]).sum())
        report()
    for penalty, number in num_right.items():
        yield _Chosen(penalty, number)


def _similarity(features: np.ndarray, training: np.ndarray) -> np.ndarray:
    """Inner products (S P, S P) of all crops in float64, with features z-scored over the crops of training sounds.

    A linear machine needs only these; fitting is about fifty times faster than with thousands of features. A feature
    that is constant over the training sounds is left out.
    """
    known = features[training].reshape(-1, features.shape[2]).astype(np.float64)
    mean, deviation = known.mean(axis=0), known.std(axis=0)
    scale = np.divide(1.0, deviation, out=np.zeros_like(deviation), where=deviation > 0)
    scaled = (features.reshape(-1, features.shape[2]) - mean) * scale
    return scaled @ scaled.T


def _classify(
    similarity: np.ndarray,
    labels: np.ndarray,
    training: np.ndarray,
    test: np.ndarray,
    penalty: float,
    *,
    num_crops: int,
) -> np.ndarray:
    """Fit to the crops of the training sounds, and predict the label of each test sound by a vote of its crops."""
    from sklearn.svm import SVC

    fitted, asked = np.repeat(training, num_crops), np.repeat(test, num_crops)
    machine = SVC(C=penalty, kernel="precomputed", decision_function_shape="ovr")
    machine.fit(similarity[np.ix_(fitted, fitted)], np.repeat(labels[training], num_crops))
    decisions = machine.decision_function(similarity[np.ix_(asked, fitted)])
    if decisions.ndim == 1:  # two classes have one decision value, for the second
        decisions = np.stack([-decisions, decisions], axis=1)
    return machine.classes_[majority(decisions.reshape(-1, num_crops, decisions.shape[1]))]


def majority(decisions: np.ndarray) -> np.ndarray:
    """Let the crops of each sound vote.

    Args:
        decisions: (S, P, C) decision value of each crop for each class.

    Returns:
        (S,) class that is first for most crops; of tied classes, the one with the highest sum of decision values.
    """
    num_classes = decisions.shape[2]
    votes = (decisions.argmax(axis=2)[:, :, None] == np.arange(num_classes)).sum(axis=1)  # (S, C)
    is_top = votes == votes.max(axis=1, keepdims=True)
    return np.where(is_top, decisions.sum(axis=1), -np.inf).argmax(axis=1)


def _check_folds(labels: np.ndarray, folds: np.ndarray, fold_names: np.ndarray) -> None:
    if len(fold_names) < 3:
        raise ProbeError(
            f"expected at least three folds (one to test on, two to choose the penalty), got {len(fold_names)}"
        )
    for fold in fold_names:
        for other in fold_names:
            left = labels[(folds != fold) & (folds != other)]
            if len(np.unique(left)) < 2:
                raise ProbeError(
                    f"without folds {fold} and {other}, the sounds have {counted(len(np.unique(left)), 'label')} "
                    "instead of at "
                    "least 2: spread labels more evenly over the folds"
                )
