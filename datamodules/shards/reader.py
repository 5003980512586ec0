"""Reading shard sets: any clip directly, at the offset that the index gives.

The tar files are those of webdataset, too, so that other programs can stream them:

    webdataset.WebDataset(files, shardshuffle=False).decode("torch").to_tuple("flac", "json")

(name the decoders, as webdataset's default also unpickles `.pkl` members).
"""

from __future__ import annotations

import io
import os
import tarfile
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import soundfile

from datamodules.shards.flac_header import FLAC_HEADER_BYTES, flac_digest
from datamodules.shards.index import LABEL_COLUMN_PREFIX, ShardError, ShardIndex, read_clips_file, read_index_file
from datamodules.shards.label_numbers import LabelNumbers, from_starts
from datamodules.shards.undecoded import UndecodedWaveform, Waveform
from datamodules.tasks import UNLABELLED, LabelSet
from networks.commands.program import program
from networks.files.lfs_pointers import IS_POINTER, is_pointer_file
from networks.text.wording import counted

if TYPE_CHECKING:
    import pyarrow

__all__ = ["Clip", "ShardError", "ShardSet", "damaged_files"]

_TAR_HEADER_BYTES = 512
_TAR_NAME_BYTES = 100
_MAX_OPEN_FILES = 128  # of the 1024 that a process usually may open


class Clip(NamedTuple):
    """A clip that was read.

    Attributes:
        key: Its name.
        waveform: (T,) float32, see `ShardSet.read`.
        midpoint: Sample that windows are centred on.
        labels: Class number for each one-label set, tuple of class numbers for each many-labels set; `UNLABELLED`,
            alone, if the clip is unlabelled.
    """

    key: str
    waveform: Waveform
    midpoint: int
    labels: dict[str, int | tuple[int, ...]]


class ShardSet:
    """A folder of shards, opened for reading clips in any order.

    Opening reads the index and compares the sizes of the files with it; `datamodules.shards.verify` compares
    everything. The object may be pickled and used in forked and spawned processes: each opens its own files. A shard
    set need not be trusted: nothing in it is executed or unpickled, no name in it is used as a path, and what does not
    match the index is refused by name.

    Args:
        folder: The shard set's folder.
        check_files: Compare the sizes of the files, which the full check does itself.

    Raises:
        ShardError: The index is missing or damaged, or a shard is missing or has the wrong size.
    """

    def __init__(self, folder: str | Path, *, check_files: bool = True) -> None:
        self.folder = Path(folder)
        self.index = read_index_file(self.folder)
        if check_files:
            for damage in damaged_files(self.folder, self.index):
                raise ShardError(damage)
        import pyarrow

        table = read_clips_file(self.folder, self.index)
        self._keys = table["key"].combine_chunks()
        self._shard, self._offset, self._num_bytes, self._num_samples, self._midpoint, self._gain = (
            table[name].to_numpy() for name in ("shard", "offset", "num_bytes", "num_samples", "midpoint", "gain")
        )
        self._labels = {
            name: _LabelColumn(table[LABEL_COLUMN_PREFIX + name], label_set)
            for name, label_set in self.label_sets.items()
        }
        self._files = _Files()
        del table
        pyarrow.default_memory_pool().release_unused()  # reading the table took several times its size

    def __len__(self) -> int:
        """Number of clips."""
        return self.index.num_clips

    @property
    def sample_rate_hz(self) -> int:
        """Sample rate of all clips in Hz."""
        return self.index.sample_rate_hz

    @property
    def label_sets(self) -> Mapping[str, LabelSet]:
        """The classes of each label column."""
        return self.index.label_sets

    def key(self, i: int) -> str:
        """Name of clip `i`."""
        return self._keys[i].as_py()

    def num_samples(self, i: int) -> int:
        """Number of samples of clip `i`."""
        return int(self._num_samples[i])

    def labels(self, i: int) -> dict[str, int | tuple[int, ...]]:
        """Class numbers of clip `i`, without reading its sound; see `Clip`."""
        return {name: column[i] for name, column in self._labels.items()}

    def label_numbers(self, name: str) -> LabelNumbers:
        """Class numbers of all clips in a label set.

        Raises:
            KeyError: There is no such label set.
        """
        return self._labels[name].numbers()

    def shard_name(self, i: int) -> str:
        """Name of the tar file that holds clip `i`."""
        return self.index.shards[self._shard[i]].file

    def read(self, i: int, *, whole: bool = True) -> Clip:
        """Read clip `i`.

        Args:
            i: Index of the clip, 0 to `len(self) - 1`.
            whole: Decode all of it; otherwise, its waveform is an `UndecodedWaveform`, of which only what is taken is
                decoded.

        Returns:
            The clip.

        Raises:
            IndexError: There is no clip `i`.
            ShardError: The shard does not hold the clip that the index describes.
        """
        if not 0 <= i < len(self):
            raise IndexError(f"{self.folder} has {len(self)} clips, there is no clip {i}")
        flac = self._member(i)
        waveform = UndecodedWaveform(
            self.num_samples(i), lambda first, num_samples: self._decoded(i, flac, first, num_samples)
        )
        return Clip(self.key(i), waveform.whole() if whole else waveform, int(self._midpoint[i]), self.labels(i))

    def sound_digest(self, i: int) -> str:
        """Digest of the 16-bit samples of clip `i`, from the header of its sound; "" if that has none.

        Raises:
            ShardError: The tar file cannot be read.
        """
        path = self.folder / self.shard_name(i)
        try:
            header = os.pread(self._files.descriptor(path), FLAC_HEADER_BYTES, int(self._offset[i]))
        except OSError as error:
            raise self._error(i, f"cannot be read ({error.strerror})") from error
        return flac_digest(header)

    def __getstate__(self) -> dict[str, Any]:
        """Everything except the open files, which belong to a process."""
        return {**self.__dict__, "_files": _Files()}

    def __repr__(self) -> str:
        return f"ShardSet({str(self.folder)!r}: {len(self)} clips, {sorted(self.label_sets)})"

    def _member(self, i: int) -> bytes:
        """FLAC data of clip `i`, after a check that the tar file has a member of that name there."""
        path = self.folder / self.shard_name(i)
        num_bytes = int(self._num_bytes[i])
        try:
            descriptor = self._files.descriptor(path)
            block = os.pread(descriptor, _TAR_HEADER_BYTES + num_bytes, int(self._offset[i]) - _TAR_HEADER_BYTES)
        except OSError as error:
            raise self._error(i, f"cannot be read ({error.strerror})") from error
        if len(block) < _TAR_HEADER_BYTES + num_bytes or not _is_member(block, f"{self.key(i)}.flac", num_bytes):
            raise self._error(i, f"the shard holds {block[:_TAR_NAME_BYTES].rstrip(bytes(1))!r} in its place")
        return block[_TAR_HEADER_BYTES:]

    def _decoded(self, i: int, flac: bytes, first: int, num_samples: int) -> np.ndarray:
        """Decode a stretch of clip `i`."""
        try:
            with soundfile.SoundFile(io.BytesIO(flac)) as file:
                found = (file.format, file.channels, file.frames, file.samplerate)
                # Compared before decoding: a few bytes can claim to be hours of silence.
                wanted = ("FLAC", 1, self.num_samples(i), self.sample_rate_hz)
                if found != wanted:
                    raise self._error(i, f"its sound is {_described(*found)}, the index says {_described(*wanted)}")
                if first:
                    file.seek(first)
                samples = file.read(num_samples, dtype="float32")
        except soundfile.SoundFileError as error:
            raise self._error(i, f"its sound cannot be decoded ({error})") from error
        if len(samples) != num_samples:
            raise self._error(i, f"its sound ends after {first + len(samples)} of {self.num_samples(i)} samples")
        if self._gain[i] != 1.0:
            samples /= np.float32(self._gain[i])
        return samples

    def _error(self, i: int, reason: str) -> ShardError:
        return ShardError(
            f"{self.folder / self.shard_name(i)}, clip {self.key(i)!r}: {reason}. The shard does not match its "
            f"index: run `{program('datamodules', 'check')}` on the folder, then restore it or build it again"
        )


class _LabelColumn:
    """Class numbers of all clips in one label set as flat arrays, as a list per clip would fill the memory."""

    def __init__(self, column: pyarrow.ChunkedArray, label_set: LabelSet) -> None:
        self.values: np.ndarray
        self._starts: np.ndarray | None = None
        if label_set.kind == "one_label":
            self.values = column.to_numpy()
        else:
            lists = column.combine_chunks()
            self.values = lists.flatten().to_numpy()
            self._starts = np.cumsum([0, *lists.value_lengths().to_numpy()])
        if len(self.values) and not UNLABELLED <= self.values.min() <= self.values.max() < len(label_set.labels):
            raise ShardError(f"the table of clips has a class outside the {len(label_set.labels)} labels")

    def numbers(self) -> LabelNumbers:
        starts = np.arange(len(self.values) + 1) if self._starts is None else self._starts
        return from_starts(self.values, starts)

    def __getitem__(self, i: int) -> int | tuple[int, ...]:
        if self._starts is None:
            return int(self.values[i])
        return tuple(self.values[self._starts[i] : self._starts[i + 1]].tolist())


class _Files:
    """Open tar files of this process; if there are many, the least recently used are closed.

    Reading is by position, so that a descriptor inherited over a fork can be shared safely.
    """

    def __init__(self) -> None:
        self._descriptors: OrderedDict[Path, int] = OrderedDict()

    def descriptor(self, path: Path) -> int:
        if path not in self._descriptors:
            while len(self._descriptors) >= _MAX_OPEN_FILES:
                os.close(self._descriptors.popitem(last=False)[1])
            self._descriptors[path] = os.open(path, os.O_RDONLY)
        self._descriptors.move_to_end(path)
        return self._descriptors[path]

    def __del__(self) -> None:
        while self._descriptors:
            os.close(self._descriptors.popitem()[1])


def _is_member(block: bytes, name: str, num_bytes: int) -> bool:
    """Whether a block of a tar file is the header of a plain file with this name and size."""
    try:
        member = tarfile.TarInfo.frombuf(block[:_TAR_HEADER_BYTES], "utf-8", "strict")
    except (tarfile.HeaderError, UnicodeDecodeError):
        return False
    return member.type in (tarfile.REGTYPE, tarfile.AREGTYPE) and (member.name, member.size) == (name, num_bytes)


def _described(file_format: str, num_channels: int, num_samples: int, sample_rate_hz: int) -> str:
    return f"{file_format} of {counted(num_channels, 'channel')} and {num_samples} samples at {sample_rate_hz} Hz"


def damaged_files(folder: Path, index: ShardIndex) -> Iterator[str]:
    """Find tar files that are missing or do not have the size in the index.

    Args:
        folder: The shard set's folder.
        index: Its index.

    Yields:
        One message per file.
    """
    for shard in index.shards:
        path = folder / shard.file
        if not path.is_file():
            yield f"{path}: missing, though the index lists it"
        elif path.stat().st_size != shard.num_bytes and is_pointer_file(path):
            yield f"{path}: {IS_POINTER}"
        elif path.stat().st_size != shard.num_bytes:
            yield (
                f"{path}: has {path.stat().st_size} bytes, the index says {shard.num_bytes}: "
                "restore it, or build it again"
            )
