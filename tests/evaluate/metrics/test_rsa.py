"""Representational similarity against a slow, plain version."""

import numpy as np
import pytest
from scipy.stats import pearsonr, spearmanr

from evaluate.metrics.rsa import category_order, rsa, similarity_matrix, z_score
from evaluate.metrics.splits import published_splits


def plain_triangle(values, train, keep):
    mean, deviation = values[train].mean(axis=0), values[train].std(axis=0)
    standardised = np.zeros_like(values)
    for column in range(values.shape[1]):
        if deviation[column] > 0:
            standardised[:, column] = (values[:, column] - mean[column]) / deviation[column]
    kept = standardised[keep]
    return np.array([np.corrcoef(kept[i], kept[j])[0, 1] for i in range(len(kept)) for j in range(i + 1, len(kept))])


def plain_rsa(stages, responses, subjects, splits, compare):
    names = list(dict.fromkeys(subjects))
    mean = responses.mean(axis=2)
    scores, ceilings = np.zeros((len(names), splits.num_splits)), np.zeros((len(names), splits.num_splits))
    for split in range(splits.num_splits):
        train, test = splits.train[split], splits.test[split]
        brains = [mean[:, np.asarray(subjects) == name] for name in names]
        tests = [plain_triangle(brain, train, test) for brain in brains]
        for row, brain in enumerate(brains):
            own = plain_triangle(brain, train, train)
            on_train = [spearmanr(plain_triangle(f, train, train), own)[0] for f in stages.values()]
            chosen = list(stages.values())[int(np.argmax(on_train))]
            scores[row, split] = spearmanr(plain_triangle(chosen, train, test), tests[row])[0]
            others = np.mean([t for i, t in enumerate(tests) if i != row], axis=0)
            ceilings[row, split] = compare(tests[row], others)[0]
    return np.median(scores, axis=1), np.median(ceilings, axis=1)


@pytest.fixture
def problem():
    rng = np.random.default_rng(0)
    latent = rng.standard_normal((24, 4))
    stages = {
        "first": latent[:, :2] @ rng.standard_normal((2, 30)) + rng.standard_normal((24, 30)),
        "second": np.maximum(latent @ rng.standard_normal((4, 50)), 0),
        "third": rng.standard_normal((24, 20)),
    }
    stages["second"][:, 7] = 3.0
    responses = (latent @ rng.standard_normal((4, 36)))[:, :, None] + rng.standard_normal((24, 36, 3))
    return stages, responses, np.array(["b", "a", "c"] * 12), published_splits(24, num_splits=4)


@pytest.mark.parametrize(("ceiling", "compare"), [("pearson", pearsonr), ("spearman", spearmanr)])
def test_equals_the_plain_version(problem, ceiling, compare):
    expected_score, expected_ceiling = plain_rsa(*problem, compare)
    result = rsa(*problem, ceiling=ceiling)
    assert result.subjects == ("b", "a", "c")
    assert result.stages == ("first", "second", "third")
    np.testing.assert_allclose(result.score, expected_score, rtol=1e-9)
    np.testing.assert_allclose(result.ceiling, expected_ceiling, rtol=1e-9)
    assert result.mean_score == pytest.approx(expected_score.mean())
    assert result.mean_ceiling == pytest.approx(expected_ceiling.mean())
    assert result.num_undefined == 0


def test_a_stage_that_is_the_brain_reaches_one(problem):
    stages, responses, subjects, splits = problem
    brain = responses.mean(axis=2)[:, subjects == "a"]
    result = rsa(stages | {"brain": brain}, responses, subjects, splits)
    assert result.score[1] == pytest.approx(1.0)
    assert (result.best_stage[1] == 3).all()


def test_scale_and_offset_of_units_do_not_matter(problem):
    stages, responses, subjects, splits = problem
    rng = np.random.default_rng(1)
    moved = {name: values * rng.uniform(0.5, 2, values.shape[1]) + 10 for name, values in stages.items()}
    found = rsa(moved, responses * rng.uniform(0.5, 2, (1, 36, 1)), subjects, splits)
    np.testing.assert_allclose(found.score, rsa(*problem).score, rtol=1e-9)


def test_dead_stage_is_undefined_and_counted(problem):
    stages, responses, subjects, splits = problem
    result = rsa({"dead": np.full((24, 5), 0.1)} | stages, responses, subjects, splits)
    assert result.num_undefined == 3 * 4
    assert np.isnan(result.test_similarity[:, 0]).all()
    np.testing.assert_allclose(result.score, rsa(*problem).score)
    only = rsa({"dead": np.zeros((24, 5))}, responses, subjects, splits)
    assert np.isnan(only.score).all()
    assert (only.best_stage == -1).all()


def test_one_subject_has_no_ceiling(problem):
    stages, responses, _, splits = problem
    result = rsa(stages, responses.mean(axis=2), ["only"] * 36, splits)
    assert np.isnan(result.mean_ceiling)
    assert np.isfinite(result.mean_score)


def test_missing_repetitions_leave_the_mean_of_the_others(problem):
    stages, responses, subjects, splits = problem
    partial = responses.copy()
    partial[:, 4, 0] = np.nan
    expected = rsa(stages, np.nanmean(partial, axis=2), subjects, splits)
    np.testing.assert_allclose(rsa(stages, partial, subjects, splits).score, expected.score)


def test_similarity_matrix_and_z_score():
    rng = np.random.default_rng(2)
    values = rng.standard_normal((10, 6)) + 3
    np.testing.assert_allclose(similarity_matrix(values), np.corrcoef(values))
    train = np.arange(10) < 6
    values[:6, 2] = 0.1
    standard = z_score(values, train)
    assert (standard[:, 2] == 0).all()
    np.testing.assert_allclose(standard[train].std(axis=0)[[0, 1, 3]], 1)
    np.testing.assert_allclose(standard[train].mean(axis=0), 0, atol=1e-12)


def test_category_order():
    categories = ["speech", "music", "speech", "nature"]
    np.testing.assert_array_equal(category_order(categories), [0, 2, 1, 3])
    np.testing.assert_array_equal(category_order(categories, ["nature", "music", "speech"]), [3, 1, 0, 2])
    with pytest.raises(ValueError, match=r"\['nature'\] are not among"):
        category_order(categories, ["music", "speech"])


def test_errors_say_what_is_wrong(problem):
    stages, responses, subjects, splits = problem
    with pytest.raises(ValueError, match="ceiling must be 'pearson'"):
        rsa(*problem, ceiling="kendall")
    with pytest.raises(ValueError, match="stages is empty"):
        rsa({}, responses, subjects, splits)
    with pytest.raises(ValueError, match=r"stage 'first' must be \(24, D\), got \(20, 30\)"):
        rsa({"first": stages["first"][:20]}, responses, subjects, splits)
    with pytest.raises(ValueError, match="stage 'first' contain NaN"):
        rsa({"first": stages["first"] * np.nan}, responses, subjects, splits)
    with pytest.raises(ValueError, match=r"responses must be \(24, V\)"):
        rsa(stages, responses[:10], subjects, splits)
    with pytest.raises(ValueError, match="expected one subject for each of 36 units"):
        rsa(stages, responses, subjects[:5], splits)
    broken = responses.copy()
    broken[2, 5] = np.nan
    with pytest.raises(ValueError, match="unit 5 has no finite response to stimulus 2"):
        rsa(stages, broken, subjects, splits)
