"""What one job of a build leaves beside its tar file, so that a build can go on after a crash or be put together."""

import json
from dataclasses import asdict, astuple, dataclass, fields
from pathlib import Path
from typing import Any

from datamodules.building.clip_quality import ClipQuality
from datamodules.files import write_text
from datamodules.shards.index import ShardFile, file_sha256
from datamodules.shards.writer import ClipRecord, ShardRecord


@dataclass(frozen=True)
class Problem:
    """A row of the manifest that could not become a clip.

    Args:
        split: the split it belongs to.
        row: its number, the first being 1.
        key: the clip's key.
        path: the sound file, as the manifest gives it.
        kind: the reason in a word or two, to count by.
        reason: what is wrong.
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
    """What a job has made of its rows.

    Args:
        record: the tar file; None when none of the rows could be used.
        qualities: notes on the sound of each clip in the tar file.
        sources: where each of them came from.
        problems: rows that were left out.
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
    """Write an outcome, all at once.

    Args:
        path: the JSON file to make or to replace.
        outcome: what to write.
    """
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
        path: the JSON file.
        shard: the tar file that belongs to it.
        verify: compare the tar file's checksum rather than its size alone.

    Returns:
        The outcome; None when it is missing or damaged, or the tar file is not the one that was written.
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
