"""In which order clips are seen, as pure functions of (seed, epoch, position).

An epoch has one position per signal clip. Nothing here depends on the number of workers or ranks: rank r of W
takes, of global batch k, the r-th of W equal slices of its B * W positions. So the same positions make up each
global batch whenever B * W is the same, and a run can be resumed from the number of batches seen.
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
    """Settings of the data that cannot be, contradict each other, or do not go with the clips there are."""


class Draw(NamedTuple):
    """One example: which clips it is made of, and what its random numbers are keyed by.

    Args:
        epoch: epoch, from 0.
        position: place in the epoch's order.
        signal: place of the signal clip in its shard set.
        noise: place of the noise clip in its shard set; -1 where there is no noise.
    """

    epoch: int
    position: int
    signal: int
    noise: int


def check_seed(seed: int) -> None:
    """Raise DataSettingsError unless a seed fits the generator's key."""
    if not 0 <= seed < 2**64:
        raise DataSettingsError(f"seed must be between 0 and 2^64 - 1, got {seed}")


def generator(*, seed: int, purpose: Purpose, epoch: int = 0, position: int = 0) -> np.random.Generator:
    """Random numbers that are a pure function of the arguments.

    The counter-based Philox generator (Salmon et al. 2011) is keyed by the seed; purpose, epoch and position
    set its counter, whose lowest 64 bits are left to count the numbers drawn.

    Args:
        seed: 0 to 2^64 - 1.
        purpose: what they are for.
        epoch: epoch or cycle.
        position: position within it.

    Returns:
        The generator, at its start.
    """
    check_seed(seed)
    counter = np.array([0, position, epoch, int(purpose)], dtype=np.uint64)
    return np.random.Generator(np.random.Philox(key=np.array([seed, 0], dtype=np.uint64), counter=counter))


@lru_cache(maxsize=4)
def permutation(num_items: int, *, seed: int, purpose: Purpose, cycle: int = 0) -> np.ndarray:
    """A shuffled order: (num_items,) int64, a pure function of the arguments; read-only.

    Args:
        num_items: how many items there are.
        seed: seed of the run.
        purpose: what is put in order.
        cycle: the how-manieth time they are put in order (for signals: the epoch).
    """
    order = generator(seed=seed, purpose=purpose, epoch=cycle).permutation(num_items)
    order.flags.writeable = False
    return order


def cycled(positions: np.ndarray, num_items: int, *, seed: int, purpose: Purpose) -> np.ndarray:
    """Items for counters 0, 1, 2, ...: all items in shuffled order before any repeats, then shuffled anew.

    Args:
        positions: (B,) int, values of the counter.
        num_items: how many items there are.
        seed: seed of the run.
        purpose: what is put in order.

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
    """Which clips a rank sees, and how many there are.

    Args:
        num_signals: N, number of signal clips.
        num_noises: number of noise clips; 0 for quiet.
        batch_size: B, examples per batch of one rank.
        seed: seed of the run.
        rank: which rank this is.
        num_ranks: W, how many there are.

    Raises:
        DataSettingsError: when the batch size or the rank is impossible.
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

    Every signal clip comes once per epoch, in an order shuffled anew each epoch; the noise clips go round all of
    them before any repeats, over epochs. The last global batch of an epoch is dropped when it is incomplete.

    The arguments are those of `Order`.

    Raises:
        DataSettingsError: when there are too few clips for one global batch.
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
        """What a run must share that goes on in the middle of an epoch."""
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
        """The batches of one epoch.

        Args:
            epoch: the epoch, from 0.
            first: batch to begin with; what was before is never touched.

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

    The clips are split into equally many batches on every rank, of sizes that differ by at most one, so that no
    rank waits for another. A batch exceeds `batch_size` only where there would be fewer clips than batches.

    The arguments are those of `Order`.

    Raises:
        DataSettingsError: when there are fewer clips than ranks.
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
        """The batches, the same in every epoch.

        Args:
            epoch: has no effect.
            first: batch to begin with.

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
