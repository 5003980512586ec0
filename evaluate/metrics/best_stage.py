"""From scores of units, stages and splits to stage curves and best stages, as published.

All functions take `scores` (V, stages, splits) with stages in network order; for voxels, these are noise-corrected R^2.
Undefined scores (NaN) are excluded from medians and counted.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

# Tuckute, Feather et al. 2023: stage selection is repeated over ten random halves of the splits.
PUBLISHED_NUM_ITERATIONS = 10
# Seed of the generator that breaks ties between stages, the same in every iteration.
_TIE_SEED = 0


@dataclass(frozen=True, eq=False)
class BestStage:
    """Score and position of the best stage, selected on other data than those that give the score.

    Attributes:
        subjects: P subjects in order of first appearance.
        score: (P,) score at the best stage, mean over iterations.
        relative_position: (P,) 0 for the first stage, 1 for the last, mean over iterations.
        score_by_iteration: (iterations, P) score of each iteration.
        position_by_iteration: (iterations, P) relative position of each iteration.
        unit_score: (V,) score of each unit, mean over iterations.
        unit_stage: (iterations, V) index of each unit's selected stage, -1 if it has no defined score.
        num_undefined: Number of units without a defined score in at least one iteration.
    """

    subjects: tuple[str, ...]
    score: np.ndarray
    relative_position: np.ndarray
    score_by_iteration: np.ndarray
    position_by_iteration: np.ndarray
    unit_score: np.ndarray
    unit_stage: np.ndarray
    num_undefined: int


@dataclass(frozen=True, eq=False)
class RegionStage:
    """Relative position of the best stage in regions of the brain.

    Attributes:
        regions: G regions in order of first appearance.
        subjects: P subjects in order of first appearance.
        relative_position: (P, G) median over the units of a region in a subject, NaN if there are none.
        mean: (G,) mean over subjects.
        num_undefined: Number of units without a defined score.
    """

    regions: tuple[str, ...]
    subjects: tuple[str, ...]
    relative_position: np.ndarray
    mean: np.ndarray
    num_undefined: int


def unit_stage_curves(scores: np.ndarray, *, clip: bool = True) -> np.ndarray:
    """Median over splits of scores (V, stages, splits) -> (V, stages), clipped to 1 if `clip` (voxels)."""
    medians = median_defined(_check_scores(scores), axis=2)
    return np.minimum(medians, 1.0) if clip else medians


def best_stage(
    scores: np.ndarray,
    subjects: np.ndarray,
    *,
    clip: bool = True,
    num_iterations: int = PUBLISHED_NUM_ITERATIONS,
) -> BestStage:
    """Score the best stage of each unit, selecting it independently of the score (Tuckute, Feather et al. 2023).

    In iteration i, the splits of every unit v and stage k are divided at random into two halves A and B. With scores
    `s[v, k, split]`,

        k*(v) = argmax_k median_A s[v, k],   score_i(v) = median_B s[v, k*(v)],

    with ties broken at random. Score and relative position are medians over the units of a subject, then means over
    iterations. The random numbers are those of the published software: legacy seed i and one shuffle of
    [0, 1, 0, 1, ...] per stage and unit, in this order; then legacy seed 0 and one choice among the tied stages per
    unit.

    For components, pass `clip=False` and the component names as `subjects`: the result is then per component.

    Args:
        scores: (V, stages, splits) with an even number of splits.
        subjects: (V,) subject of each unit.
        clip: Clip medians to 1, as for voxels; not for components.
        num_iterations: Number of random halvings to average over.

    Returns:
        One score and one relative position for each subject, with the values that they average.

    Raises:
        ValueError: Shapes do not match, or the number of splits is odd.
    """
    scores = _check_scores(scores)
    num_units, num_stages, num_splits = scores.shape
    names, codes = _group(subjects, num_units, "subjects")
    if num_splits % 2:
        raise ValueError(f"stage selection halves the splits, so their number must be even, got {num_splits}")
    unit_scores = np.empty((num_iterations, num_units))
    unit_stages = np.empty((num_iterations, num_units), dtype=np.int64)
    for iteration in range(num_iterations):
        selects = _selection_masks(iteration, num_stages, num_units, num_splits)
        selected, read_out = _half_medians(scores, selects)  # median_A and median_B, both (V, stages)
        if clip:
            selected, read_out = np.minimum(selected, 1.0), np.minimum(read_out, 1.0)
        stages = _largest_stage(selected)  # k*(v), -1 if undefined
        unit_stages[iteration] = stages
        values = np.take_along_axis(read_out, np.maximum(stages, 0)[:, None], axis=1)[:, 0]
        unit_scores[iteration] = np.where(stages >= 0, values, np.nan)
    positions = _relative_position(unit_stages, num_stages)
    positions[np.isnan(unit_scores)] = np.nan
    # Median over the units of each subject, then mean over iterations.
    score_by_iteration = _median_by_group(unit_scores.T, codes, len(names)).T
    position_by_iteration = _median_by_group(positions.T, codes, len(names)).T
    return BestStage(
        subjects=names,
        score=mean_defined(score_by_iteration, axis=0),
        relative_position=mean_defined(position_by_iteration, axis=0),
        score_by_iteration=score_by_iteration,
        position_by_iteration=position_by_iteration,
        unit_score=mean_defined(unit_scores, axis=0),
        unit_stage=unit_stages,
        num_undefined=int(np.isnan(unit_scores).any(axis=0).sum()),
    )


def scores_of_splits(scores: np.ndarray, best: BestStage) -> np.ndarray:
    """Score every split at stages that it did not select.

    Args:
        scores: (V, stages, splits), as given to `best_stage`.
        best: What that returned.

    Returns:
        (V, splits) score of each unit in each split, mean over the iterations in which the split was in the half that
        gives the score; NaN if there are none with a defined score.
    """
    scores = _check_scores(scores)
    num_units, num_stages, num_splits = scores.shape
    found = np.full((len(best.unit_stage), num_units, num_splits), np.nan)
    for iteration, stages in enumerate(best.unit_stage):
        at_stage = np.maximum(stages, 0)[:, None, None]
        selects = _selection_masks(iteration, num_stages, num_units, num_splits)
        selects, values = (np.take_along_axis(array, at_stage, axis=1)[:, 0] for array in (selects, scores))
        found[iteration] = np.where(selects | (stages < 0)[:, None], np.nan, values)
    return mean_defined(found, axis=0)


def best_stage_by_region(
    scores: np.ndarray, subjects: np.ndarray, regions: np.ndarray, *, clip: bool = True
) -> RegionStage:
    """Relative position of the best stage of each region, from 0 (first stage) to 1 (last).

    Each unit's best stage has the largest median over all splits, with ties broken at random. Positions are medians
    over the units of a subject in a region, then means over subjects.

    Args:
        scores: (V, stages, splits).
        subjects: (V,) subject of each unit.
        regions: (V,) region of each unit.
        clip: Clip medians over splits to 1, as for voxels.

    Returns:
        Relative positions by subject and region.

    Raises:
        ValueError: Shapes do not match.
    """
    curves = unit_stage_curves(scores, clip=clip)
    num_units, num_stages = curves.shape
    subject_names, subject_codes = _group(subjects, num_units, "subjects")
    region_names, region_codes = _group(regions, num_units, "regions")
    positions = _relative_position(_largest_stage(curves), num_stages)
    # Number every pair of subject and region, take the medians, and reshape them to (P, G).
    cells = subject_codes * len(region_names) + region_codes
    medians = _median_by_group(positions[:, None], cells, len(subject_names) * len(region_names))
    by_subject = medians.reshape(len(subject_names), len(region_names))
    return RegionStage(
        region_names, subject_names, by_subject, mean_defined(by_subject, axis=0), int(np.isnan(positions).sum())
    )


def median_defined(values: np.ndarray, axis: int) -> np.ndarray:
    """Median over the values that are not NaN; NaN if there are none."""
    return _over_defined(np.median, np.nanmedian, values, axis)


def mean_defined(values: np.ndarray, axis: int) -> np.ndarray:
    """Mean over the values that are not NaN; NaN if there are none."""
    return _over_defined(np.mean, np.nanmean, values, axis)


def _check_scores(scores: np.ndarray) -> np.ndarray:
    scores = np.asarray(scores, dtype=np.float64)
    if scores.ndim != 3 or 0 in scores.shape:
        raise ValueError(f"scores must be (units, stages, splits), got {scores.shape}")
    if np.isinf(scores).any():
        raise ValueError("scores contain infinite values; undefined scores must be NaN")
    return scores


def _group(labels: np.ndarray, num_units: int, name: str) -> tuple[tuple[str, ...], np.ndarray]:
    """Distinct labels in order of first appearance, and the position of each unit's label among them."""
    labels = np.asarray(labels)
    if labels.shape != (num_units,):
        raise ValueError(f"{name} must have one label for each of the {num_units} units, got shape {labels.shape}")
    positions: dict[str, int] = {}
    codes = [positions.setdefault(str(label), len(positions)) for label in labels]
    return tuple(positions), np.array(codes)


def _median_by_group(values: np.ndarray, codes: np.ndarray, num_groups: int) -> np.ndarray:
    """Median over the units (first axis) of each group: (groups, ...), NaN for a group without defined values."""
    empty = np.full((1, *values.shape[1:]), np.nan)
    members = (values[codes == group] for group in range(num_groups))
    return np.stack([median_defined(member if len(member) else empty, axis=0) for member in members])


@lru_cache(maxsize=PUBLISHED_NUM_ITERATIONS)
def _selection_masks(iteration: int, num_stages: int, num_units: int, num_splits: int) -> np.ndarray:
    """Draw the half of the splits that selects the stage: (V, stages, splits) bool, half of each row True.

    Cached, as all networks with the same number of stages share it (one byte per unit, stage, split and iteration).
    """
    shuffle = np.random.RandomState(iteration).shuffle
    flat = bytearray()
    for _ in range(num_stages * num_units):
        row = [0, 1] * (num_splits // 2)
        shuffle(row)
        flat.extend(row)
    masks = np.frombuffer(flat, dtype=np.uint8).astype(bool).reshape(num_stages, num_units, num_splits)
    masks = np.ascontiguousarray(masks.transpose(1, 0, 2))  # drawn stage by stage, used unit by unit
    masks.flags.writeable = False
    return masks


def _half_medians(scores: np.ndarray, selects: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Medians over the True and over the False splits of each unit and stage, both (V, stages)."""
    # A stable sort puts each row's True splits first: one array operation instead of a loop over units and stages.
    order = np.argsort(~selects, axis=2, kind="stable")
    arranged = np.take_along_axis(scores, order, axis=2)
    half = scores.shape[2] // 2
    return median_defined(arranged[..., :half], axis=2), median_defined(arranged[..., half:], axis=2)


def _largest_stage(values: np.ndarray) -> np.ndarray:
    """Index (V,) of each unit's largest stage; ties are broken at random by the published rule; -1 if all are NaN."""
    comparable = np.where(np.isnan(values), -np.inf, values)
    largest = comparable == comparable.max(axis=1, keepdims=True)
    # One draw per unit, in order, equal to that of `choice(numpy.flatnonzero(row))`.
    drawn = np.random.RandomState(_TIE_SEED).randint(0, largest.sum(axis=1))
    stages = np.argmax(largest.cumsum(axis=1) > drawn[:, None], axis=1)
    return np.where(np.isnan(values).all(axis=1), -1, stages)


def _relative_position(stages: np.ndarray, num_stages: int) -> np.ndarray:
    """Stage index / (stages - 1), from 0 (first) to 1 (last); NaN for -1."""
    return np.where(stages >= 0, stages / max(num_stages - 1, 1), np.nan)


def _over_defined(
    reduce: Callable[..., Any], reduce_defined: Callable[..., Any], values: np.ndarray, axis: int
) -> np.ndarray:
    undefined = np.isnan(values)
    if not undefined.any():
        return np.asarray(reduce(values, axis=axis))  # several times faster than the NaN-aware function
    empty = undefined.all(axis=axis, keepdims=True)
    filled = np.where(empty, 0.0, values)  # avoids warnings about slices that are all NaN
    return np.where(np.squeeze(empty, axis=axis), np.nan, reduce_defined(filled, axis=axis))
