"""Splits of recordings, and labels that are too rare to be learnt."""

import hashlib
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import replace
from typing import Any

from datamodules.corpora.packaged.recording import Recording
from datamodules.manifests.manifest import DEFAULT_SPLIT
from datamodules.manifests.splitting import VAL_SPLIT

VAL_FRACTION = 0.15
"""Part of the files of a class that is held out."""

LEAST_FILES = 4
"""Classes of fewer files have none held out."""


def draw_splits(clips: Sequence[tuple[Recording, str]], *, seed: int) -> list[Recording]:
    """Hold out files for validation, in each class the same fraction.

    The class is the word or sound; without one, the speaker or kind. All clips of a file have the same split. Which
    files are held out depends on their content, not on where they are.

    Args:
        clips: The clips, each with the digest of its file.
        seed: Random seed.

    Returns:
        The clips with their splits.
    """
    files: dict[Hashable, set[str]] = {}
    for clip, digest in clips:
        files.setdefault(_class_of(clip), set()).add(digest)
    held_out: set[str] = set()
    for digests in files.values():
        if len(digests) >= LEAST_FILES:
            ordered = sorted(digests, key=lambda digest: hashlib.sha256(f"{seed}\n{digest}".encode()).digest())
            held_out.update(ordered[: max(1, round(VAL_FRACTION * len(ordered)))])
    return [replace(clip, split=VAL_SPLIT if digest in held_out else DEFAULT_SPLIT) for clip, digest in clips]


def without_rare_labels(clips: Sequence[Recording], columns: Sequence[str], *, least: int) -> list[Recording]:
    """Remove labels with too few clips for training; the clips stay as long as any of their labels is left.

    Args:
        clips: The clips, with splits.
        columns: Label columns.
        least: Least number of training clips of a label.

    Returns:
        The clips, in order.
    """
    kept = {
        column: {
            label
            for label, number in Counter(getattr(clip, column) for clip in clips if clip.split == DEFAULT_SPLIT).items()
            if label and number >= least
        }
        for column in columns
    }
    common: list[Recording] = []
    for clip in clips:
        labels: dict[str, Any] = {column: getattr(clip, column) for column in columns}
        rare = {column: "" for column, label in labels.items() if label not in kept[column]}
        common.append(replace(clip, **{**labels, **rare}))
    return [clip for clip in common if any(getattr(clip, column) for column in columns)]


def _class_of(clip: Recording) -> Hashable:
    if clip.kind:
        return clip.kind, clip.sound
    return clip.language, clip.word or clip.speaker, bool(clip.word)
