"""Folders of empty files, where only names matter, and the classes that are found in them."""

from collections import Counter
from pathlib import Path

from datamodules.folders.class_folders import find_classes


def files(root: Path, *names: str) -> Path:
    """Make empty files, given by paths below a folder."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def found(root: Path) -> Counter[tuple[str | None, str]]:
    """Count the sounds of each split and class."""
    return Counter((sound.split, sound.label) for sound in find_classes(root).sounds)
