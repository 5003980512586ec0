from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datamodules.batches.order import TrainingOrder, ValidationOrder, cycled
from datamodules.batches.random_streams import Purpose, generator, permutation


def global_batches(order_class, counts, *, num_ranks, batch_size, seed=0, epoch=0, first=0):
    """For each batch, the draws of all ranks one after the other."""
    ranks = [
        list(
            order_class(*counts, batch_size=batch_size, seed=seed, rank=rank, num_ranks=num_ranks).batches(
                epoch, first=first
            )
        )
        for rank in range(num_ranks)
    ]
    return [[draw for batch in batches for draw in batch] for batches in zip(*ranks, strict=True)]


def test_streams_are_functions_of_their_key():
    def numbers(**key):
        return generator(**{"seed": 1, "purpose": Purpose.TRAINING_EXAMPLE, **key}).random(4).tolist()

    assert numbers(epoch=2, position=3) == numbers(epoch=2, position=3)
    keys = [{}, {"seed": 2}, {"epoch": 1}, {"position": 1}, {"purpose": Purpose.VALIDATION_EXAMPLE}]
    assert len({tuple(numbers(**key)) for key in keys}) == len(keys)
    with pytest.raises(ValueError, match="seed must be between"):
        numbers(seed=-1)


def test_permutations():
    first, second = (permutation(50, seed=0, purpose=Purpose.SIGNAL_ORDER, cycle=cycle) for cycle in (0, 1))
    assert sorted(first) == sorted(second) == list(range(50))
    assert first.tolist() != second.tolist()
    with pytest.raises(ValueError, match="read-only"):
        first[0] = 1


def test_noises_all_come_before_any_repeats():
    def one_pass(cycle):
        return permutation(7, seed=3, purpose=Purpose.NOISE_ORDER, cycle=cycle)

    items = cycled(np.arange(35), 7, one_pass)
    rounds = items.reshape(5, 7)
    assert all(sorted(one) == list(range(7)) for one in rounds)
    assert len({tuple(one) for one in rounds}) == 5
    shuffled = np.random.default_rng(0).permutation(35)
    np.testing.assert_array_equal(cycled(shuffled, 7, one_pass), items[shuffled])


def test_noises_go_round_over_epochs():
    heard = []
    for epoch in range(3):
        for batch in TrainingOrder(12, 9, batch_size=4, seed=0).batches(epoch):
            heard += [draw.noise for draw in batch]
    assert all(sorted(heard[i : i + 9]) == list(range(9)) for i in range(0, 36, 9))


@settings(deadline=None, max_examples=60)
@given(num=st.integers(1, 60), batch_size=st.integers(1, 9), num_ranks=st.integers(1, 4), epoch=st.integers(0, 3))
def test_training_sees_each_clip_at_most_once(num, batch_size, num_ranks, epoch):
    size = batch_size * num_ranks
    if num < size:
        with pytest.raises(ValueError, match="not fill one batch"):
            TrainingOrder(num, 0, batch_size=batch_size, seed=0, num_ranks=num_ranks)
        return
    batches = global_batches(TrainingOrder, (num, 5), num_ranks=num_ranks, batch_size=batch_size, epoch=epoch)
    assert len(batches) == num // size == len(TrainingOrder(num, 5, batch_size=size, seed=0))
    assert all(len(batch) == size for batch in batches)
    draws = [draw for batch in batches for draw in batch]
    assert [draw.position for draw in draws] == list(range(num // size * size))
    assert max(Counter(draw.signal for draw in draws).values()) == 1
    # As many examples per global batch on one rank are the same examples in the same order.
    assert batches == global_batches(TrainingOrder, (num, 5), num_ranks=1, batch_size=size, epoch=epoch)


@settings(deadline=None, max_examples=60)
@given(num=st.integers(1, 60), batch_size=st.integers(1, 9), num_ranks=st.integers(1, 4))
def test_validation_sees_each_clip_exactly_once(num, batch_size, num_ranks):
    if num < num_ranks:
        with pytest.raises(ValueError, match="too few"):
            ValidationOrder(num, 0, batch_size=batch_size, seed=0, num_ranks=num_ranks)
        return
    orders = [
        ValidationOrder(num, 4, batch_size=batch_size, seed=0, rank=rank, num_ranks=num_ranks)
        for rank in range(num_ranks)
    ]
    batches = [batch for order in orders for batch in order.batches()]
    assert len({len(list(order.batches())) for order in orders}) == 1
    assert len(orders[0]) == len(list(orders[0].batches()))
    sizes = [len(batch) for batch in batches]
    assert min(sizes) >= 1
    assert max(sizes) - min(sizes) <= 1
    if num % num_ranks == 0 or batch_size > 1:
        assert max(sizes) <= max(batch_size, 2)
    draws = {draw.position: draw for batch in batches for draw in batch}
    assert sorted(draws) == list(range(num)) == sorted(draw.signal for draw in draws.values())
    assert len(draws) == sum(sizes)
    alone = [draw for batch in ValidationOrder(num, 4, batch_size=3, seed=0).batches(7) for draw in batch]
    assert [draws[i] for i in range(num)] == alone


def test_order_differs_between_epochs_and_seeds():
    def signals(**changes):
        batches = global_batches(TrainingOrder, (40, 0), **{"num_ranks": 1, "batch_size": 8, **changes})
        return [draw.signal for batch in batches for draw in batch]

    assert signals() == signals()
    assert len({tuple(order) for order in (signals(), signals(epoch=1), signals(seed=1))}) == 3
    assert TrainingOrder(40, 0, batch_size=8, seed=0).batches(0).__next__()[0].noise == -1


def test_beginning_later_is_the_rest():
    order = TrainingOrder(50, 7, batch_size=6, seed=0, rank=0, num_ranks=1)
    whole = list(order.batches(3))
    for first in range(len(order) + 1):
        assert list(order.batches(3, first=first)) == whole[first:]


def test_bad_arguments():
    with pytest.raises(ValueError, match="rank must be between 0 and 1, got 2"):
        TrainingOrder(50, 0, batch_size=6, seed=0, rank=2, num_ranks=2)
    for order in (TrainingOrder, ValidationOrder):
        with pytest.raises(ValueError, match="batch_size must be at least 1"):
            order(50, 0, batch_size=0, seed=0)
