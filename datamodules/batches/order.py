"""The order in which clips are seen, as pure functions of (seed, epoch, position).

An epoch has one position per signal clip. Nothing here depends on the number of workers or ranks: rank r of W takes the
r-th of W equal slices of the B * W positions of global batch k. So each global batch has the same positions whenever
B * W is the same, and a run can be resumed from the number of batches seen.
"""

from collections.abc import Iterator
from enum import IntEnum
from functools import lru_cache
from math import ceil
from typing import NamedTuple

import numpy as np


class Purpose(IntEnum):
    """What random numbers are for: each purpose has its own stream, independent of the others."""

    SIGNAL_ORDER = 0
    NOISE_ORDER = 1
    TRAINING_EXAMPLE = 2
    VALIDATION_NOISE_ORDER = 3
    VALIDATION_EXAMPLE = 4
    BUILD_ORDER = 5
    STREAM_WINDOW = 6


class DataSettingsError(ValueError):
    """Settings of the data that are out of range, contradict each other, or do not fit the clips."""


class Draw(NamedTuple):
    """One example: its clips, and the key of its random numbers.

    Args:
        epoch: Epoch, from 0.
        position: Index in the epoch's order.
        signal: Index of the signal clip in its shard set.
        noise: Index of the noise clip in its shard set; -1 without noise.
    """

    epoch: int
    position: int
    signal: int
    noise: int


def check_seed(seed: int) -> None:
    """Raise `DataSettingsError` if a seed does not fit the generator's key."""
    if not 0 <= seed < 2**64:
        raise DataSettingsError(f"seed must be between 0 and 2^64 - 1, got {seed}")


def generator(*, seed: int, purpose: Purpose, epoch: int = 0, position: int = 0) -> np.random.Generator:
    """Make a generator of random numbers that are a pure function of the arguments.

    The counter-based Philox generator (Salmon et al. 2011) is keyed by the seed; purpose, epoch and position set its
    counter, whose lowest 64 bits count the numbers drawn.

    Args:
        seed: 0 to 2^64 - 1.
        purpose: What the numbers are for.
        epoch: Epoch or cycle.
        position: Position within it.

    Returns:
        The generator, at its start.
    """
    check_seed(seed)
    counter = np.array([0, position, epoch, int(purpose)], dtype=np.uint64)
    return np.random.Generator(np.random.Philox(key=np.array([seed, 0], dtype=np.uint64), counter=counter))


@lru_cache(maxsize=4)
def permutation(num_items: int, *, seed: int, purpose: Purpose, cycle: int = 0) -> np.ndarray:
    """Shuffle items, as a pure function of the arguments.

    Args:
        num_items: Number of items.
        seed: Seed of the run.
        purpose: What is shuffled.
        cycle: Index of the shuffle; for signals, the epoch.

    Returns:
        (num_items,) int64, read-only.
    """
    order = generator(seed=seed, purpose=purpose, epoch=cycle).permutation(num_items)
    order.flags.writeable = False
    return order


def cycled(positions: np.ndarray, num_items: int, *, seed: int, purpose: Purpose) -> np.ndarray:
    """Give the items for counters 0, 1, 2, ...: all items in shuffled order, then all of them in another, and so on.

    Args:
        positions: (B,) int, values of the counter.
        num_items: Number of items.
        seed: Seed of the run.
        purpose: What is shuffled.

    Returns:
        (B,) int64.
    """
    items = np.empty(len(positions), dtype=np.int64)
    cycles, places = np.divmod(positions, num_items)
    for cycle in np.unique(cycles):
        order = permutation(num_items, seed=seed, purpose=purpose, cycle=int(cycle))
        items[cycles == cycle] = order[places[cycles == cycle]]
    return items


class Order:
    """The clips that a rank sees, in order.

    Args:
        num_signals: N, number of signal clips.
        num_noises: Number of noise clips; 0 for quiet.
        batch_size: B, examples per batch of one rank.
        seed: Seed of the run.
        rank: Index of this rank.
        num_ranks: W, number of ranks.

    Raises:
        DataSettingsError: The batch size is below 1.
        ValueError: There is no such rank.
    """

    def __init__(
        self, num_signals: int, num_noises: int, *, batch_size: int, seed: int, rank: int = 0, num_ranks: int = 1
    ) -> None:
        if batch_size < 1:
            raise DataSettingsError(f"batch_size must be at least 1, got {batch_size}")
        _check_rank(rank, num_ranks)
        self.num_signals = num_signals
        self.num_noises = num_noises
        self.batch_size = batch_size
        self.seed = seed
        self.rank = rank
        self.num_ranks = num_ranks


class TrainingOrder(Order):
    """The batches of training, for one rank.

    Every signal clip comes once per epoch, in another order each epoch. The noise clips all come before any repeats,
    across epochs. The last global batch of an epoch is dropped if it is incomplete.

    The arguments are those of `Order`.

    Raises:
        DataSettingsError: There are too few clips for one global batch.
    """

    def __init__(
        self, num_signals: int, num_noises: int, *, batch_size: int, seed: int, rank: int = 0, num_ranks: int = 1
    ) -> None:
        super().__init__(num_signals, num_noises, batch_size=batch_size, seed=seed, rank=rank, num_ranks=num_ranks)
        if len(self) < 1:
            raise DataSettingsError(
                f"{num_signals} training clips do not fill one batch of {batch_size} on {num_ranks} rank(s): "
                "use a smaller batch_size"
            )

    @property
    def global_batch_size(self) -> int:
        """Examples per batch over all ranks."""
        return self.batch_size * self.num_ranks

    def identity(self) -> dict[str, int]:
        """What a run must share to resume in the middle of an epoch."""
        return {
            "num_batches": len(self),
            "global_batch_size": self.global_batch_size,
            "num_signals": self.num_signals,
            "num_noises": self.num_noises,
            "seed": self.seed,
        }

    def __len__(self) -> int:
        """Batches per epoch."""
        return self.num_signals // self.global_batch_size

    def batches(self, epoch: int, *, first: int = 0) -> Iterator[list[Draw]]:
        """Iterate over the batches of one epoch.

        Args:
            epoch: The epoch, from 0.
            first: Batch to begin with; those before it cost nothing.

        Yields:
            The draws of one batch.
        """
        for batch in range(first, len(self)):
            start = batch * self.global_batch_size + self.rank * self.batch_size
            yield self._draws(epoch, np.arange(start, start + self.batch_size))

    def _draws(self, epoch: int, positions: np.ndarray) -> list[Draw]:
        signals = permutation(self.num_signals, seed=self.seed, purpose=Purpose.SIGNAL_ORDER, cycle=epoch)[positions]
        counters = epoch * self.num_signals + positions
        noises = _noises(counters, self.num_noises, self.seed, Purpose.NOISE_ORDER)
        rows = zip(positions.tolist(), signals.tolist(), noises.tolist(), strict=True)
        return [Draw(epoch, *row) for row in rows]


class ValidationOrder(Order):
    """The batches of validation, for one rank: every signal clip once, in the order of the shards.

    The clips are split into the same number of batches on every rank, of sizes that differ by at most one, so that no
    rank waits for another. A batch exceeds `batch_size` only if there would be fewer clips than batches.

    The arguments are those of `Order`.

    Raises:
        DataSettingsError: There are fewer clips than ranks.
    """

    def __init__(
        self, num_signals: int, num_noises: int, *, batch_size: int, seed: int, rank: int = 0, num_ranks: int = 1
    ) -> None:
        super().__init__(num_signals, num_noises, batch_size=batch_size, seed=seed, rank=rank, num_ranks=num_ranks)
        if num_signals < num_ranks:
            raise DataSettingsError(f"{num_signals} validation clips are too few for {num_ranks} rank(s)")
        self._num_batches = min(ceil(ceil(num_signals / num_ranks) / batch_size), num_signals // num_ranks)

    def __len__(self) -> int:
        """Batches on each rank."""
        return self._num_batches

    def batches(self, epoch: int = 0, *, first: int = 0) -> Iterator[list[Draw]]:
        """Iterate over the batches, the same in every epoch.

        Args:
            epoch: Has no effect.
            first: Batch to begin with.

        Yields:
            The draws of one batch.
        """
        parts = np.array_split(np.arange(self.num_signals), self._num_batches * self.num_ranks)
        for positions in parts[self.rank :: self.num_ranks][first:]:
            noises = _noises(positions, self.num_noises, self.seed, Purpose.VALIDATION_NOISE_ORDER)
            rows = zip(positions.tolist(), positions.tolist(), noises.tolist(), strict=True)
            yield [Draw(0, *row) for row in rows]


def _noises(counters: np.ndarray, num_noises: int, seed: int, purpose: Purpose) -> np.ndarray:
    if num_noises == 0:
        return np.full(len(counters), -1)
    return cycled(counters, num_noises, seed=seed, purpose=purpose)


def _check_rank(rank: int, num_ranks: int) -> None:
    if not 0 <= rank < num_ranks:
        raise ValueError(f"rank must be between 0 and {num_ranks - 1}, got {rank}")
