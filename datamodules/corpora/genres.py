"""Folders of sounds, one folder per class, with or without folders of splits; see `class_folders`."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from datamodules.corpora.sounds import Row, corpus_errors, write_manifest
from datamodules.folders.class_folders import ClassFolders, find_classes
from datamodules.folders.sound_folders import PassedOver, passed_over

COLUMN = "genre"


class GenreManifest(NamedTuple):
    """A manifest, whether folders gave the splits, and what the folder holds in addition."""

    path: Path
    has_splits: bool
    passed_over: tuple[PassedOver, ...]


def make_manifest(
    folder: str | Path, out: str | Path, *, column: str = COLUMN, keep_others: bool = False
) -> GenreManifest:
    """Write a manifest of the sounds in folders named after their class.

    Args:
        folder: Folder of the classes' folders. Folders with the usual names of splits, above or below those of the
            classes, give the split; otherwise all sounds have the split "train" (to be split by a rule).
        out: Manifest to write, with the columns path, split and `column`.
        column: Name of the label column.
        keep_others: Do not replace a file at `out` with other content.

    Returns:
        The manifest.

    Raises:
        CorpusError: The folder is missing or has no folders, a class has no sounds, or it is not clear which folders
            are splits. Or a file at `out` is to be kept.
    """
    with corpus_errors():
        found = find_classes(folder)
        others = passed_over(Path(folder), [sound.path for sound in found.sounds])
    path = write_manifest(Path(out), [*_rows(found, column)], keep_others=keep_others)
    return GenreManifest(path, found.has_splits, others)


def class_folders(folder: str | Path, *, column: str = COLUMN) -> Iterator[Row]:
    """Rows with path, split and the label, which is the name of the folder: the layout `genres`."""
    with corpus_errors():
        found = find_classes(folder)
    return _rows(found, column)


def _rows(found: ClassFolders, column: str) -> Iterator[Row]:
    for path, label, split in found.sounds:
        yield {"path": str(path), "split": split, column: label}
