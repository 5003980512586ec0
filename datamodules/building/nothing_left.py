"""One line for what went wrong when no clip is left, of a manifest or of a split."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from datamodules.building.build_report import BuildError
from datamodules.building.records import Problem
from datamodules.manifests.manifest import ManifestEntry, RowError


def check_left(
    manifest: Path, entries: Sequence[ManifestEntry], left_out: Sequence[RowError], *, is_given: bool
) -> None:
    """Refuse a manifest of which nothing is left, or nothing of one of its splits.

    Args:
        manifest: The manifest.
        entries: What is left.
        left_out: The rows that were left out.
        is_given: Whether the manifest's splits are used.

    Raises:
        BuildError: Says what took the rows.
    """
    if not entries:
        raise BuildError(f"nothing is left of {manifest}: {reasons(left_out)}")
    lost = sorted({row.split for row in left_out} - {entry.split for entry in entries}) if is_given else []
    if lost:
        rows = [row for row in left_out if row.split == lost[0]]
        raise BuildError(f"{manifest}: no clip is left of split {lost[0]!r}: {reasons(rows)}")


def reasons(left_out: Sequence[RowError | Problem]) -> str:
    """The first of the problems in full, and how many rows each kind took."""
    kinds = Counter(each.kind for each in left_out)
    counted = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common())
    return f"{left_out[0]}; in all {len(left_out)} left out ({counted})"
