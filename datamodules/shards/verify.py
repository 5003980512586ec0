"""Full verification of a shard set: every byte, every member, every clip."""

import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from datamodules.files import file_sha256
from datamodules.progress import Progress
from datamodules.shards.index import ShardError
from datamodules.shards.reader import ShardSet, damaged_files
from datamodules.tasks import UNLABELLED

MAX_DESCRIPTION_BYTES = 1 << 20
"""A clip's JSON member has a few hundred bytes; a larger one is not read."""


def damages(folder: str | Path, *, progress: Progress | None = None) -> Iterator[str]:
    """Compare a shard set with its index: checksums, members, sounds, labels.

    Nothing is extracted, executed or unpickled, whatever is in the tar files.

    Args:
        folder: The shard set's folder.
        progress: Display of how many clips are checked.

    Yields:
        One message per damage, naming the shard and, if possible, the clip or member.
    """
    try:
        shard_set = ShardSet(folder, check_files=False)
    except ShardError as error:
        yield str(error)
        return
    yield from damaged_files(shard_set.folder, shard_set.index)
    yield from _damaged_counts(shard_set)
    clips: dict[str, list[int]] = {shard.file: [] for shard in shard_set.index.shards}
    for i in range(len(shard_set)):
        clips[shard_set.shard_name(i)].append(i)
    num_done = 0
    for shard in shard_set.index.shards:
        path = shard_set.folder / shard.file
        if not path.is_file():
            continue
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
            num_done += 1
            if progress:
                progress.report(f"checking {folder}", num_done, len(shard_set), unit="clips")


def disagreements(folders: list[Path]) -> Iterator[str]:
    """Compare shard sets that are used together, such as the splits of one build.

    Args:
        folders: Their folders; those that cannot be opened are skipped.

    Yields:
        A message for each whose label sets or sample rate differ from those of the first.
    """
    opened = []
    for folder in folders:
        try:
            opened.append(ShardSet(folder, check_files=False))
        except ShardError:
            continue
    for shard_set in opened[1:]:
        first = opened[0]
        if shard_set.label_sets != first.label_sets:
            names = sorted(set(shard_set.label_sets) | set(first.label_sets))
            differing = [n for n in names if shard_set.label_sets.get(n) != first.label_sets.get(n)]
            yield f"{shard_set.folder}: its label sets {differing} disagree with those of {first.folder}"
        if shard_set.sample_rate_hz != first.sample_rate_hz:
            yield (f"{shard_set.folder}: has {shard_set.sample_rate_hz} Hz, {first.folder} {first.sample_rate_hz} Hz")


def _damaged_counts(shard_set: ShardSet) -> Iterator[str]:
    for name, label_set in shard_set.label_sets.items():
        numbers = [shard_set.labels(i)[name] for i in range(len(shard_set))]
        flat = [n for number in numbers for n in _labelled(number)]
        counts = tuple(np.bincount(np.array(flat, dtype=np.int64), minlength=len(label_set.labels)).tolist())
        if counts != tuple(shard_set.index.num_clips_per_class[name]):
            yield f"{shard_set.folder}: the clips per class of {name!r} in the index are not those of the table"


def _damaged_members(shard_set: ShardSet, file: str, clips: list[int]) -> Iterator[str]:
    """Find members that are missing, duplicated, unknown or not files, and descriptions that differ from the index."""
    path = shard_set.folder / file
    missing = {f"{shard_set.key(i)}.{extension}": (i, extension) for i in clips for extension in ("flac", "json")}
    try:
        with tarfile.open(path, "r:") as archive:
            for member in archive:
                where = f"{path}, member {member.name!r}"
                if member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE):
                    yield f"{where}: expected a plain file, got a link, folder or device"
                elif member.name not in missing:
                    yield f"{where}: not in the index, or duplicated"
                else:
                    i, extension = missing.pop(member.name)
                    if extension == "json":
                        yield from _damaged_description(shard_set, i, _content(archive, member))
    except (tarfile.TarError, OSError, ValueError) as error:
        yield f"{path}: broken as a tar file ({error})"
    for name in missing:
        yield f"{path}, member {name!r}: missing"


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    stream = archive.extractfile(member) if member.size <= MAX_DESCRIPTION_BYTES else None
    return b"" if stream is None else stream.read()


def _damaged_description(shard_set: ShardSet, i: int, content: bytes) -> Iterator[str]:
    where = f"{shard_set.folder / shard_set.shard_name(i)}, clip {shard_set.key(i)!r}"
    try:
        described = json.loads(content)["labels"]
        found: Any = {name: sorted(labels) for name, labels in described.items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        yield f"{where}: its description is broken or too large ({type(error).__name__}: {error})"
        return
    indexed = {name: _names(shard_set, name, numbers) for name, numbers in shard_set.labels(i).items()}
    if found != indexed:
        yield f"{where}: described as {found}, indexed as {indexed}"


def _names(shard_set: ShardSet, name: str, numbers: int | tuple[int, ...]) -> list[str]:
    labels = shard_set.label_sets[name].labels
    return sorted(labels[number] for number in _labelled(numbers))


def _labelled(numbers: int | tuple[int, ...]) -> tuple[int, ...]:
    found = (numbers,) if isinstance(numbers, int) else numbers
    return tuple(number for number in found if number != UNLABELLED)
