"""The table of what the corpus is made from: packages, licences, clips, minutes and labels."""

import importlib.metadata
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import soundfile

from datamodules.corpora.packaged import corpus
from datamodules.corpora.packaged.packages import UNKNOWN, licence, version
from datamodules.corpora.packaged.parts import PARTS, SYSTEM
from datamodules.corpora.packaged.recording import LABELS, Recording
from datamodules.corpora.sounds import Row
from datamodules.tasks import Side

SUMMARY_FILE = "packages.csv"
COLUMNS = ("package", "side", "version", "licence", "clips", "minutes", "labels")

_OTHERS = {
    corpus.FSDD: ("", "CC BY-SA 4.0"),
    corpus.TEXTURES: ("", "none: made here"),
}
_OTHER_NAMES = {part.package: part.other_names for part in PARTS}
_PACKAGE_OF_SOUNDFONT = {"FluidR3_GM.sf2": "fluid-soundfont-gm", "TimGM6mb.sf2": "timgm6mb-soundfont"}


def summary(root: Path, clips: Sequence[Recording], side: Side) -> list[Row]:
    """One row for each package of a side.

    Args:
        root: Root of the file system that the packages are in.
        clips: The clips of the side.
        side: The side.

    Returns:
        Rows with `COLUMNS`, in the order of the clips.
    """
    by_package: dict[str, list[Recording]] = {}
    for clip in clips:
        by_package.setdefault(clip.package, []).append(clip)
    return [_row(root, package, listed, side) for package, listed in by_package.items()]


def _row(root: Path, package: str, clips: Sequence[Recording], side: Side) -> Row:
    counts = {column: Counter(getattr(clip, column) for clip in clips) for column in LABELS[side]}
    labels = (f"{column} {len(found) - ('' in found)}" for column, found in counts.items() if set(found) != {""})
    installed, licences = _about(root, package)
    return {
        "package": package,
        "side": side,
        "version": installed,
        "licence": licences,
        "clips": len(clips),
        "minutes": round(sum(map(_duration_s, clips)) / 60, 1),
        "labels": ", ".join(labels),
    }


def _about(root: Path, package: str) -> tuple[str, str]:
    """Version and licences of a package."""
    if package in _OTHERS:
        return _OTHERS[package]
    if package == corpus.ESPEAK:
        found = importlib.metadata.metadata(package)
        return found["Version"], "GPL-3.0-or-later (espeak-ng)"
    name = _PACKAGE_OF_SOUNDFONT.get(package, package)
    # Programs are those of the system, also if recordings are elsewhere.
    for base in (root, SYSTEM):
        for each in (name, *_OTHER_NAMES.get(name, ())):
            if (installed := version(base, each)) != UNKNOWN:
                return installed, licence(base, each)
    return UNKNOWN, licence(root, name)


def _duration_s(clip: Recording) -> float:
    if clip.start_s is not None and clip.end_s is not None:
        return clip.end_s - clip.start_s
    return float(soundfile.info(clip.path).duration)
