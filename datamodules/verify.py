"""The full check of a shard set: every byte, every member, every clip."""

import json
import tarfile
from collections.abc import Iterator
from typing import Any

from datamodules.shard_index import ShardError, file_sha256
from datamodules.shards import ShardSet


def damages(shard_set: ShardSet) -> Iterator[str]:
    """Compare a shard set with its index.

    Args:
        shard_set: the set, opened.

    Yields:
        One message per damage found, naming the shard and, where there is one, the clip.
    """
    clips: dict[str, list[int]] = {shard.file: [] for shard in shard_set.index.shards}
    for i in range(len(shard_set)):
        clips[shard_set.shard_name(i)].append(i)
    for shard in shard_set.index.shards:
        path = shard_set.folder / shard.file
        if file_sha256(path) != shard.sha256:
            yield f"{path}: does not match its checksum"
        if len(clips[shard.file]) != shard.num_clips:
            yield f"{path}: the table of clips has {len(clips[shard.file])} clips, the index {shard.num_clips}"
        yield from _damaged_members(shard_set, shard.file, clips[shard.file])
        for i in clips[shard.file]:
            try:
                shard_set.read(i)
            except ShardError as error:
                yield str(error)


def _damaged_members(shard_set: ShardSet, file: str, clips: list[int]) -> Iterator[str]:
    """Members that are missing, double, unknown or no files, and descriptions that differ from the index."""
    path = shard_set.folder / file
    missing = {f"{shard_set.key(i)}.{extension}": (i, extension) for i in clips for extension in ("flac", "json")}
    try:
        with tarfile.open(path, "r:") as archive:
            for member in archive:
                if not member.isfile() or member.name not in missing:
                    yield f"{path}, member {member.name!r}: not in the index, there twice, or no plain file"
                    continue
                i, extension = missing.pop(member.name)
                if extension == "json":
                    stream = archive.extractfile(member)
                    yield from _damaged_description(shard_set, i, stream.read() if stream else b"")
    except (tarfile.TarError, OSError) as error:
        yield f"{path}: broken as a tar file ({error})"
    for name in missing:
        yield f"{path}, member {name!r}: missing"


def _damaged_description(shard_set: ShardSet, i: int, content: bytes) -> Iterator[str]:
    where = f"{shard_set.folder / shard_set.shard_name(i)}, clip {shard_set.key(i)!r}"
    try:
        described = json.loads(content)["labels"]
    except (ValueError, KeyError, TypeError) as error:
        yield f"{where}: its description is broken ({type(error).__name__}: {error})"
        return
    indexed = {name: _names(shard_set, name, numbers) for name, numbers in shard_set.labels(i).items()}
    found: Any = {name: sorted(labels) for name, labels in described.items()}
    if found != indexed:
        yield f"{where}: described as {found}, indexed as {indexed}"


def _names(shard_set: ShardSet, name: str, numbers: int | tuple[int, ...]) -> list[str]:
    labels = shard_set.label_sets[name].labels
    return sorted(labels[number] for number in ((numbers,) if isinstance(numbers, int) else numbers))
