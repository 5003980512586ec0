"""Splits: the published ones, and those a user makes."""

# ruff: noqa: NPY002 - the published splits come from the legacy generator

import numpy as np
import pytest

from evaluate.metrics.splits import Splits, published_splits


def test_equals_the_reference_masks(shared_dir):
    golden = np.load(shared_dir / "golden" / "encoding.npz")
    splits = published_splits(165)
    np.testing.assert_array_equal(splits.train, golden["is_train"])
    np.testing.assert_array_equal(splits.test, golden["is_test"])


@pytest.mark.parametrize("num_stimuli", [165, 40, 7])
def test_equals_the_global_legacy_generator_used_as_published(num_stimuli):
    state = np.random.get_state()
    try:
        np.random.seed(0)
        half = (num_stimuli + 1) // 2
        expected = []
        for _ in range(10):
            train = np.random.choice(num_stimuli, half, replace=False)
            rest = list(set(range(num_stimuli)) - set(train))
            expected.append((train, np.random.choice(rest, num_stimuli - half, replace=False)))
    finally:
        np.random.set_state(state)
    splits = published_splits(num_stimuli)
    for split, (train, test) in enumerate(expected):
        assert set(np.flatnonzero(splits.train[split])) == set(train)
        assert set(np.flatnonzero(splits.test[split])) == set(test)


def test_leaves_the_global_generator_alone():
    np.random.seed(3)
    expected = np.random.rand()
    np.random.seed(3)
    published_splits(165)
    assert np.random.rand() == expected


def test_every_stimulus_is_on_exactly_one_side():
    splits = published_splits(101, num_splits=4, num_train=70, seed=5)
    assert (splits.train ^ splits.test).all()
    assert (splits.train.sum(axis=1) == 70).all()
    assert splits.num_splits == 4
    assert splits.num_stimuli == 101
    assert len({mask.tobytes() for mask in splits.train}) == 4


def test_more_splits_continue_the_same_sequence():
    np.testing.assert_array_equal(published_splits(165, 12).train[:10], published_splits(165).train)


def test_errors_say_what_is_wrong():
    mask = np.array([[True] * 5 + [False] * 5])
    with pytest.raises(ValueError, match="at least 6"):
        published_splits(5)
    with pytest.raises(ValueError, match="between 3 and 7, got 9"):
        published_splits(10, num_train=9)
    with pytest.raises(ValueError, match=r"splits.test must be a \(splits, S\) bool array, got int64"):
        Splits(mask, (~mask).astype(np.int64))
    with pytest.raises(ValueError, match="split 0 has stimuli that are in both train and test"):
        Splits(mask, np.ones_like(mask))
    with pytest.raises(ValueError, match="the same shape"):
        Splits(mask, np.zeros((1, 9), dtype=bool))
    with pytest.raises(ValueError, match="split 0 has 0 test stimuli"):
        Splits(mask, np.zeros_like(mask))
