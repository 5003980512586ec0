"""The record that a job leaves next to its tar file, so that a build can resume after a crash or be merged."""

import json
from dataclasses import asdict, astuple, dataclass, fields
from pathlib import Path
from typing import Any

from datamodules.building.clip_quality import ClipQuality
from datamodules.files import file_sha256, write_text
from datamodules.shards.index import ShardFile
from datamodules.shards.writer import ClipRecord, ShardRecord


@dataclass(frozen=True)
class Problem:
    """A row of the manifest that could not become a clip.

    Args:
        split: Split of the row.
        row: Number of the row, counted from 1.
        key: Key of the clip.
        path: The sound file, as in the manifest.
        kind: The reason in a word or two, to count by.
        reason: What is wrong.
    """

    split: str
    row: int
    key: str
    path: str
    kind: str
    reason: str

    def __str__(self) -> str:
        return f"row {self.row}: {self.reason}"


@dataclass(frozen=True)
class JobOutcome:
    """Result of processing one job's rows.

    Args:
        record: The tar file written, or None if no row was usable.
        qualities: Quality measurements of each clip.
        sources: Sound file of each clip.
        problems: Rows that were skipped.
    """

    record: ShardRecord | None
    qualities: tuple[ClipQuality, ...]
    sources: tuple[str, ...]
    problems: tuple[Problem, ...]

    @property
    def clips(self) -> tuple[ClipRecord, ...]:
        """The clips in the tar file."""
        return () if self.record is None else self.record.clips


def write_outcome(path: Path, outcome: JobOutcome) -> None:
    """Write an outcome as JSON, whole or not at all."""
    content = {
        "file": None if outcome.record is None else asdict(outcome.record.file),
        "clips": [[*astuple(clip)[:-1], dict(clip.labels)] for clip in outcome.clips],
        "qualities": outcome.qualities,
        "sources": outcome.sources,
        "problems": [astuple(problem) for problem in outcome.problems],
    }
    write_text(path, json.dumps(content, ensure_ascii=False))


def read_outcome(path: Path, shard: Path, *, verify: bool = False) -> JobOutcome | None:
    """Read the outcome of a job, if it is done.

    Args:
        path: The JSON file.
        shard: Its tar file.
        verify: Compare the checksum of the tar file in addition to its size.

    Returns:
        The outcome; None if it is missing or damaged, or if the tar file is not the one that was written.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        file = None if content["file"] is None else ShardFile(**content["file"])
        clips = tuple(_clip(values) for values in content["clips"])
        outcome = JobOutcome(
            record=None if file is None else ShardRecord(file, clips),
            qualities=tuple(ClipQuality(*values) for values in content["qualities"]),
            sources=tuple(content["sources"]),
            problems=tuple(Problem(*values) for values in content["problems"]),
        )
    except (OSError, ValueError, KeyError, TypeError):  # a crash of the machine can leave files without content
        return None
    if file is None:
        return outcome
    if not shard.is_file() or shard.stat().st_size != file.num_bytes:
        return None
    return None if verify and file_sha256(shard) != file.sha256 else outcome


def _clip(values: list[Any]) -> ClipRecord:
    named = dict(zip((field.name for field in fields(ClipRecord)), values, strict=True))
    named["labels"] = {name: tuple(labels) for name, labels in named["labels"].items()}
    return ClipRecord(**named)
