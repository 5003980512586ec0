"""Shard sets on other machines, streamed from URLs and pipes by webdataset without a local copy.

A location is the address of what would locally be a folder with a shard set per split:

    https://host/corpus/signal          https://host/corpus/signal/train/index.json, .../shard-000000.tar, ...
    s3://bucket/signal                  with the program `aws s3 cp`
    gs://bucket/signal, ...             anything else that webdataset opens
    pipe:ssh host cat /corpus/{path}    a command; {path} stands for train/index.json and so on

Guaranteed, as for folders:

- Every signal clip comes exactly once per epoch over ranks and workers, all noises come before any repeats, and every
  validation clip comes exactly once, in the same order as from a folder.
- Each example is a function of (seed, epoch, position). Training resumes exactly after any batch with the same numbers
  of ranks and workers; with others, resuming in the middle of an epoch is refused. A stream begins at the start of a
  shard: what was read of it before is downloaded again, but not decoded.
- Nothing in a shard is executed, unpickled or used as a path; unexpected members are refused.

Not guaranteed: the shuffle is local (`datamodules.batches.streaming_order`), checksums are not compared (`python -m
datamodules check` needs a copy), and a worker keeps up to `MAX_WAITING_CLIPS` undecoded clips of either side in memory.
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
    ShardError,
    ShardIndex,
    max_clip_samples,
    read_index_file,
)
from datamodules.shards.reader import Clip
from datamodules.shards.undecoded import UndecodedWaveform
from datamodules.shards.verify import MAX_DESCRIPTION_BYTES
from datamodules.tasks import UNLABELLED, LabelSet

MAX_WAITING_CLIPS = 4 * STREAM_WINDOW_CLIPS
"""Most clips that wait until they are read; beyond, those of the least recently used shard are dropped."""

_MAX_INDEX_BYTES = 1 << 28
_MAX_BYTES_PER_SAMPLE = 4  # 16-bit FLAC with the headers of its frames, at worst
_MIN_MEMBER_BYTES = 1 << 16
_REMOTE = re.compile(r"pipe:|[a-z][a-z0-9+.-]+://")
_PATH_FIELD = "{path}"

Member = tuple[str, bytes, bytes]  # key, FLAC data, JSON description


def is_remote(location: str | Path) -> bool:
    """Whether a location is a URL or a pipe rather than a folder."""
    return isinstance(location, str) and _REMOTE.match(location) is not None


class StreamedClips:
    """A streamed shard set, as a `ClipSource`.

    Clips may be read in any order, but only an order close to that of the shards is fast: to read a clip that was
    dropped, its shard is streamed from the start again. The object may be pickled; each process has its own streams.

    Args:
        location: URL or pipe, see the module's description.
        split: "train", "val" or "test".

    Raises:
        ShardError: The index cannot be fetched, or is damaged.
    """

    def __init__(self, location: str, split: str) -> None:
        if location.startswith("pipe:") and _PATH_FIELD not in location:
            raise ShardError(f"{location}: the command must contain {_PATH_FIELD}, for the path of the file")
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
        """Location of the clips, for messages."""
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

    def read(self, i: int, *, whole: bool = True) -> Clip:
        """Read clip `i`, streaming up to it.

        Args:
            i: Index of the clip, 0 to `len(self) - 1`.
            whole: Decode all of it; otherwise, its waveform is an `UndecodedWaveform`.

        Raises:
            IndexError: There is no clip `i`.
            ShardError: Its shard cannot be fetched, or has unexpected content.
        """
        if not 0 <= i < len(self):
            raise IndexError(f"{self._location} has {len(self)} clips in {self._split!r}, there is no clip {i}")
        shard = int(np.searchsorted(self._ends, i, side="right"))
        url = self._url(self.index.shards[shard].file)
        place = i - int(self._ends[shard]) + self.index.shards[shard].num_clips
        stream = self._streams.get(shard)
        if stream is None or not stream.can_give(place):
            max_bytes = _MAX_BYTES_PER_SAMPLE * max_clip_samples(self.sample_rate_hz)
            stream = self._streams[shard] = _ShardStream(url, self.index.shards[shard].num_clips, max_bytes)
        self._streams.move_to_end(shard)
        member = stream.take(place)
        self._forget()
        clip = self._clip(url, *member)
        return clip._replace(waveform=np.asarray(clip.waveform)) if whole else clip

    def __getstate__(self) -> dict[str, Any]:
        """Everything except the open streams, which belong to a process."""
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
            except (OSError, ValueError) as error:  # the command failed, or webdataset does not know the scheme
                raise ShardError(f"{url}: the index of the shard set could not be fetched ({error})") from error
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
        num_samples = self._num_samples(url, key, flac)
        if not (0 <= midpoint < num_samples and np.isfinite(gain) and gain > 0):
            raise ShardError(f"{url}, clip {key!r}: its midpoint {midpoint} or its gain {gain} is impossible")

        def decode(first: int, wanted: int) -> np.ndarray:
            samples = _decoded(url, key, flac, first, wanted)
            return samples / np.float32(gain) if gain != 1.0 else samples

        return Clip(key, UndecodedWaveform(num_samples, decode), midpoint, labels)

    def _numbers(self, name: str, labels: list[str]) -> int | tuple[int, ...]:
        numbers = sorted(self._class_of[name][label] for label in labels) or [UNLABELLED]
        return numbers[0] if self.label_sets[name].kind == "one_label" else tuple(numbers)

    def _num_samples(self, url: str, key: str, flac: bytes) -> int:
        """Check what a sound claims to be: a few bytes can claim to be hours of silence."""
        with _sound_file(url, key, flac) as file:
            found, num_samples = (file.format, file.channels, file.samplerate), file.frames
        most = max_clip_samples(self.sample_rate_hz)
        if found != ("FLAC", 1, self.sample_rate_hz) or not 0 < num_samples <= most:
            raise ShardError(
                f"{url}, clip {key!r}: expected FLAC of one channel at {self.sample_rate_hz} Hz, at most "
                f"{most} samples, got {found} and {num_samples} samples"
            )
        return int(num_samples)


@contextmanager
def _sound_file(url: str, key: str, flac: bytes) -> Iterator[soundfile.SoundFile]:
    try:
        with soundfile.SoundFile(io.BytesIO(flac)) as file:
            yield file
    except soundfile.SoundFileError as error:
        raise ShardError(f"{url}, clip {key!r}: its sound cannot be decoded ({error})") from error


def _decoded(url: str, key: str, flac: bytes, first: int, num_samples: int) -> np.ndarray:
    """Decode a stretch of a sound."""
    with _sound_file(url, key, flac) as file:
        if first:
            file.seek(first)
        samples: np.ndarray = file.read(num_samples, dtype="float32")
    if len(samples) != num_samples:
        raise ShardError(f"{url}, clip {key!r}: its sound ends after {first + len(samples)} samples")
    return samples


class _ShardStream:
    """A tar file that is being streamed; members wait here until they are read."""

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
    """Open a stream with webdataset; if it is closed early, the complaint of its command is no error."""
    import webdataset

    stream = webdataset.gopen(url)
    try:
        yield stream
    finally:
        with suppress(OSError):
            stream.close()


def _members(url: str, max_bytes: int) -> Generator[Member, None, None]:
    """Yield the clips of a tar file as they arrive."""
    try:
        with _opened(url) as stream, tarfile.open(fileobj=stream, mode="r|") as archive:
            yield from _pairs(url, archive, max_bytes)
    except (tarfile.TarError, OSError, EOFError, ValueError) as error:
        if isinstance(error, ShardError):
            raise
        raise ShardError(f"{url}: cannot be streamed, or is not a tar file ({error})") from error


def _pairs(url: str, archive: tarfile.TarFile, max_bytes: int) -> Iterator[Member]:
    """Yield pairs of `KEY.flac` and `KEY.json`, in either order; anything else is refused."""
    held: dict[str, bytes] = {}
    held_key = ""
    for member in archive:
        archive.members = []  # type: ignore[attr-defined]  # tarfile keeps a list of all members that it has read
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
                f"{url}, member {member.name!r} of {member.size} bytes: expected KEY.flac and KEY.json next to each "
                "other"
            )
        held[extension], held_key = stream.read(), key
        if len(held) == 2:
            yield key, held["flac"], held["json"]
            held = {}
