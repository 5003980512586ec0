"""The index of a shard set: the files of its folder, and place and labels of each clip.

A shard set is a folder with

- `shard-000000.tar`, ...: plain tar files in webdataset's layout, `KEY.flac` and `KEY.json` per clip;
- `clips.parquet`: one row per clip, in the order of the shards: `key`, `shard` (position in the index's list), `offset`
  and `num_bytes` of the FLAC data in the tar file, `num_samples`, `midpoint` (sample), `gain`, and for each label set a
  column `label_NAME` of class numbers (a list of them if clips have many labels), -1 for unlabelled clips;
- `index.json`: version, sample rate, label sets with the number of clips per class, and size and checksum of each of
  the files above.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from datamodules.expansion import ExpansionError, check_parquet
from datamodules.files import file_sha256, write_text
from datamodules.tasks import LabelSet, TaskError
from datamodules.text_files import TextFileError, read_json
from networks.commands.program import program
from networks.files.lfs_pointers import IS_POINTER, is_pointer_file

if TYPE_CHECKING:
    import pyarrow

FORMAT_NAME = "auditory-shards"
FORMAT_VERSION = 1
INDEX_FILE = "index.json"
CLIPS_FILE = "clips.parquet"
LABEL_COLUMN_PREFIX = "label_"

MAX_CLIP_DURATION_S = 3600
"""Longer clips are refused, as a clip is decoded as a whole and a table may claim anything."""

KEY_PATTERN = r"^[A-Za-z0-9_-]{1,95}$"
"""Form of keys: they cannot be paths, and fit a tar header together with their ending."""

TAR_BLOCK_BYTES = 512

MAX_CLIPS = 10**8
MAX_SAMPLE_RATE_HZ = 768_000
"""More than any shard set has: an order of clips is made of their number, buffers of the rate."""
MAX_CLIP_SAMPLES = 2**29
"""Longest clip in samples, 2 GiB when it is decoded, if its rate allows more than `MAX_CLIP_DURATION_S`."""

_SHARD_FILE = re.compile(r"shard-\d{6,}\.tar")


class ShardError(ValueError):
    """A shard set that is missing, damaged, or in an unsupported format; the message names shard and clip."""


@dataclass(frozen=True)
class ShardFile:
    """One tar file of a shard set.

    Args:
        file: Its name in the folder.
        num_clips: Number of clips in it.
        num_bytes: Its size in bytes.
        sha256: Its SHA-256 in hexadecimal.
    """

    file: str
    num_clips: int
    num_bytes: int
    sha256: str


@dataclass(frozen=True)
class ShardIndex:
    """Content of `index.json`.

    Args:
        sample_rate_hz: Sample rate of all clips in Hz.
        num_clips: Number of clips in all shards.
        duration_s: Their total duration in seconds.
        label_sets: Classes by the name of the label column.
        num_clips_per_class: For each label set, the number of clips of each class.
        shards: The tar files.
        clips_sha256: SHA-256 of `clips.parquet`.
    """

    sample_rate_hz: int
    num_clips: int
    duration_s: float
    label_sets: Mapping[str, LabelSet]
    num_clips_per_class: Mapping[str, tuple[int, ...]]
    shards: tuple[ShardFile, ...]
    clips_sha256: str


def max_clip_samples(sample_rate_hz: int) -> int:
    """Most samples that a clip of a shard set may have."""
    return min(MAX_CLIP_DURATION_S * sample_rate_hz, MAX_CLIP_SAMPLES)


def shard_file_name(number: int) -> str:
    """Name of a tar file by its number, such as `shard-000012.tar`."""
    return f"shard-{number:06d}.tar"


def is_shard_file(name: str) -> bool:
    """Whether a name is that of a tar file of a shard set."""
    return _SHARD_FILE.fullmatch(name) is not None


def write_index_file(folder: Path, index: ShardIndex) -> None:
    """Write `index.json`.

    Args:
        folder: The shard set's folder, which nobody reads yet.
        index: What to write.
    """
    label_sets = {
        name: {
            "kind": label_set.kind,
            "null_label": label_set.null_label,
            "labels": list(label_set.labels),
            "num_clips": list(index.num_clips_per_class[name]),
        }
        for name, label_set in index.label_sets.items()
    }
    content = {
        "format": FORMAT_NAME,
        "version": FORMAT_VERSION,
        "sample_rate_hz": index.sample_rate_hz,
        "num_clips": index.num_clips,
        "duration_s": index.duration_s,
        "label_sets": label_sets,
        "shards": [asdict(shard) for shard in index.shards],
        "clips": {"file": CLIPS_FILE, "sha256": index.clips_sha256},
    }
    write_text(folder / INDEX_FILE, json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def read_index_file(folder: Path) -> ShardIndex:
    """Read and check `index.json`.

    Args:
        folder: The shard set's folder.

    Returns:
        Its content.

    Raises:
        ShardError: It is missing or broken, or has an unsupported format or version.
    """
    path = folder / INDEX_FILE
    try:
        content = read_json(path)
    except FileNotFoundError as error:
        others = sorted(path.parent.name for path in folder.parent.glob(f"*/{INDEX_FILE}"))
        there = f"; in {folder.parent} there are {', '.join(others)}" if others else ""
        raise ShardError(
            f"{folder}: no shard set here ({INDEX_FILE} is missing{there}); make one with "
            f"`{program('datamodules', 'build')}`"
        ) from error
    except (OSError, TextFileError) as error:
        raise ShardError(f"{path} cannot be read ({error})") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT_NAME:
        raise ShardError(f"{path}: not the index of a shard set (its format is not {FORMAT_NAME!r})")
    if content.get("version") != FORMAT_VERSION:
        raise ShardError(
            f"{path}: has version {content.get('version')!r}, this program reads {FORMAT_VERSION}: "
            "build the shards again"
        )
    try:
        index = _parsed(content)
    except (KeyError, TypeError, AttributeError, ValueError, TaskError) as error:
        raise ShardError(f"{path}: damaged ({type(error).__name__}: {error})") from error
    for shard in index.shards:
        if not is_shard_file(shard.file):
            raise ShardError(f"{path}: {shard.file!r} is not the name of a shard")
        if shard.num_clips * TAR_BLOCK_BYTES > shard.num_bytes:
            raise ShardError(
                f"{path}: {shard.file} has {shard.num_bytes} bytes, too few for the {shard.num_clips} clips that the "
                "index claims"
            )
    if index.num_clips > MAX_CLIPS or index.sample_rate_hz > MAX_SAMPLE_RATE_HZ:
        raise ShardError(
            f"{path}: claims {index.num_clips} clips at {index.sample_rate_hz} Hz, more than {MAX_CLIPS} or "
            f"{MAX_SAMPLE_RATE_HZ} Hz"
        )
    if len({shard.file for shard in index.shards}) < len(index.shards):
        raise ShardError(f"{path}: lists a shard twice")
    return index


def read_clips_file(folder: Path, index: ShardIndex) -> pyarrow.Table:
    """Read and check `clips.parquet`.

    Args:
        folder: The shard set's folder.
        index: Content of its `index.json`.

    Returns:
        The table, one row per clip.

    Raises:
        ShardError: It is missing, or does not match the index.
    """
    import pyarrow.parquet

    path = folder / CLIPS_FILE
    if not path.is_file():
        raise ShardError(f"{path}: missing")
    if is_pointer_file(path):
        raise ShardError(f"{path}: {IS_POINTER}")
    if file_sha256(path) != index.clips_sha256:
        raise ShardError(
            f"{path}: does not match the checksum in {INDEX_FILE}: restore the file or rebuild the shard set"
        )
    try:
        check_parquet(path)
        with pyarrow.OSFile(str(path)) as file:  # given a path, its threads may close the file after this returns
            table = pyarrow.parquet.read_table(file)
    except (pyarrow.ArrowException, ExpansionError, OSError) as error:
        raise ShardError(f"{path} cannot be read ({error})") from error
    _check_columns(path, table, index)
    num_indexed = sum(shard.num_clips for shard in index.shards)
    if not table.num_rows == index.num_clips == num_indexed:
        raise ShardError(
            f"{folder}: {CLIPS_FILE} has {table.num_rows} clips, {INDEX_FILE} {index.num_clips} in all and "
            f"{num_indexed} in its shards"
        )
    _check_places(path, table, index)
    return table


def clips_schema(label_sets: Mapping[str, LabelSet]) -> pyarrow.Schema:
    """Columns of `clips.parquet` with their types, for some label sets."""
    import pyarrow

    columns = {
        "key": pyarrow.string(),
        "shard": pyarrow.int32(),
        "offset": pyarrow.int64(),
        "num_bytes": pyarrow.int32(),
        "num_samples": pyarrow.int32(),
        "midpoint": pyarrow.int32(),
        "gain": pyarrow.float64(),
    }
    for name, label_set in label_sets.items():
        number = pyarrow.int32()
        columns[LABEL_COLUMN_PREFIX + name] = number if label_set.kind == "one_label" else pyarrow.list_(number)
    return pyarrow.schema(list(columns.items()))


def _check_columns(path: Path, table: pyarrow.Table, index: ShardIndex) -> None:
    for column in clips_schema(index.label_sets):
        if column.name not in table.column_names:
            raise ShardError(f"{path}: column {column.name!r} is missing")
        found = table[column.name]
        if found.type != column.type or found.null_count:
            raise ShardError(
                f"{path}: column {column.name!r} must be {column.type} without gaps, got {found.type} with "
                f"{found.null_count} gaps"
            )


def _check_places(path: Path, table: pyarrow.Table, index: ShardIndex) -> None:
    """Refuse clips whose place or length in the table is impossible; names the first of them."""
    import pyarrow.compute

    shard, offset, num_bytes, num_samples, midpoint, gain = (
        table[name].to_numpy() for name in ("shard", "offset", "num_bytes", "num_samples", "midpoint", "gain")
    )
    sizes = np.array([file.num_bytes for file in index.shards], dtype=np.int64)
    is_listed = (shard >= 0) & (shard < len(sizes))
    ends = np.where(is_listed, sizes[np.where(is_listed, shard, 0)], 0) if len(sizes) else np.zeros(len(shard))
    is_sound = is_listed & (offset >= TAR_BLOCK_BYTES) & (num_bytes > 0) & (offset + num_bytes <= ends)
    is_sound &= (num_samples > 0) & (num_samples <= max_clip_samples(index.sample_rate_hz))
    is_sound &= (midpoint >= 0) & (midpoint < num_samples) & np.isfinite(gain) & (gain > 0)
    is_sound &= pyarrow.compute.match_substring_regex(table["key"], KEY_PATTERN).to_numpy()
    if not is_sound.all():
        wrong = table.slice(int(np.argmin(is_sound)), 1).to_pylist()[0]
        raise ShardError(f"{path}: clip {wrong['key']!r} is impossible as described in the table: {wrong}")


def _parsed(content: dict[str, Any]) -> ShardIndex:
    label_sets = content["label_sets"]
    return ShardIndex(
        sample_rate_hz=_whole(content["sample_rate_hz"]),
        num_clips=_whole(content["num_clips"]),
        duration_s=float(content["duration_s"]),
        label_sets={
            name: LabelSet(value["kind"], tuple(map(_text, value["labels"])), value["null_label"])
            for name, value in label_sets.items()
        },
        num_clips_per_class={name: tuple(map(_whole, value["num_clips"])) for name, value in label_sets.items()},
        shards=tuple(
            ShardFile(
                _text(shard["file"]), _whole(shard["num_clips"]), _whole(shard["num_bytes"]), _text(shard["sha256"])
            )
            for shard in content["shards"]
        ),
        clips_sha256=_text(content["clips"]["sha256"]),
    )


def _whole(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise ValueError(f"expected an integer of at least 0, got {value!r}")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"expected a string, got {value!r}")
    return value
