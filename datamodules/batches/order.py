"""The order in which clips are seen, as pure functions of (seed, epoch, position).

An epoch has one position per signal clip. Nothing here depends on the number of workers or ranks: rank r of W takes the
r-th of W equal slices of the B * W positions of global batch k. So each global batch has the same positions whenever
B * W is the same, and a run can be resumed from the number of batches seen.
"""

from collections.abc import Callable, Iterator
from functools import lru_cache
from math import ceil
from typing import Any, NamedTuple

import numpy as np

from datamodules.batches.random_streams import Purpose, permutation
from datamodules.batches.sampling.weighted_order import fingerprint, weighted_order
from datamodules.batches.settings_error import DataSettingsError
from datamodules.tasks import Side
from networks.text.wording import counted

HOW_STREAMED = ("num_ranks", "num_streams")
"""What only the identity of an order of streamed clips has."""


class Draw(NamedTuple):
    """One example: its clips, and the key of its random numbers.

    Args:
        epoch: Epoch, from 0.
        position: Index in the epoch's order.
        signal: Index of the signal clip in its shard set.
        noise: Index of the noise clip in its shard set; -1 without noise.
        more_noises: Indices of further noise clips.
    """

    epoch: int
    position: int
    signal: int
    noise: int
    more_noises: tuple[int, ...] = ()


class ClipWeights(NamedTuple):
    """How often each training clip is drawn relative to others of its side; None: each once per pass.

    Args:
        signal: (num_signals,) float.
        noise: (num_noises,) float.
    """

    signal: np.ndarray | None = None
    noise: np.ndarray | None = None


EQUAL_WEIGHTS = ClipWeights()


def cycled(positions: np.ndarray, num_items: int, one_pass: Callable[[int], np.ndarray]) -> np.ndarray:
    """Give the items for counters 0, 1, 2, ...: those of one pass, then those of the next, and so on.

    Args:
        positions: (B,) int, values of the counter.
        num_items: Number of items in a pass.
        one_pass: Returns the items (num_items,) of a pass, by its index.

    Returns:
        (B,) int64.
    """
    items = np.empty(len(positions), dtype=np.int64)
    cycles, places = np.divmod(positions, num_items)
    for cycle in np.unique(cycles):
        items[cycles == cycle] = one_pass(int(cycle))[places[cycles == cycle]]
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

    def _pass(self, side: Side, purpose: Purpose, cycle: int) -> np.ndarray:
        """All clips of a side in the order of one pass, (num_clips,) int64."""
        num_clips = self.num_signals if side == "signal" else self.num_noises
        return permutation(num_clips, seed=self.seed, purpose=purpose, cycle=cycle)

    def _noises(self, counters: np.ndarray, purpose: Purpose) -> np.ndarray:
        if self.num_noises == 0:
            return np.full(len(counters), -1)
        return cycled(counters, self.num_noises, lambda cycle: self._pass("noise", purpose, cycle))


class TrainingOrder(Order):
    """The batches of training, for one rank.

    Every signal clip comes once per epoch, in another order each epoch. The noise clips all come before any repeats,
    across epochs. With weights, clips come more or less often than that, see
    `datamodules.batches.sampling.weighted_order`; epochs stay as long. The last global batch of an epoch is dropped if
    it is incomplete.

    Args:
        num_signals: N, number of signal clips.
        num_noises: Number of noise clips; 0 for quiet.
        weights: How often clips are drawn.
        noises_per_example: Noise clips for each example.
        settings: `batch_size`, `seed`, `rank` and `num_ranks`, see `Order`.

    Raises:
        DataSettingsError: There are too few clips for one global batch.
    """

    def __init__(
        self,
        num_signals: int,
        num_noises: int,
        *,
        weights: ClipWeights = EQUAL_WEIGHTS,
        noises_per_example: int = 1,
        **settings: Any,
    ) -> None:
        super().__init__(num_signals, num_noises, **settings)
        self.weights = weights
        self.noises_per_example = noises_per_example
        self._weighted_pass = lru_cache(maxsize=4)(self._drawn_pass)  # per object, as the weights may be a million
        if len(self) < 1:
            raise DataSettingsError(
                f"{counted(num_signals, 'training clip', 'does')} not fill one batch of {self.batch_size} on "
                f"{counted(self.num_ranks, 'rank')}: use a smaller batch_size"
            )

    @property
    def global_batch_size(self) -> int:
        """Examples per batch over all ranks."""
        return self.batch_size * self.num_ranks

    def identity(self) -> dict[str, int]:
        """What a run must share to resume in the middle of an epoch."""
        result = {
            "num_batches": len(self),
            "global_batch_size": self.global_batch_size,
            "num_signals": self.num_signals,
            "num_noises": self.num_noises,
            "seed": self.seed,
        }
        given = {f"{side}_weights": weights for side, weights in self.weights._asdict().items() if weights is not None}
        result |= {name: fingerprint(weights) for name, weights in given.items()}
        if self.noises_per_example > 1:
            result["noises_per_example"] = self.noises_per_example
        return result

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
        signals = self._pass("signal", Purpose.SIGNAL_ORDER, epoch)[positions]
        first = self.noises_per_example * (epoch * self.num_signals + positions)
        noises = [self._noises(first + i, Purpose.NOISE_ORDER).tolist() for i in range(self.noises_per_example)]
        rows = zip(positions.tolist(), signals.tolist(), *noises, strict=True)
        return [Draw(epoch, position, signal, noise, tuple(more)) for position, signal, noise, *more in rows]

    def _pass(self, side: Side, purpose: Purpose, cycle: int) -> np.ndarray:
        if getattr(self.weights, side) is None:
            return super()._pass(side, purpose, cycle)
        return self._weighted_pass(side, purpose, cycle)

    def _drawn_pass(self, side: Side, purpose: Purpose, cycle: int) -> np.ndarray:
        return weighted_order(getattr(self.weights, side), seed=self.seed, purpose=purpose, cycle=cycle)


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
            raise DataSettingsError(
                f"{counted(num_signals, 'validation clip', 'is')} too few for {counted(num_ranks, 'rank')}"
            )
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
            noises = self._noises(positions, Purpose.VALIDATION_NOISE_ORDER)
            rows = zip(positions.tolist(), positions.tolist(), noises.tolist(), strict=True)
            yield [Draw(0, *row) for row in rows]


def _check_rank(rank: int, num_ranks: int) -> None:
    if not 0 <= rank < num_ranks:
        raise ValueError(f"rank must be between 0 and {num_ranks - 1}, got {rank}")
