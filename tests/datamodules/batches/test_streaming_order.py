"""Orders over ranks and workers: each example once, resumable at every batch, whether clips stream or not."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datamodules.batches.order import TrainingOrder, ValidationOrder
from datamodules.batches.random_streams import Purpose
from datamodules.batches.streaming_order import (
    STREAM_WINDOW_CLIPS,
    StreamedTrainingOrder,
    StreamedValidationOrder,
    local_order,
)

SHARDS = st.lists(st.integers(1, 12), min_size=1, max_size=8)
NOISES = [4, 3, 6]


def batches_by_rank(make, num_ranks, epoch=0, first=0):
    return [list(make(rank, num_ranks).batches(epoch, first=first)) for rank in range(num_ranks)]


def flat(ranks):
    return [draw for batches in ranks for batch in batches for draw in batch]


@settings(deadline=None, max_examples=60)
@given(counts=SHARDS, seed=st.integers(0, 9), window=st.sampled_from([0, 3, 50]))
def test_local_order_is_a_permutation_that_keeps_shards_together(counts, seed, window):
    order = local_order(tuple(counts), seed=seed, purpose=Purpose.SIGNAL_ORDER, cycle=2, window=window)
    assert sorted(order) == list(range(sum(counts)))
    again = local_order(tuple(counts), seed=seed, purpose=Purpose.SIGNAL_ORDER, cycle=2, window=0)
    place = np.argsort(again)  # where each clip stands among the shuffled shards
    assert np.abs(place[order] - np.arange(len(order))).max() <= window
    shard = np.repeat(np.arange(len(counts)), counts)[again]
    assert (np.diff(shard) != 0).sum() == len(counts) - 1


def test_local_order_differs_between_cycles_seeds_and_purposes():
    keys = [
        {"seed": 0, "purpose": Purpose.SIGNAL_ORDER, "cycle": 0},
        {"seed": 1, "purpose": Purpose.SIGNAL_ORDER, "cycle": 0},
        {"seed": 0, "purpose": Purpose.NOISE_ORDER, "cycle": 0},
        {"seed": 0, "purpose": Purpose.SIGNAL_ORDER, "cycle": 1},
    ]
    assert len({tuple(local_order((20, 20), **key).tolist()) for key in keys}) == 4
    assert STREAM_WINDOW_CLIPS > 0


@settings(deadline=None, max_examples=80)
@given(
    counts=SHARDS,
    batch_size=st.integers(1, 6),
    num_ranks=st.integers(1, 4),
    num_workers=st.integers(0, 4),
    epoch=st.integers(0, 2),
    is_streamed=st.booleans(),
)
def test_training_sees_each_clip_at_most_once_and_goes_on_after_every_batch(
    counts, batch_size, num_ranks, num_workers, epoch, is_streamed
):
    def make(rank, num_ranks):
        given = {"batch_size": batch_size, "seed": 5, "rank": rank, "num_ranks": num_ranks}
        if is_streamed:
            return StreamedTrainingOrder(counts, NOISES, num_workers=num_workers, **given)
        return TrainingOrder(sum(counts), sum(NOISES), **given)

    size = batch_size * num_ranks
    if sum(counts) < size:
        with pytest.raises(ValueError, match="not fill one batch"):
            make(0, num_ranks)
        return
    ranks = batches_by_rank(make, num_ranks, epoch)
    assert {len(batches) for batches in ranks} == {sum(counts) // size}
    assert {len(batch) for batches in ranks for batch in batches} == {batch_size}
    draws = flat(ranks)
    assert max(Counter(draw.signal for draw in draws).values()) == 1
    assert sorted(draw.position for draw in draws) == list(range(sum(counts) // size * size))
    # An example of a position is the same on one rank without workers.
    alone = {}
    for batch in StreamedTrainingOrder(counts, NOISES, batch_size=1, seed=5).batches(epoch) if is_streamed else ():
        alone |= {draw.position: draw for draw in batch}
    assert all(alone[draw.position] == draw for draw in draws if is_streamed)
    for first in range(len(ranks[0]) + 1):
        assert batches_by_rank(make, num_ranks, epoch, first) == [batches[first:] for batches in ranks]


@settings(deadline=None, max_examples=60)
@given(counts=SHARDS, batch_size=st.integers(1, 6), num_ranks=st.integers(1, 4), num_workers=st.integers(0, 4))
def test_streamed_validation_sees_each_clip_exactly_once(counts, batch_size, num_ranks, num_workers):
    num = sum(counts)
    if num < num_ranks:
        with pytest.raises(ValueError, match="too few"):
            StreamedValidationOrder(counts, NOISES, batch_size=batch_size, seed=0, num_ranks=num_ranks)
        return

    def make(rank, num_ranks):
        given = {"batch_size": batch_size, "seed": 0, "rank": rank, "num_ranks": num_ranks}
        return StreamedValidationOrder(counts, NOISES, num_workers=num_workers, **given)

    ranks = batches_by_rank(make, num_ranks)
    local = [
        ValidationOrder(num, 13, batch_size=batch_size, seed=0, rank=rank, num_ranks=num_ranks)
        for rank in range(num_ranks)
    ]
    assert [len(batches) for batches in ranks] == [len(order) for order in local]
    draws = sorted(flat(ranks))
    assert [draw.position for draw in draws] == [draw.signal for draw in draws] == list(range(num))
    alone = StreamedValidationOrder(counts, NOISES, batch_size=3, seed=0).batches(4)
    assert draws == [draw for batch in alone for draw in batch]


@pytest.mark.parametrize("num_workers", [0, 3])
def test_noises_all_come_before_any_repeats_over_epochs(num_workers):
    order = StreamedTrainingOrder([5, 7], NOISES, batch_size=4, seed=0, num_workers=num_workers)
    heard = [draw.noise for epoch in range(13) for draw in sorted(flat([order.batches(epoch)]))]
    assert all(sorted(heard[i : i + 13]) == list(range(13)) for i in range(0, 12 * 13, 13))


def test_a_worker_needs_few_shards():
    order = StreamedTrainingOrder([100] * 40, [], batch_size=10, seed=0, num_ranks=2, num_workers=2)
    window_shards = STREAM_WINDOW_CLIPS // 100 + 2
    for worker in (0, 1):
        draws = flat([list(order.batches(0))[worker::2]])
        assert len(draws) == 1000
        assert len({draw.signal // 100 for draw in draws}) <= 10 + window_shards
        assert draws[0].noise == -1


def test_state_tells_ranks_and_streams():
    order = StreamedTrainingOrder([9], [], batch_size=2, seed=0, num_ranks=2, num_workers=3)
    assert order.identity() == {
        "num_batches": 2,
        "global_batch_size": 4,
        "num_signals": 9,
        "num_noises": 0,
        "seed": 0,
        "num_ranks": 2,
        "num_streams": 3,
    }
