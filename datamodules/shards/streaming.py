"""Shard sets that lie elsewhere: streamed from URLs and pipes by webdataset, without a copy on this machine.

A location is the address of what is a folder with a shard set per split otherwise::

    https://host/corpus/signal          https://host/corpus/signal/train/index.json, .../shard-000000.tar, ...
    s3://bucket/signal                  by the program `aws s3 cp`
    gs://bucket/signal, ...             whatever else webdataset opens
    pipe:ssh host cat /corpus/{path}    a command; {path} stands for train/index.json and so on

What remains of what reading from a folder guarantees:

- every signal clip of an epoch exactly once over ranks and workers, all noises before any repeats, and every clip of
  validation exactly once, in the same order as from a folder;
- each example a function of (seed, epoch, position), going on exactly after any batch with the same numbers of ranks
  and workers; with others it is refused in the middle of an epoch. A stream begins at the start of a shard: what was
  passed of it is downloaded again, and not decoded;
- nothing in a shard is executed, unpickled or used as a path; a member that is not the expected one is refused.

What does not: the shuffle is local (`batches.streaming_order`), checksums are not compared (`python -m datamodules
check` needs a copy), and a worker keeps up to `MAX_WAITING_CLIPS` undecoded clips of either side in its memory.
"""

import io
import json
import re
import shlex
import tarfile
import tempfile
from collections import OrderedDict
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import numpy as np
import soundfile

from datamodules.batches.streaming_order import STREAM_WINDOW_CLIPS
from datamodules.shards.index import (
    INDEX_FILE,
    KEY_PATTERN,
    MAX_CLIP_DURATION_S,
    ShardError,
    ShardIndex,
    read_index_file,
)
from datamodules.shards.reader import Clip
from datamodules.shards.verify import MAX_DESCRIPTION_BYTES
from datamodules.tasks import UNLABELLED, LabelSet

MAX_WAITING_CLIPS = 4 * STREAM_WINDOW_CLIPS
"""Clips that were streamed and not asked for yet; beyond, those of the shard not used for longest are forgotten."""

_MAX_INDEX_BYTES = 1 << 28
_MAX_BYTES_PER_SAMPLE = 4  # FLAC of 16 bits with its frames' headers, at its worst
_MIN_MEMBER_BYTES = 1 << 16
_REMOTE = re.compile(r"pipe:|[a-z][a-z0-9+.-]+://")
_PATH_FIELD = "{path}"

Member = tuple[str, bytes, bytes]  # key, FLAC data, JSON description


def is_remote(location: str | Path) -> bool:
    """Whether a location is a URL or a pipe rather than a folder."""
    return isinstance(location, str) and _REMOTE.match(location) is not None


class StreamedClips:
    """A shard set that is streamed, as a `ClipSource`.

    Clips may be read in any order, but only an order that is nearly that of the shards is fast: a clip that was
    passed and forgotten is looked for from the start of its shard again. The object may be pickled; each process has
    its own streams.

    Args:
        location: URL or pipe, see the module's description.
        split: "train", "val" or "test".

    Raises:
        ShardError: when the index cannot be fetched, or is damaged.
    """

    def __init__(self, location: str, split: str) -> None:
        if location.startswith("pipe:") and _PATH_FIELD not in location:
            raise ShardError(f"{location}: the command must contain {_PATH_FIELD}, for the path of what is wanted")
        self._location = location
        self._split = split
        self.index = self._fetched_index()
        self._ends = np.cumsum(self.clips_per_shard)
        self._class_of = {
            name: {label: number for number, label in enumerate(label_set.labels)}
            for name, label_set in self.label_sets.items()
        }
        self._streams: OrderedDict[int, _ShardStream] = OrderedDict()

    def __len__(self) -> int:
        """Number of clips."""
        return self.index.num_clips

    @property
    def folder(self) -> str:
        """Where the clips lie, for messages."""
        return self._url("")

    @property
    def sample_rate_hz(self) -> int:
        """Sample rate of all clips in Hz."""
        return self.index.sample_rate_hz

    @property
    def label_sets(self) -> Mapping[str, LabelSet]:
        """The classes of each label column."""
        return self.index.label_sets

    @property
    def clips_per_shard(self) -> tuple[int, ...]:
        """Number of clips in each shard."""
        return tuple(shard.num_clips for shard in self.index.shards)

    def read(self, i: int) -> Clip:
        """Read and decode clip `i`, streaming up to it.

        Args:
            i: place of the clip, 0 to `len(self) - 1`.

        Raises:
            IndexError: when there is no clip `i`.
            ShardError: when its shard cannot be fetched, or holds what it must not.
        """
        if not 0 <= i < len(self):
            raise IndexError(f"{self._location} has {len(self)} clips in {self._split!r}, there is no clip {i}")
        shard = int(np.searchsorted(self._ends, i, side="right"))
        url = self._url(self.index.shards[shard].file)
        place = i - int(self._ends[shard]) + self.index.shards[shard].num_clips
        stream = self._streams.get(shard)
        if stream is None or not stream.can_give(place):
            max_bytes = _MAX_BYTES_PER_SAMPLE * MAX_CLIP_DURATION_S * self.sample_rate_hz
            stream = self._streams[shard] = _ShardStream(url, self.index.shards[shard].num_clips, max_bytes)
        self._streams.move_to_end(shard)
        member = stream.take(place)
        self._forget()
        return self._clip(url, *member)

    def __getstate__(self) -> dict[str, Any]:
        """Everything but the open streams, which are a process's own."""
        return {**self.__dict__, "_streams": OrderedDict()}

    def __repr__(self) -> str:
        return f"StreamedClips({self._location!r}, {self._split!r}: {len(self)} clips, {sorted(self.label_sets)})"

    def _url(self, file: str) -> str:
        path = f"{self._split}/{file}"
        if self._location.startswith("pipe:"):
            return self._location.replace(_PATH_FIELD, path)
        url = f"{self._location.rstrip('/')}/{path}"
        return f"pipe:aws s3 cp --quiet {shlex.quote(url)} -" if url.startswith("s3://") else url

    def _fetched_index(self) -> ShardIndex:
        import webdataset

        url = self._url(INDEX_FILE)
        with tempfile.TemporaryDirectory() as folder:
            try:
                with webdataset.gopen(url) as stream:
                    content = stream.read(_MAX_INDEX_BYTES)
            except (OSError, ValueError) as error:  # the command failed, or webdataset knows no such scheme
                raise ShardError(f"{url}: no index of a shard set could be fetched ({error})") from error
            (Path(folder) / INDEX_FILE).write_bytes(content)
            try:
                index = read_index_file(Path(folder))
            except ShardError as error:
                raise ShardError(str(error).replace(str(Path(folder) / INDEX_FILE), url)) from error
        if sum(shard.num_clips for shard in index.shards) != index.num_clips:
            raise ShardError(f"{url}: the number of clips is not that of its shards")
        return index

    def _forget(self) -> None:
        for shard in [shard for shard, stream in self._streams.items() if stream.is_over]:
            del self._streams[shard]
        while len(self._streams) > 1 and sum(len(s.waiting) for s in self._streams.values()) > MAX_WAITING_CLIPS:
            self._streams.popitem(last=False)[1].close()

    def _clip(self, url: str, key: str, flac: bytes, description: bytes) -> Clip:
        try:
            content = json.loads(description)
            labels = {name: self._numbers(name, content["labels"][name]) for name in self.label_sets}
            midpoint, gain = round(float(content["midpoint_s"]) * self.sample_rate_hz), float(content["gain"])
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
            raise ShardError(f"{url}, clip {key!r}: its description is broken ({error!r})") from error
        samples = self._decoded(url, key, flac)
        if not (0 <= midpoint < len(samples) and np.isfinite(gain) and gain > 0):
            raise ShardError(f"{url}, clip {key!r}: its midpoint {midpoint} or its gain {gain} cannot be")
        return Clip(key, samples / np.float32(gain) if gain != 1.0 else samples, midpoint, labels)

    def _numbers(self, name: str, labels: list[str]) -> int | tuple[int, ...]:
        numbers = sorted(self._class_of[name][label] for label in labels) or [UNLABELLED]
        return numbers[0] if self.label_sets[name].kind == "one_label" else tuple(numbers)

    def _decoded(self, url: str, key: str, flac: bytes) -> np.ndarray:
        try:
            with soundfile.SoundFile(io.BytesIO(flac)) as file:
                found = (file.format, file.channels, file.samplerate)
                if found != ("FLAC", 1, self.sample_rate_hz) or not 0 < file.frames <= MAX_CLIP_DURATION_S * found[2]:
                    raise ShardError(
                        f"{url}, clip {key!r}: expected FLAC of one channel at {self.sample_rate_hz} Hz, at most "
                        f"{MAX_CLIP_DURATION_S} s, got {found} and {file.frames} samples"
                    )
                return file.read(dtype="float32")
        except soundfile.SoundFileError as error:
            raise ShardError(f"{url}, clip {key!r}: its sound cannot be decoded ({error})") from error


class _ShardStream:
    """One tar file on its way: what has come and was not asked for yet waits."""

    def __init__(self, url: str, num_clips: int, max_member_bytes: int) -> None:
        self.url = url
        self.num_clips = num_clips
        self.waiting: dict[int, Member] = {}
        self._num_come = 0
        self._members = _members(url, max(max_member_bytes, _MIN_MEMBER_BYTES))

    @property
    def is_over(self) -> bool:
        return self._num_come == self.num_clips and not self.waiting

    def can_give(self, place: int) -> bool:
        return place in self.waiting or place >= self._num_come

    def take(self, place: int) -> Member:
        while place not in self.waiting:
            member = next(self._members, None)
            if member is None:
                raise ShardError(f"{self.url}: ends after {self._num_come} of {self.num_clips} clips")
            self.waiting[self._num_come] = member
            self._num_come += 1
        if self._num_come == self.num_clips:
            self.close()
        return self.waiting.pop(place)

    def close(self) -> None:
        self._members.close()


@contextmanager
def _opened(url: str) -> Iterator[IO[bytes]]:
    """A stream from webdataset; a command that complains when nobody listens any more is no error."""
    import webdataset

    stream = webdataset.gopen(url)
    try:
        yield stream
    finally:
        with suppress(OSError):
            stream.close()


def _members(url: str, max_bytes: int) -> Generator[Member, None, None]:
    """The clips of a tar file as they come."""
    try:
        with _opened(url) as stream, tarfile.open(fileobj=stream, mode="r|") as archive:
            yield from _pairs(url, archive, max_bytes)
    except (tarfile.TarError, OSError, EOFError, ValueError) as error:
        if isinstance(error, ShardError):
            raise
        raise ShardError(f"{url}: cannot be streamed, or is no tar file ({error})") from error


def _pairs(url: str, archive: tarfile.TarFile, max_bytes: int) -> Iterator[Member]:
    """`KEY.flac` and `KEY.json` beside each other, in either order; anything else is refused."""
    held: dict[str, bytes] = {}
    held_key = ""
    for member in archive:
        archive.members = []  # type: ignore[attr-defined]  # tarfile keeps a list of all that it has passed
        key, _, extension = member.name.partition(".")
        limit = max_bytes if extension == "flac" else MAX_DESCRIPTION_BYTES
        is_expected = (
            member.type in (tarfile.REGTYPE, tarfile.AREGTYPE)
            and extension in ("flac", "json")
            and extension not in held
            and re.fullmatch(KEY_PATTERN, key) is not None
            and (not held or key == held_key)
            and member.size <= limit
        )
        stream: IO[bytes] | None = archive.extractfile(member) if is_expected else None
        if stream is None:
            raise ShardError(
                f"{url}, member {member.name!r} of {member.size} bytes: expected KEY.flac and KEY.json beside each "
                "other"
            )
        held[extension], held_key = stream.read(), key
        if len(held) == 2:
            yield key, held["flac"], held["json"]
            held = {}
