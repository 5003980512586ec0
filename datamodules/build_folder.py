"""The folder that a build makes: complete or absent, with the request that made it and a report."""

import csv
import json
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Any

from datamodules.shards import ShardSet

REQUEST_FILE = "build.json"
REPORT_FILE = "report.csv"


class BuildError(ValueError):
    """A build that cannot be done; the message names the culprits, and nothing was left at the output."""


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
class BuildReport:
    """What a build has made.

    Args:
        folder: the output folder.
        is_new: False when the folder held the outcome of the same request already.
        shard_sets: the shard sets by split.
        problems: rows that were left out.
        labels_without_training: for each label set, the labels that other splits have but "train" never has;
            empty when there is no split "train".
    """

    folder: Path
    is_new: bool
    shard_sets: Mapping[str, ShardSet]
    problems: tuple[Problem, ...]
    labels_without_training: Mapping[str, tuple[str, ...]]


@contextmanager
def new_folder(out: Path) -> Iterator[Path]:
    """Make a folder all at once.

    Args:
        out: the folder; what is there already is replaced at the end.

    Yields:
        A folder beside it to write into, renamed to `out` at the end, and deleted after an error.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    mark = f"{os.getpid()}-{secrets.token_hex(4)}"
    partial = out.parent / f".{out.name}.building-{mark}"
    partial.mkdir()
    try:
        yield partial
        if out.exists():
            replaced = out.parent / f".{out.name}.replaced-{mark}"
            out.rename(replaced)
            partial.rename(out)
            shutil.rmtree(replaced)
        else:
            partial.rename(out)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def up_to_date(out: Path, request: Mapping[str, Any], *, overwrite: bool) -> bool:
    """Whether a folder holds the outcome of a request already.

    Args:
        out: the folder.
        request: what is asked for, of plain JSON values.
        overwrite: whether the outcome of another request may be replaced.

    Returns:
        True when nothing is to be done, False when `out` is free or may be replaced.

    Raises:
        BuildError: when it is in the way.
    """
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return False
    if not (out / REQUEST_FILE).is_file():
        raise BuildError(f"{out}: exists and was not made by a build: name another folder, or remove it")
    if overwrite:
        return False
    if json.loads((out / REQUEST_FILE).read_text(encoding="utf-8")) == json.loads(json.dumps(request)):
        return True
    raise BuildError(f"{out}: was built from another manifest or with other settings; --overwrite replaces it")


def write_report(folder: Path, request: Mapping[str, Any], problems: Sequence[Problem]) -> None:
    """Write what was asked for and what was left out.

    Args:
        folder: the build's folder, where nobody reads yet.
        request: what was asked for, of plain JSON values.
        problems: the rows that were left out.
    """
    (folder / REQUEST_FILE).write_text(json.dumps(request, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    with (folder / REPORT_FILE).open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([field.name for field in fields(Problem)])
        writer.writerows(astuple(problem) for problem in problems)


def read_report(out: Path, *, is_new: bool) -> BuildReport:
    """Read what a build has left.

    Args:
        out: the build's folder.
        is_new: whether it was made just now.

    Returns:
        The report, with the shard sets opened.

    Raises:
        ShardError: when a shard set is damaged.
    """
    with (out / REPORT_FILE).open(encoding="utf-8", newline="") as file:
        problems = tuple(
            Problem(split, int(row), key, path, kind, reason)
            for split, row, key, path, kind, reason in list(csv.reader(file))[1:]
        )
    folders = sorted(path for path in out.iterdir() if path.is_dir())
    shard_sets = {folder.name: ShardSet(folder) for folder in folders}
    return BuildReport(out, is_new, shard_sets, problems, _labels_without_training(shard_sets))


def _labels_without_training(shard_sets: Mapping[str, ShardSet]) -> dict[str, tuple[str, ...]]:
    if "train" not in shard_sets:
        return {}
    train = shard_sets["train"].index
    lacking = {}
    for name, label_set in train.label_sets.items():
        counts = [shards.index.num_clips_per_class[name] for shards in shard_sets.values()]
        lacking[name] = tuple(
            label
            for label, in_train, *in_any in zip(label_set.labels, train.num_clips_per_class[name], *counts, strict=True)
            if in_train == 0 and any(in_any)
        )
    return {name: labels for name, labels in lacking.items() if labels}
