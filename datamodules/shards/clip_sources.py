"""Where training reads clips from: shard sets, local or streamed, or the published HDF5 files as they are."""

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from datamodules.shards.reader import Clip, ShardSet
from datamodules.shards.streaming import StreamedClips, is_remote
from datamodules.tasks import LabelSet, Side


class ClipSource(Protocol):
    """Labelled clips that can be read in any order, in any process; may be pickled.

    `ShardSet`, `shards.hdf5_clips.Hdf5Clips` and `shards.streaming.StreamedClips` are such.
    """

    @property
    def folder(self) -> Path | str:
        """Location of the clips, for messages."""
        ...

    def __len__(self) -> int:
        """Number of clips."""
        ...

    @property
    def sample_rate_hz(self) -> int:
        """Sample rate of all clips in Hz."""
        ...

    @property
    def label_sets(self) -> Mapping[str, LabelSet]:
        """The classes of each label column."""
        ...

    def read(self, i: int, *, whole: bool = True) -> Clip:
        """Read clip `i`; raises `ShardError` if it cannot be read.

        Unless the `whole` of it is wanted, its waveform may be an `UndecodedWaveform`.
        """
        ...


def open_clips(location: str | Path, split: str, *, side: Side) -> ClipSource:
    """Open the clips of a split, whatever their format.

    Args:
        location: Folder with a shard set per split, or with the published HDF5 files; or the URL or pipe of a folder
            with a shard set per split, see `datamodules.shards.streaming`.
        split: "train", "val" or "test".
        side: Which of the two sounds of a row to take from HDF5 files; the clips of shard sets have one.

    Returns:
        The clips.

    Raises:
        ShardError: There are no clips, or they are damaged.
    """
    if is_remote(location):
        return StreamedClips(str(location), split)
    folder = Path(location)
    if not (folder / split).exists() and any(folder.glob("*/*.h5")):
        from datamodules.shards.hdf5_clips import Hdf5Clips

        return Hdf5Clips(folder, split, side=side)
    return ShardSet(folder / split)
