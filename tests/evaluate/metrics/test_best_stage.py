"""Stage curves and best stages against a slow, plain version with the global legacy generator."""

# ruff: noqa: NPY002 - the published software uses the legacy generator

import numpy as np
import pytest

from evaluate.metrics import best_stage as selection
from evaluate.metrics.best_stage import best_stage, best_stage_by_region, unit_stage_curves


@pytest.fixture(autouse=True)
def _restore_global_generator():
    state = np.random.get_state()
    yield
    np.random.set_state(state)


def plain_best_stage(scores, subjects, clip, num_iterations=10):
    """The specification, sentence by sentence."""
    num_units, num_stages, num_splits = scores.shape
    names = list(dict.fromkeys(subjects))
    all_scores, all_positions = [], []
    for iteration in range(num_iterations):
        np.random.seed(iteration)
        selected = np.zeros((num_units, num_stages))
        read_out = np.zeros((num_units, num_stages))
        for stage in range(num_stages):
            for unit in range(num_units):
                mask = [0, 1] * (num_splits // 2)
                np.random.shuffle(mask)
                mask = np.array(mask)
                selected[unit, stage] = np.median(scores[unit, stage, mask == 1])
                read_out[unit, stage] = np.median(scores[unit, stage, mask == 0])
        if clip:
            selected, read_out = np.clip(selected, None, 1), np.clip(read_out, None, 1)
        np.random.seed(0)
        values, positions = np.zeros(num_units), np.zeros(num_units)
        for unit in range(num_units):
            tied = np.where(selected[unit] == selected[unit].max())[0]
            stage = np.random.choice(tied)
            values[unit] = read_out[unit, stage]
            positions[unit] = stage / (num_stages - 1)
        subjects = np.asarray(subjects)
        all_scores.append([np.median(values[subjects == name]) for name in names])
        all_positions.append([np.median(positions[subjects == name]) for name in names])
    return np.array(all_scores), np.array(all_positions)


def make_scores(rng, num_units=40, num_stages=5, num_splits=10):
    """Like corrected R^2: many exact zeros (ties), some above 1."""
    level = rng.uniform(-0.3, 1.2, (num_units, num_stages, 1))
    return np.maximum(level + 0.2 * rng.standard_normal((num_units, num_stages, num_splits)), 0)


@pytest.mark.parametrize("clip", [True, False])
@pytest.mark.parametrize("num_splits", [10, 4])
def test_equals_the_plain_version(clip, num_splits):
    rng = np.random.default_rng(0)
    scores = make_scores(rng, num_splits=num_splits)
    subjects = np.array(["s2", "s1", "s3", "s1"] * 10)
    expected_scores, expected_positions = plain_best_stage(scores, subjects, clip)
    result = best_stage(scores, subjects, clip=clip)
    assert result.subjects == ("s2", "s1", "s3")
    np.testing.assert_array_equal(result.score_by_iteration, expected_scores)
    np.testing.assert_array_equal(result.position_by_iteration, expected_positions)
    np.testing.assert_allclose(result.score, expected_scores.mean(axis=0))
    np.testing.assert_allclose(result.relative_position, expected_positions.mean(axis=0))
    assert result.num_undefined == 0


def test_equals_the_plain_version_where_all_stages_tie():
    scores = np.zeros((30, 7, 10))
    expected_scores, expected_positions = plain_best_stage(scores, ["a"] * 30, clip=True)
    result = best_stage(scores, ["a"] * 30)
    np.testing.assert_array_equal(result.position_by_iteration, expected_positions)
    np.testing.assert_array_equal(result.score_by_iteration, expected_scores)
    assert len(set(result.unit_stage[0])) > 3


def test_components_are_units_of_their_own():
    rng = np.random.default_rng(1)
    scores = make_scores(rng, num_units=6)
    names = ["lowfreq", "highfreq", "envsounds", "pitch", "speech", "music"]
    result = best_stage(scores, names, clip=False)
    expected, _ = plain_best_stage(scores, names, clip=False)
    assert list(result.subjects) == names
    np.testing.assert_allclose(result.score, expected.mean(axis=0))
    np.testing.assert_allclose(result.unit_score, result.score)


def test_leaves_the_global_generator_alone():
    np.random.seed(7)
    expected = np.random.rand()
    np.random.seed(7)
    best_stage(np.zeros((5, 3, 10)), [0] * 5)
    best_stage_by_region(np.zeros((5, 3, 10)), [0] * 5, [0] * 5)
    assert np.random.rand() == expected


def test_selection_is_independent_of_the_read_out():
    """Of equal, noisy stages, the best by selection scores no better than any; taking the maximum would."""
    scores = np.random.default_rng(2).standard_normal((500, 9, 10))
    result = best_stage(scores, np.zeros(500), clip=False)
    assert abs(result.unit_score.mean()) < 0.03
    assert np.median(scores, axis=2).max(axis=1).mean() > 0.3


def test_clear_best_stage_is_found():
    rng = np.random.default_rng(3)
    scores = 0.1 * rng.random((20, 5, 10))
    scores[:10, 3] += 0.5
    scores[10:, 1] += 0.5
    result = best_stage(scores, ["first"] * 10 + ["second"] * 10)
    np.testing.assert_allclose(result.relative_position, [0.75, 0.25])
    by_region = best_stage_by_region(scores, ["one"] * 20, ["late"] * 10 + ["early"] * 10)
    assert by_region.regions == ("late", "early")
    np.testing.assert_allclose(by_region.mean, [0.75, 0.25])


def test_curves_of_units_equal_the_definition():
    scores = make_scores(np.random.default_rng(4)) * 1.3
    medians = np.median(scores, axis=2)
    np.testing.assert_allclose(unit_stage_curves(scores, clip=True), np.minimum(medians, 1))
    np.testing.assert_allclose(unit_stage_curves(scores, clip=False), medians)
    assert medians.max() > 1


def test_region_stages_equal_the_definition():
    rng = np.random.default_rng(5)
    scores = rng.random((40, 5, 10))
    subjects, regions = np.arange(40) % 2, np.array(["A", "B", "B", "C"] * 10)
    best = np.median(scores, axis=2).argmax(axis=1) / 4
    result = best_stage_by_region(scores, subjects, regions)
    for column, region in enumerate(result.regions):
        for row in range(2):
            members = best[(subjects == row) & (regions == region)]
            expected = np.median(members) if len(members) else np.nan
            np.testing.assert_allclose(result.relative_position[row, column], expected)
    assert np.isnan(result.relative_position).sum() == 2
    np.testing.assert_allclose(result.mean, np.nanmean(result.relative_position, axis=0))


def test_undefined_scores_are_left_out_and_counted():
    rng = np.random.default_rng(6)
    scores = make_scores(rng, num_units=9)
    subjects = ["a"] * 4 + ["b"] * 4 + ["c"]
    whole = best_stage(scores, subjects)
    scores[0], scores[8] = np.nan, np.nan
    scores[5, :, 0] = np.nan
    scores[6, 2] = np.nan
    result = best_stage(scores, subjects)
    assert result.num_undefined == 2
    assert (result.unit_stage[:, 0] == -1).all()
    assert (result.unit_stage[:, 6] != 2).all()
    np.testing.assert_array_equal(result.unit_stage[:, 1:4] >= 0, True)
    assert np.isfinite(result.score[:2]).all()
    assert np.isnan(result.score[2])
    assert np.isfinite(whole.score).all()
    assert np.isnan(unit_stage_curves(scores, clip=True)).sum() == 5 + 5 + 1


def test_masks_are_kept_between_networks(monkeypatch):
    selection._selection_masks.cache_clear()
    scores = make_scores(np.random.default_rng(7))
    best_stage(scores, [0] * 40)
    best_stage(scores, [0] * 40)
    assert selection._selection_masks.cache_info().hits == 10


def test_one_stage():
    scores = make_scores(np.random.default_rng(8), num_stages=1)
    assert best_stage(scores, [0] * 40).relative_position == [0.0]


def test_errors_say_what_is_wrong():
    scores = np.zeros((4, 3, 10))
    with pytest.raises(ValueError, match="must be even, got 9"):
        best_stage(scores[..., :9], [0] * 4)
    with pytest.raises(ValueError, match=r"\(units, stages, splits\), got \(4, 3\)"):
        unit_stage_curves(scores[..., 0], clip=True)
    with pytest.raises(ValueError, match=r"subjects must have one label for each of the 4 units, got shape \(3,\)"):
        best_stage(scores, [0] * 3)
    with pytest.raises(ValueError, match="regions must have one label"):
        best_stage_by_region(scores, [0] * 4, [0] * 5)
    with pytest.raises(ValueError, match="infinite"):
        best_stage(scores + np.inf, [0] * 4)
