"""Results of steps of long work that are kept, so that work that was stopped resumes after the last of them."""

import hashlib
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from datamodules.corpora.packaged.cutting import CutFile
from datamodules.corpora.packaged.recording import Recording
from datamodules.files import write_json
from datamodules.text_files import TextFileError, read_json


def digest_of(value: object) -> str:
    """Digest of plain values."""
    return hashlib.sha256(repr(value).encode()).hexdigest()


def kept_recordings(folder: Path, name: str, key: object, make: Callable[[], list[Recording]]) -> list[Recording]:
    """Recordings as they were made before with the same key, or made now.

    Args:
        folder: Folder for the note of them.
        name: Name of the step.
        key: All that the result depends on.
        make: Function that makes them.
    """
    rows = _kept(folder, name, key, lambda: [{**asdict(each), "path": str(each.path)} for each in make()])
    return [Recording(**{**row, "path": Path(row["path"])}) for row in rows]


def kept_files(folder: Path, name: str, key: object, make: Callable[[], list[CutFile]]) -> list[CutFile]:
    """What is in files, as found before with the same key, or found now; see `kept_recordings`."""
    rows = _kept(folder, name, key, lambda: [list(each) for each in make()])
    return [
        CutFile(digest, path, tuple((start_s, end_s) for start_s, end_s in found), problem)
        for digest, path, found, problem in rows
    ]


def _kept(folder: Path, name: str, key: object, make: Callable[[], list[Any]]) -> list[Any]:
    note, digest = folder / f"{name}.json", digest_of(key)
    try:
        before = read_json(note)
        if before["key"] == digest:
            rows: list[Any] = before["rows"]
            return rows
    except (OSError, TextFileError, KeyError, TypeError):
        pass
    made = make()
    write_json(note, {"key": digest, "rows": made})
    return made
