"""The order in which streamed clips are seen, shard by shard: nearly sequential, and still exact.

A position of an epoch is still one signal clip, one noise clip and one place in the random streams, whatever the number
of ranks and workers, and each signal clip still comes once. Two things differ from `datamodules.batches.order`:

- The shuffle is local: shards come in random order, and clips move within a window of this order.
- Each worker of each rank has its own stretch of positions, so that it streams few shards. Which positions form a batch
  therefore depends on the numbers of ranks and workers.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from datamodules.batches.order import Draw, Order, TrainingOrder, ValidationOrder
from datamodules.batches.random_streams import Purpose, generator, permutation
from datamodules.tasks import Side

STREAM_WINDOW_CLIPS = 512
"""How far a clip may move from its place in the order of the shards; as many wait in a worker's memory."""


def local_order(
    clips_per_shard: tuple[int, ...], *, seed: int, purpose: Purpose, cycle: int, window: int = STREAM_WINDOW_CLIPS
) -> np.ndarray:
    """Shuffle the shards, then move each clip by up to a window.

    Clips are sorted by i + u, where i is the place of a clip in the order of the shards and u is uniform from 0 to
    `window`.

    Args:
        clips_per_shard: Number of clips in each shard; clips are numbered across shards.
        seed: Seed of the run.
        purpose: What is shuffled.
        cycle: Index of the shuffle.
        window: Window in clips; 0 keeps the clips of each shard in order.

    Returns:
        (num_clips,) int64.
    """
    counts = np.array(clips_per_shard)
    starts = np.cumsum(counts) - counts
    shards = permutation(len(counts), seed=seed, purpose=purpose, cycle=cycle)
    clips = np.concatenate([np.arange(starts[shard], starts[shard] + counts[shard]) for shard in shards])
    rng = generator(seed=seed, purpose=Purpose.STREAM_WINDOW, epoch=cycle, position=int(purpose))
    return clips[np.argsort(np.arange(len(clips)) + window * rng.random(len(clips)), kind="stable")]


class _Streamed(Order):
    """What the orders of streamed clips share: the shards, and the workers that read them.

    Args:
        signal_shards: Number of signal clips in each shard.
        noise_shards: Number of noise clips in each shard; empty for quiet.
        num_workers: Worker processes of each rank.
        settings: `batch_size`, `seed`, `rank` and `num_ranks`, see `Order`; for training, `noises_per_example`.
    """

    def __init__(
        self,
        signal_shards: Sequence[int],
        noise_shards: Sequence[int],
        *,
        num_workers: int = 0,
        **settings: Any,
    ) -> None:
        super().__init__(sum(signal_shards), sum(noise_shards), **settings)
        self.num_streams = max(1, num_workers)
        self._shards: dict[Side, tuple[int, ...]] = {"signal": tuple(signal_shards), "noise": tuple(noise_shards)}
        self._local_pass = lru_cache(maxsize=4)(self._shuffled)  # per object, as the counts may be a million numbers

    def _pass(self, side: Side, purpose: Purpose, cycle: int) -> np.ndarray:
        return self._local_pass(side, purpose, cycle)

    def _shuffled(self, side: Side, purpose: Purpose, cycle: int) -> np.ndarray:
        return local_order(self._shards[side], seed=self.seed, purpose=purpose, cycle=cycle)


class StreamedTrainingOrder(_Streamed, TrainingOrder):
    """`TrainingOrder` for streamed clips; see the module's description.

    Batch k of a rank is the next one in the stretch of worker k modulo the number of workers, as torch's DataLoader
    assigns batches.

    Raises:
        DataSettingsError: There are too few clips for one global batch.
    """

    def identity(self) -> dict[str, int]:
        """What a run must share to resume in the middle of an epoch."""
        return {**super().identity(), "num_ranks": self.num_ranks, "num_streams": self.num_streams}

    def batches(self, epoch: int, *, first: int = 0) -> Iterator[list[Draw]]:
        """Iterate over the batches of one epoch; see `TrainingOrder.batches`."""
        for batch in range(first, len(self)):
            place = self.rank * len(self) + _place(batch, len(self), self.num_streams)
            yield self._draws(epoch, np.arange(place * self.batch_size, (place + 1) * self.batch_size))


class StreamedValidationOrder(_Streamed, ValidationOrder):
    """`ValidationOrder` for streamed clips: every signal clip once, each rank reads a stretch of the shards.

    Raises:
        DataSettingsError: There are fewer clips than ranks.
    """

    def batches(self, epoch: int = 0, *, first: int = 0) -> Iterator[list[Draw]]:
        """Iterate over the batches, the same in every epoch; see `ValidationOrder.batches`."""
        parts = np.array_split(np.arange(self.num_signals), len(self) * self.num_ranks)
        for batch in range(first, len(self)):
            positions = parts[self.rank * len(self) + _place(batch, len(self), self.num_streams)]
            noises = self._noises(positions, Purpose.VALIDATION_NOISE_ORDER)
            rows = zip(positions.tolist(), positions.tolist(), noises.tolist(), strict=True)
            yield [Draw(0, *row) for row in rows]


def _place(batch: int, num_batches: int, num_streams: int) -> int:
    """Place of a rank's batch if the batches of the workers are put one after the other."""
    stream = batch % num_streams
    before = sum(len(range(other, num_batches, num_streams)) for other in range(stream))
    return before + batch // num_streams
