"""Splitting clips into training and validation by a rule."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from datamodules.folders.sound_folders import real_names
from datamodules.folders.split_names import USUAL_NAMES, SplitNameError, usual_splits
from datamodules.manifests.manifest import DEFAULT_SPLIT, ManifestEntry, ManifestError, RowError

VAL_SPLIT = "val"
SPLITS = tuple(USUAL_NAMES)
"""The splits that training, validation and testing read."""

By = Literal["given", "path"] | str


@dataclass(frozen=True)
class SplitRule:
    """How clips are split.

    Args:
        by: "given" leaves the manifest's column `split` as it is; "path" keeps the clips of a sound file together, also
            under the names of several links; the name of a column, such as "speaker", keeps the clips with the same
            value together.
        val_fraction: Fraction of these groups for validation, above 0 and below 1.
    """

    by: By = "given"
    val_fraction: float = 0.1

    def __post_init__(self) -> None:
        if not 0 < self.val_fraction < 1:
            raise ManifestError(f"val_fraction must be above 0 and below 1, got {self.val_fraction}")

    @property
    def column(self) -> str | None:
        """Column of the manifest that this rule needs; None if it needs none."""
        return None if self.by in ("given", "path") else self.by


def split_entries(entries: Sequence[ManifestEntry], rule: SplitRule, *, seed: int) -> list[ManifestEntry]:
    """Assign clips to "train" and "val", group by group.

    Groups are sorted by a hash of seed and name, and the first of them are for validation. Neither the order of the
    rows nor the size of a group matters.

    Args:
        entries: The clips; `group` holds the value of the rule's column.
        rule: The rule.
        seed: Random seed.

    Returns:
        The clips in the same order.

    Raises:
        ManifestError: A row lacks its group, or there are fewer than two groups.
    """
    if rule.by == "given":
        return list(entries)
    groups = _files(entries) if rule.by == "path" else [entry.group for entry in entries]
    for entry, group in zip(entries, groups, strict=True):
        if not group:
            raise ManifestError(f"row {entry.row}: no value in column {rule.by!r}, by which clips are split")
    ordered = sorted(set(groups), key=lambda group: hashlib.sha256(f"{seed}\n{group}".encode()).digest())
    if len(ordered) < 2:
        raise ManifestError(f"cannot split by {rule.by!r}: all clips have the same value, {ordered}")
    num_val = min(max(1, round(rule.val_fraction * len(ordered))), len(ordered) - 1)
    held_out = set(ordered[:num_val])
    return [
        replace(entry, split=VAL_SPLIT if group in held_out else DEFAULT_SPLIT)
        for entry, group in zip(entries, groups, strict=True)
    ]


def _files(entries: Sequence[ManifestEntry]) -> list[str]:
    """For each clip its sound file: the first name in the manifest of all that are links to the same file."""
    real = real_names({entry.path for entry in entries})
    first: dict[str, str] = {}
    for entry in entries:
        name = real[entry.path]
        first[name] = min(first.get(name, entry.source), entry.source)
    return [first[real[entry.path]] for entry in entries]


def name_splits(
    manifest: Path, entries: Sequence[ManifestEntry], left_out: Sequence[RowError] = ()
) -> tuple[list[ManifestEntry], dict[str, str]]:
    """Give splits the names that training, validation and testing read, such as "val" for "Validation".

    Args:
        manifest: The manifest, for errors.
        entries: Its entries.
        left_out: Rows that were left out; their splits are renamed in place.

    Returns:
        The entries, and the new name of each split that got one.

    Raises:
        ManifestError: Two of the names mean the same split.
    """
    try:
        named = usual_splits([*(entry.split for entry in entries), *(row.split for row in left_out)])
    except SplitNameError as error:
        raise ManifestError(f"{manifest}, column 'split': {error}") from error
    renamed = {old: new for old, new in named.items() if old != new}
    for row in left_out:
        row.split = named[row.split]
    if not renamed:
        return list(entries), renamed
    return [replace(entry, split=named[entry.split]) for entry in entries], renamed


def other_splits(splits: Iterable[str]) -> list[str]:
    """Names of splits that training, validation and testing do not read, sorted."""
    return sorted(set(splits) - set(SPLITS))


def check_splits(entries: Sequence[ManifestEntry]) -> None:
    """Refuse what looks like a mistyped split: nothing is for training, and a split has an unknown name.

    A manifest of a test set alone, or of a training set and splits with other names, is fine.

    Args:
        entries: All clips, with their splits.

    Raises:
        ManifestError: Names the splits.
    """
    num_rows = Counter(entry.split for entry in entries)
    if DEFAULT_SPLIT not in num_rows and other_splits(num_rows):
        found = ", ".join(f"{split!r} ({num} rows)" for split, num in sorted(num_rows.items()))
        raise ManifestError(
            f"no row has the split {DEFAULT_SPLIT!r}; there are {found}: name splits train, val or test"
        )
