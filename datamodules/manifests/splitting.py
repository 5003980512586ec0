"""Which clips are for training and which for validation, by rule."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from datamodules.manifests.manifest import DEFAULT_SPLIT, ManifestEntry, ManifestError

VAL_SPLIT = "val"
SPLITS = (DEFAULT_SPLIT, VAL_SPLIT, "test")
"""What training, validation and testing look for."""

By = Literal["given", "path"] | str


@dataclass(frozen=True)
class SplitRule:
    """How clips are split.

    Args:
        by: "given" leaves the manifest's column `split` as it is; "path" keeps the clips of a sound file
            together; the name of a column, e.g. "speaker", keeps the clips with the same entry together.
        val_fraction: part of these groups that goes to validation, above 0 and below 1.
    """

    by: By = "given"
    val_fraction: float = 0.1

    def __post_init__(self) -> None:
        if not 0 < self.val_fraction < 1:
            raise ManifestError(f"val_fraction must be above 0 and below 1, got {self.val_fraction}")

    @property
    def column(self) -> str | None:
        """The manifest's column that this needs."""
        return None if self.by in ("given", "path") else self.by


def split_entries(entries: Sequence[ManifestEntry], rule: SplitRule, *, seed: int) -> list[ManifestEntry]:
    """Assign clips to "train" and "val", group by group.

    Groups are put in the order of a hash of seed and name, and the first of them go to validation: neither the
    order of the rows nor the size of a group plays a part.

    Args:
        entries: the clips; `group` holds the entry of the rule's column.
        rule: the rule.
        seed: another number chooses other groups.

    Returns:
        The clips in the same order.

    Raises:
        ManifestError: when a row lacks its group, or there are fewer than two groups.
    """
    if rule.by == "given":
        return list(entries)
    groups = [entry.source if rule.by == "path" else entry.group for entry in entries]
    for entry, group in zip(entries, groups, strict=True):
        if not group:
            raise ManifestError(f"row {entry.row}: no entry in column {rule.by!r}, by which clips are to be split")
    ordered = sorted(set(groups), key=lambda group: hashlib.sha256(f"{seed}\n{group}".encode()).digest())
    if len(ordered) < 2:
        raise ManifestError(f"cannot split by {rule.by!r}: all clips have the same, {ordered}")
    num_val = min(max(1, round(rule.val_fraction * len(ordered))), len(ordered) - 1)
    held_out = set(ordered[:num_val])
    return [
        replace(entry, split=VAL_SPLIT if group in held_out else DEFAULT_SPLIT)
        for entry, group in zip(entries, groups, strict=True)
    ]


def other_splits(splits: Iterable[str]) -> list[str]:
    """Names of splits that no training looks for, in order.

    Args:
        splits: names of splits.
    """
    return sorted(set(splits) - set(SPLITS))


def check_splits(entries: Sequence[ManifestEntry]) -> None:
    """Refuse what looks like a mistyped split: a name that no training looks for, where nothing is for training.

    A manifest of a test set alone, or of a training set beside splits of other names, is fine.

    Args:
        entries: all clips, with their splits.

    Raises:
        ManifestError: names the splits.
    """
    num_rows = Counter(entry.split for entry in entries)
    if DEFAULT_SPLIT not in num_rows and other_splits(num_rows):
        found = ", ".join(f"{split!r} ({num} rows)" for split, num in sorted(num_rows.items()))
        raise ManifestError(
            f"no row is of the split {DEFAULT_SPLIT!r}; there are {found}: name splits train, val or test"
        )
