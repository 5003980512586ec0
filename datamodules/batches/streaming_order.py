"""In which order clips are seen that come as streams, shard by shard: nearly sequential, and still exact.

A position of an epoch is still one signal clip, one noise clip and one place in the random streams, whatever the
number of ranks and workers, and each signal clip still comes once. What differs from `datamodules.batches.order`:

- the shuffle is local: shards in random order, and clips moved within a window of this order;
- each worker of each rank has a stretch of positions of its own, so that it streams few shards; which positions
  meet in a batch therefore depends on the numbers of ranks and workers.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache

import numpy as np

from datamodules.batches.order import Draw, Order, Purpose, TrainingOrder, ValidationOrder, generator, permutation

STREAM_WINDOW_CLIPS = 512
"""How far a clip may be moved from its place in the order of the shards: as many wait in a worker's memory."""


def local_order(
    clips_per_shard: tuple[int, ...], *, seed: int, purpose: Purpose, cycle: int, window: int = STREAM_WINDOW_CLIPS
) -> np.ndarray:
    """All clips, shards in shuffled order, each clip then moved by up to a window: (num_clips,) int64.

    A clip at place i goes where i + u stands among all, u being uniform from 0 to `window`.

    Args:
        clips_per_shard: number of clips in each shard; clips are numbered through.
        seed: seed of the run.
        purpose: what is put in order.
        cycle: the how-manieth time.
        window: in clips; 0 keeps the clips of each shard in order.
    """
    counts = np.array(clips_per_shard)
    starts = np.cumsum(counts) - counts
    shards = permutation(len(counts), seed=seed, purpose=purpose, cycle=cycle)
    clips = np.concatenate([np.arange(starts[shard], starts[shard] + counts[shard]) for shard in shards])
    rng = generator(seed=seed, purpose=Purpose.STREAM_WINDOW, epoch=cycle, position=int(purpose))
    return clips[np.argsort(np.arange(len(clips)) + window * rng.random(len(clips)), kind="stable")]


class _Sides:
    """Which clips stand at a position."""

    def __init__(self, signal_shards: Sequence[int], noise_shards: Sequence[int], seed: int) -> None:
        self._shards = {"signal": tuple(signal_shards), "noise": tuple(noise_shards)}
        self._seed = seed
        self._order = lru_cache(maxsize=4)(self._ordered)  # of this object: counts may be a million numbers

    def signals(self, epoch: int, positions: np.ndarray) -> np.ndarray:
        return self._order("signal", Purpose.SIGNAL_ORDER, epoch)[positions]

    def noises(self, counters: np.ndarray, purpose: Purpose) -> np.ndarray:
        num_noises = sum(self._shards["noise"])
        if not num_noises:
            return np.full(len(counters), -1)
        cycles, places = np.divmod(counters, num_noises)
        found = np.empty(len(counters), dtype=np.int64)
        for cycle in np.unique(cycles):
            found[cycles == cycle] = self._order("noise", purpose, int(cycle))[places[cycles == cycle]]
        return found

    def _ordered(self, side: str, purpose: Purpose, cycle: int) -> np.ndarray:
        return local_order(self._shards[side], seed=self._seed, purpose=purpose, cycle=cycle)


class _Streamed(Order):
    """What the orders of streamed clips share: they know the shards, and the workers that read them.

    Args:
        signal_shards: number of signal clips in each shard.
        noise_shards: number of noise clips in each shard; empty for quiet.
        batch_size: B, examples per batch of one rank.
        seed: seed of the run.
        rank: which rank this is.
        num_ranks: W, how many there are.
        num_workers: worker processes of each rank.
    """

    def __init__(
        self,
        signal_shards: Sequence[int],
        noise_shards: Sequence[int],
        *,
        batch_size: int,
        seed: int,
        rank: int = 0,
        num_ranks: int = 1,
        num_workers: int = 0,
    ) -> None:
        counts = sum(signal_shards), sum(noise_shards)
        super().__init__(*counts, batch_size=batch_size, seed=seed, rank=rank, num_ranks=num_ranks)
        self.num_streams = max(1, num_workers)
        self._sides = _Sides(signal_shards, noise_shards, seed)


class StreamedTrainingOrder(_Streamed, TrainingOrder):
    """`TrainingOrder` for clips that come as streams; see the module's description.

    Batch k of a rank is the next of the stretch of worker k modulo the number of workers, which is how torch's
    DataLoader deals out batches.

    Raises:
        ValueError: when there are too few clips for one global batch.
    """

    def identity(self) -> dict[str, int]:
        """What a run must share that goes on in the middle of an epoch."""
        return {**super().identity(), "num_ranks": self.num_ranks, "num_streams": self.num_streams}

    def batches(self, epoch: int, *, first: int = 0) -> Iterator[list[Draw]]:
        """The batches of one epoch; see `TrainingOrder.batches`."""
        for batch in range(first, len(self)):
            place = self.rank * len(self) + _place(batch, len(self), self.num_streams)
            yield self._draws(epoch, np.arange(place * self.batch_size, (place + 1) * self.batch_size))

    def _draws(self, epoch: int, positions: np.ndarray) -> list[Draw]:
        signals = self._sides.signals(epoch, positions)
        noises = self._sides.noises(epoch * self.num_signals + positions, Purpose.NOISE_ORDER)
        rows = zip(positions.tolist(), signals.tolist(), noises.tolist(), strict=True)
        return [Draw(epoch, *row) for row in rows]


class StreamedValidationOrder(_Streamed, ValidationOrder):
    """`ValidationOrder` for clips that come as streams: every signal clip once, each rank a stretch of the shards.

    Raises:
        ValueError: when there are fewer clips than ranks.
    """

    def batches(self, epoch: int = 0, *, first: int = 0) -> Iterator[list[Draw]]:
        """The batches, the same in every epoch; see `ValidationOrder.batches`."""
        parts = np.array_split(np.arange(self.num_signals), len(self) * self.num_ranks)
        for batch in range(first, len(self)):
            positions = parts[self.rank * len(self) + _place(batch, len(self), self.num_streams)]
            noises = self._sides.noises(positions, Purpose.VALIDATION_NOISE_ORDER)
            rows = zip(positions.tolist(), positions.tolist(), noises.tolist(), strict=True)
            yield [Draw(0, *row) for row in rows]


def _place(batch: int, num_batches: int, num_streams: int) -> int:
    """Place of a rank's batch when the batches of each worker are put one after the other."""
    stream = batch % num_streams
    before = sum(len(range(other, num_batches, num_streams)) for other in range(stream))
    return before + batch // num_streams
