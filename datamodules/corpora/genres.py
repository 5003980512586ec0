"""Folders of sounds, one folder per class: `ROOT/GENRE/*.wav`, or `ROOT/SPLIT/GENRE/*.wav`."""

from collections.abc import Iterator
from pathlib import Path

from datamodules.corpora.sounds import CorpusError, Row, find_sounds, write_manifest

SPLITS = ("train", "val", "test")
COLUMN = "genre"


def make_manifest(folder: str | Path, out: str | Path, *, column: str = COLUMN) -> Path:
    """Write a manifest of the sounds in folders named after their class.

    Args:
        folder: Folder of the classes' folders. If all of its folders are named train, val or test, each holds the
            classes' folders of that split; otherwise all sounds have the split "train" (to be split by a rule).
        out: Manifest to write, with the columns path, split and `column`.
        column: Name of the label column.

    Returns:
        The manifest's path.

    Raises:
        CorpusError: The folder is missing or has no folders, or a class has no sounds.
    """
    return write_manifest(Path(out), [*class_folders(folder, column=column)])


def class_folders(folder: str | Path, *, column: str = COLUMN) -> Iterator[Row]:
    """Rows with path, split and the label, which is the name of the folder: the layout `genres`."""
    root = Path(folder)
    if not root.is_dir():
        raise CorpusError(f"{root}: no such folder")
    parts = _folders(root)
    for split, classes in [(part.name, _folders(part)) for part in parts] if has_splits(root) else [("train", parts)]:
        for label in classes:
            for path in find_sounds(label):
                yield {"path": str(path), "split": split, column: label.name}


def has_splits(folder: str | Path) -> bool:
    """Whether all folders in a folder are named train, val or test."""
    return {path.name for path in _folders(Path(folder))} <= set(SPLITS)


def _folders(folder: Path) -> list[Path]:
    found = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    if not found:
        raise CorpusError(f"{folder}: has no folders; expected one per class, or train, val (test) with those in them")
    return found
