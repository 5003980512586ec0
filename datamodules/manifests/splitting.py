"""Splitting clips into training and validation by a rule."""

import hashlib
import logging
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from datamodules.folders.sound_folders import real_names
from datamodules.folders.split_names import (
    USUAL_NAMES,
    SplitNameError,
    split_of_subset,
    usual_split,
    usual_splits,
)
from datamodules.manifests.manifest import DEFAULT_SPLIT, ManifestEntry, ManifestError, RowError
from datamodules.text_files import nfc

VAL_SPLIT = "val"
SPLITS = tuple(USUAL_NAMES)
"""The splits that training, validation and testing read."""

_log = logging.getLogger(__name__)

By = Literal["given", "path"] | str


@dataclass(frozen=True)
class SplitRule:
    """How clips are split.

    Args:
        by: "given" leaves the manifest's column `split` as it is; "path" keeps the clips of a sound file together, also
            under the names of several links; the name of a column, such as "speaker", keeps the clips with the same
            value together.
        val_fraction: Fraction of these groups for validation, above 0 and below 1.
        stratify_by: A label column: each of its classes gives this fraction of its own groups, at least one if it has
            two or more; None draws from all groups together.
    """

    by: By = "given"
    val_fraction: float = 0.1
    stratify_by: str | None = None

    def __post_init__(self) -> None:
        if self.stratify_by is not None and self.by == "given":
            raise ManifestError(
                f"stratify_by ({self.stratify_by}) is for a split that is drawn: set split_by to path or a column, "
                "or leave it out"
            )
        if not 0 < self.val_fraction < 1:
            raise ManifestError(f"val_fraction must be above 0 and below 1, got {self.val_fraction}")

    def as_request(self) -> dict[str, Any]:
        """Plain values for the request of a build; equal to those from before `stratify_by` without it."""
        return {name: value for name, value in asdict(self).items() if name != "stratify_by" or value is not None}

    @property
    def column(self) -> str | None:
        """Column of the manifest that this rule needs; None if it needs none."""
        return None if self.by in ("given", "path") else self.by


def split_entries(entries: Sequence[ManifestEntry], rule: SplitRule, *, seed: int, folder: Path) -> list[ManifestEntry]:
    """Assign clips to "train" and "val", group by group.

    Groups are sorted by a hash of seed and name, and the first of them (of each class, if the rule has strata) are for
    validation. Neither the order of the rows nor the size of a group matters, nor where the folder is: the names of
    sound files are relative to it.

    Args:
        entries: The clips; `group` holds the value of the rule's column.
        rule: The rule.
        seed: Random seed.
        folder: Folder of the corpus, or that of the manifest.

    Returns:
        The clips in the same order.

    Raises:
        ManifestError: A row lacks its group, there are fewer than two groups, or two in each class, or the rule names
            a column that is no label column.
    """
    if rule.by == "given":
        return list(entries)
    groups = _files(entries, folder) if rule.by == "path" else [entry.group for entry in entries]
    for entry, group in zip(entries, groups, strict=True):
        if not group:
            raise ManifestError(f"row {entry.row}: no value in column {rule.by!r}, by which clips are split")
    if len(set(groups)) < 2:
        raise ManifestError(f"cannot split by {rule.by!r}: all clips have the same value, {sorted(set(groups))}")
    strata = [set(groups)] if rule.stratify_by is None else _strata(entries, groups, rule.stratify_by)
    held_out = {group for stratum in strata for group in _drawn(stratum, rule.val_fraction, seed)}
    if not held_out:
        raise ManifestError(
            f"cannot split by {rule.by!r} within each class of {rule.stratify_by!r}: none has two or more to draw from"
        )
    return [
        replace(entry, split=VAL_SPLIT if group in held_out else DEFAULT_SPLIT)
        for entry, group in zip(entries, groups, strict=True)
    ]


def _drawn(groups: set[str], fraction: float, seed: int) -> list[str]:
    """Draw the groups for validation; at least one, and never all."""
    ordered = sorted(groups, key=lambda group: hashlib.sha256(f"{seed}\n{group}".encode()).digest())
    return ordered[: min(max(1, round(fraction * len(ordered))), len(ordered) - 1)]


def _strata(entries: Sequence[ManifestEntry], groups: Sequence[str], column: str) -> list[set[str]]:
    """The groups of each class; one with clips of several classes is of the class of most of them."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for entry, group in zip(entries, groups, strict=True):
        if column not in entry.labels:
            raise ManifestError(f"stratify_by must be a label column ({', '.join(entry.labels)}), got {column!r}")
        counts[group].update(entry.labels[column] or ("",))
    strata: dict[str, set[str]] = defaultdict(set)
    for group, classes in counts.items():
        strata[min(classes, key=lambda label: (-classes[label], label))].add(group)
    return [strata[label] for label in sorted(strata)]


def names_in(folder: Path, sources: Iterable[str]) -> dict[str, str]:
    """Names of sound files by which a split is drawn: a corpus that was moved has the same.

    Args:
        folder: Folder of the corpus, or that of the manifest.
        sources: Paths of sound files, as in a manifest.

    Returns:
        For each of them, its path relative to the folder if it is absolute and in the folder, otherwise itself.
    """
    above = [f"{nfc(str(place)).rstrip('/')}/" for place in (folder.absolute(), folder.resolve())]
    return {
        source: next((source.removeprefix(place) for place in above if source.startswith(place)), source)
        for source in sources
    }


def _files(entries: Sequence[ManifestEntry], folder: Path) -> list[str]:
    """For each clip the name of its sound file: the first of all that are links to the same file."""
    real = real_names({entry.path for entry in entries})
    names = names_in(folder, {entry.source for entry in entries})
    first: dict[str, str] = {}
    for entry in entries:
        file, name = real[entry.path], names[entry.source]
        first[file] = min(first.get(file, name), name)
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


def warn_of_split_folders(manifest: Path, entries: Sequence[ManifestEntry], folder: Path) -> None:
    """Warn if all clips are for training, but their sounds are in folders of several splits.

    Args:
        manifest: The manifest, for the message.
        entries: All clips, with their splits.
        folder: Folder of the corpus, or that of the manifest.
    """
    if any(entry.split != DEFAULT_SPLIT for entry in entries):
        return
    names = names_in(folder, {entry.source for entry in entries}).values()
    places: dict[str, str] = {}
    for above in sorted({Path(name).parent for name in names}):
        for part in above.parts:
            if split := usual_split(part) or split_of_subset(part):
                places.setdefault(split, part)
    if len(places) > 1:
        _log.warning(
            "%s: all rows are for train, although their sounds are in folders named %s; a column `split` says which "
            "row is for which split",
            manifest,
            ", ".join(sorted(places.values())),
        )


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
