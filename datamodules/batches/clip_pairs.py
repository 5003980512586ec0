"""The clips of a split, signals and noises, and the order in which they are seen."""

from typing import Any, NamedTuple

import numpy as np

from datamodules.batches.order import EQUAL_WEIGHTS, ClipWeights, TrainingOrder, ValidationOrder
from datamodules.batches.settings_error import DataSettingsError
from datamodules.batches.streaming_order import StreamedTrainingOrder, StreamedValidationOrder
from datamodules.shards.clip_sources import ClipSource
from datamodules.shards.joined_clips import JoinedClips, is_streamed
from datamodules.shards.streaming import StreamedClips


class ClipPair(NamedTuple):
    """The signal clips and the noise clips of one split."""

    signals: ClipSource
    noises: ClipSource | None

    @property
    def counts(self) -> tuple[int, int]:
        """Number of signal and of noise clips."""
        return len(self.signals), 0 if self.noises is None else len(self.noises)

    @property
    def is_streamed(self) -> bool:
        """Whether either side is streamed."""
        return any(is_streamed(clips) for clips in self)

    @property
    def clips_per_shard(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Number of signal and of noise clips in each shard, which the order of streamed clips must follow."""
        return _clips_per_shard(self.signals), () if self.noises is None else _clips_per_shard(self.noises)


def training_order(
    pair: ClipPair, *, num_workers: int, weights: ClipWeights = EQUAL_WEIGHTS, **settings: Any
) -> TrainingOrder:
    """Make the order of training.

    Args:
        pair: The clips.
        num_workers: Worker processes of each rank.
        weights: How often clips are drawn.
        settings: `batch_size`, `seed`, `rank`, `num_ranks` and `noises_per_example`, see `TrainingOrder`.

    Raises:
        DataSettingsError: There are too few clips, or weights for streamed clips.
    """
    if pair.is_streamed:
        if any(side is not None for side in weights):
            raise DataSettingsError(
                "streamed clips come in the order of their shards: sampling and shares of corpora need local shards"
            )
        return StreamedTrainingOrder(*pair.clips_per_shard, num_workers=num_workers, **settings)
    return TrainingOrder(*pair.counts, weights=weights, **settings)


def validation_order(pair: ClipPair, *, num_workers: int, **settings: Any) -> ValidationOrder:
    """Make the order of validation; the arguments are those of `training_order`."""
    if pair.is_streamed:
        return StreamedValidationOrder(*pair.clips_per_shard, num_workers=num_workers, **settings)
    return ValidationOrder(*pair.counts, **settings)


def _clips_per_shard(clips: ClipSource) -> tuple[int, ...]:
    """Clips that can be read in any order count as one shard each."""
    if isinstance(clips, JoinedClips):
        return tuple(count for source in clips.sources for count in _clips_per_shard(source))
    return clips.clips_per_shard if isinstance(clips, StreamedClips) else tuple(np.ones(len(clips), dtype=int).tolist())
