"""Rows of different trainings in one folder: kept apart, so that no trajectory is made of two, and none is lost.

A training has an ID, which its checkpoints hold. A file next to the table says whose rows the table has. Rows of
another training are moved to a table of their own, `scores.ID.csv`, and come back when that training resumes.
"""

import uuid
from collections.abc import Sequence
from pathlib import Path

from datamodules.files import write_json
from datamodules.text_files import TextFileError, read_json
from evaluate.scoring import table as t

OWNERS_FILE = "scores_training.json"
"""File next to the table: the ID of the training that made the rows of each run."""
UNKNOWN = "earlier"
"""In place of the ID of a training that left none."""


def new_training() -> str:
    """Make an ID: eight characters, of no random stream that training uses."""
    return uuid.uuid4().hex[:8]


def claim_rows(path: Path, runs: Sequence[str], training: str, *, is_resumed: bool) -> list[str]:
    """Make a table that of one training: move rows of another one out, and its own back in.

    Each step leaves the rows in at least one of the tables, so that a training that is killed here loses none.

    Args:
        path: The table.
        runs: Names of the training's runs: its own, and that of the averages of its weights.
        training: ID of the training.
        is_resumed: Whether it resumes. If so, rows of unknown origin are taken for its own, as those of a training
            that earlier versions began.

    Returns:
        What was moved, one line each.

    Raises:
        TableError: A file is not a score table.
        OSError: A file cannot be written.
    """
    owners = _owners(path.with_name(OWNERS_FILE))
    owner = owners.get(runs[0], UNKNOWN)
    said = []
    if owner != training and not (is_resumed and owner == UNKNOWN):
        aside = _aside(path, owner)
        if rows := _move(path, aside, runs):
            said.append(
                f"{path} had {rows} rows of another training: they are in {aside} now, and come back if that training "
                "resumes from its checkpoint"
            )
    if owners.get(runs[0]) != training:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path.with_name(OWNERS_FILE), owners | dict.fromkeys(runs, training))
    own = _aside(path, training)
    if own.exists() and (rows := _move(own, path, runs)):
        said.append(f"{path} has {rows} rows of this training again, from {own}")
    return said


def _aside(path: Path, training: str) -> Path:
    return path.with_name(f"{path.stem}.{training}{path.suffix}")


def _move(source: Path, target: Path, runs: Sequence[str]) -> int:
    """Move the rows of runs from one table to another, also those of scored checkpoints; return their number."""
    if not source.exists():
        return 0
    table = t.read_table(source)
    is_moved = table[t.RUN].isin(runs)
    if not is_moved.any():
        return 0
    t.append_rows(target, table[is_moved])
    if is_moved.all():
        source.unlink()
    else:
        t.drop_rows(source, lambda rows: rows[t.RUN].isin(runs))
    return int(is_moved.sum())


def _owners(path: Path) -> dict[str, str]:
    try:
        found = read_json(path) if path.is_file() else {}
    except TextFileError:  # damaged: whose rows the table has is not known
        return {}
    return found if isinstance(found, dict) else {}
