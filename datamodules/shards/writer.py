"""Writing shard sets: tar files in webdataset's layout, and their index."""

import io
import json
import tarfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from datamodules.building.clip_quality import FULL_SCALE
from datamodules.files import file_sha256, replacing
from datamodules.shards.index import (
    CLIPS_FILE,
    LABEL_COLUMN_PREFIX,
    ShardFile,
    ShardIndex,
    clips_schema,
    write_index_file,
)
from datamodules.tasks import UNLABELLED, LabelSet

_CLIP_NUMBERS = ("offset", "num_bytes", "num_samples", "midpoint", "gain")

_OWNER = "shards"  # any fixed name: tar files hold one, and equal input must give equal bytes


@dataclass(frozen=True)
class NewClip:
    """A clip to write.

    Args:
        key: Unique name, without dots.
        waveform: (T,) float.
        midpoint: Sample that windows are centred on, 0 to T - 1.
        labels: For each label set, the clip's labels (one in a one-label set); empty if it is unlabelled.
        source: Where it comes from, for readers of the tar file.
    """

    key: str
    waveform: np.ndarray
    midpoint: int
    labels: Mapping[str, tuple[str, ...]]
    source: str = ""


@dataclass(frozen=True)
class ClipRecord:
    """A clip that was written: its row in the table of clips.

    Args:
        key: Unique name.
        offset: Offset of the FLAC data in the tar file, in bytes.
        num_bytes: Length of the FLAC data, in bytes.
        num_samples: Number of samples of the clip.
        midpoint: Sample that windows are centred on.
        gain: Factor by which the clip was scaled to fit 16 bits.
        labels: For each label set, the clip's labels.
    """

    key: str
    offset: int
    num_bytes: int
    num_samples: int
    midpoint: int
    gain: float
    labels: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class ShardRecord:
    """A tar file that was written, with its clips in order."""

    file: ShardFile
    clips: tuple[ClipRecord, ...]


def encode_flac(waveform: np.ndarray, sample_rate_hz: int) -> tuple[bytes, float]:
    """Encode a sound as 16-bit FLAC.

    FLAC holds integers and would clip larger values: a sound that is too loud is scaled down to the largest integer.

    Args:
        waveform: (T,) float; 1.0 is full scale.
        sample_rate_hz: Its sample rate in Hz.

    Returns:
        The bytes, and the gain: decoded samples divided by it equal the waveform to within half a step.
    """
    samples = np.asarray(waveform, dtype=np.float64) * FULL_SCALE
    peak = float(np.abs(samples).max(initial=0.0))
    gain = (FULL_SCALE - 1) / peak if peak > FULL_SCALE - 1 else 1.0
    integers = np.rint(samples * gain).astype(np.int16)
    buffer = io.BytesIO()
    soundfile.write(buffer, integers, sample_rate_hz, format="FLAC", subtype="PCM_16")
    return buffer.getvalue(), gain


def write_shard(path: Path, clips: Iterable[NewClip], *, sample_rate_hz: int) -> ShardRecord:
    """Write one tar file, whole or not at all; the same clips always give the same bytes.

    Args:
        path: File to make or to replace.
        clips: The clips, in order.
        sample_rate_hz: Their sample rate in Hz.

    Returns:
        What the index needs to know.
    """
    import webdataset

    written = []
    with replacing(path) as temporary:
        with (
            temporary.open("xb") as file,
            webdataset.TarWriter(file, encoder=False, mtime=0, user=_OWNER, group=_OWNER) as writer,
        ):
            for clip in clips:
                flac, gain = encode_flac(clip.waveform, sample_rate_hz)
                writer.write({"__key__": clip.key, "flac": flac, "json": _description(clip, sample_rate_hz, gain)})
                written.append((clip.key, len(clip.waveform), clip.midpoint, gain, clip.labels))
        with tarfile.open(temporary, "r:") as archive:
            places = {member.name: (member.offset_data, member.size) for member in archive}
    records = tuple(
        ClipRecord(key, *places[f"{key}.flac"], num_samples, midpoint, gain, labels)
        for key, num_samples, midpoint, gain, labels in written
    )
    return ShardRecord(ShardFile(path.name, len(records), path.stat().st_size, file_sha256(path)), clips=records)


def write_index(
    folder: Path, shards: Sequence[ShardRecord], *, label_sets: Mapping[str, LabelSet], sample_rate_hz: int
) -> ShardIndex:
    """Write `clips.parquet` and `index.json` for the tar files of a folder.

    Args:
        folder: The folder, which nobody reads yet.
        shards: Its tar files, in order.
        label_sets: The classes that each label column may take.
        sample_rate_hz: Sample rate of the clips in Hz.

    Returns:
        The index.
    """
    import pyarrow.parquet

    clips = [clip for shard in shards for clip in shard.clips]
    class_numbers = {name: _class_numbers(clips, name, label_set.labels) for name, label_set in label_sets.items()}
    columns: dict[str, list[Any]] = {
        "key": [clip.key for clip in clips],
        "shard": [place for place, shard in enumerate(shards) for _ in shard.clips],
        **{name: [getattr(clip, name) for clip in clips] for name in _CLIP_NUMBERS},
    }
    for name, label_set in label_sets.items():
        numbers = class_numbers[name]
        columns[LABEL_COLUMN_PREFIX + name] = [n[0] for n in numbers] if label_set.kind == "one_label" else numbers
    with replacing(folder / CLIPS_FILE) as temporary:
        pyarrow.parquet.write_table(pyarrow.table(columns, schema=clips_schema(label_sets)), temporary)
    index = ShardIndex(
        sample_rate_hz=sample_rate_hz,
        num_clips=len(clips),
        duration_s=sum(clip.num_samples for clip in clips) / sample_rate_hz,
        label_sets=label_sets,
        num_clips_per_class={
            name: _counts(class_numbers[name], len(label_set.labels)) for name, label_set in label_sets.items()
        },
        shards=tuple(shard.file for shard in shards),
        clips_sha256=file_sha256(folder / CLIPS_FILE),
    )
    write_index_file(folder, index)
    return index


def _description(clip: NewClip, sample_rate_hz: int, gain: float) -> bytes:
    """The JSON member: everything needed to stream the tar file without the index."""
    content = {
        "labels": {name: list(labels) for name, labels in clip.labels.items()},
        "midpoint_s": clip.midpoint / sample_rate_hz,
        "gain": gain,
        "source": clip.source,
    }
    return json.dumps(content, ensure_ascii=False, sort_keys=True).encode()


def _class_numbers(clips: Sequence[ClipRecord], name: str, labels: Sequence[str]) -> list[list[int]]:
    number = {label: place for place, label in enumerate(labels)}
    return [sorted(number[label] for label in clip.labels[name]) or [UNLABELLED] for clip in clips]


def _counts(class_numbers: list[list[int]], num_classes: int) -> tuple[int, ...]:
    flat = np.fromiter((number for numbers in class_numbers for number in numbers), dtype=np.int64)
    return tuple(np.bincount(flat[flat != UNLABELLED], minlength=num_classes).tolist())
