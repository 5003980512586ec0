"""What a place holds that is to be checked: shard sets, unfinished builds, or a corpus."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from datamodules.building.finish import unfinished
from datamodules.building.working_folder import built_by, is_working_folder, working_folder
from datamodules.files import did_you_mean
from datamodules.folders.sound_folders import is_hidden
from datamodules.shards.index import CLIPS_FILE, INDEX_FILE, is_shard_file
from datamodules.shards.published_hdf5 import FILE_PATTERNS
from networks.files.relative_paths import where_looked

MAX_DEPTH = 3
"""Levels of folders in which shard sets are looked for, such as data/speech/train for `data`."""


class PlaceError(ValueError):
    """A place that cannot be checked; the message says why, and what can be."""


class Place(NamedTuple):
    """What a place holds; a corpus, if neither shard sets nor unfinished builds.

    Args:
        path: The place.
        shard_sets: Folders of shard sets, damaged ones among them.
        unfinished: Outputs of builds that have not finished.
    """

    path: Path
    shard_sets: tuple[Path, ...]
    unfinished: tuple[Path, ...]


def look_into(path: Path) -> Place:
    """Find what a place holds, without reading any file.

    Raises:
        PlaceError: There is no such place, it is a part of a shard set, or it holds the published HDF5 files.
    """
    for above in (path, *path.parents):
        if is_working_folder(above):
            return Place(path, (), (built_by(above),))
    found = list(_folders(path, MAX_DEPTH)) if path.is_dir() else []
    if not found:
        for above in (path, path.parent):  # OUT, or OUT/train
            if is_working_folder(working_folder(above)):
                return Place(path, (), (above,))
    if not path.exists():
        raise PlaceError(f"{path}: no such file or folder{did_you_mean(path) or where_looked(path)}")
    if path.is_file() and _is_of_shard_set(path.name):
        raise PlaceError(f"{path} is a file of a shard set: check its folder, {path.parent}")
    if not found and path.is_dir() and any(any(path.glob(pattern)) for pattern in FILE_PATTERNS.values()):
        raise PlaceError(
            f"{path} holds the published HDF5 files, which training reads as they are: `cochlearn hdf5 "
            f"{path} OUT` makes shard sets of them, which can be checked"
        )
    shard_sets = tuple(folder for folder in found if not is_working_folder(folder))
    return Place(path, shard_sets, tuple(built_by(folder) for folder in found if is_working_folder(folder)))


def why_no_clips(location: str | Path, split: str) -> str:
    """Say what is wrong with a folder in which there is no shard set of a split, and what to do.

    Args:
        location: The folder.
        split: "train", "val" or "test".

    Returns:
        What is wrong and what to do; "" if there is a shard set of this split, or there are none.
    """
    folder = Path(location)
    if (folder / split).exists():
        return ""
    try:
        _, shard_sets, builds = look_into(folder)
    except PlaceError:
        return ""
    if builds:
        return unfinished(builds[0])
    if folder in shard_sets:
        return f"{folder} is the shard set of one split: name the folder that holds those of all, {folder.parent}"
    return _where_the_split_is(folder, split, shard_sets)


def _where_the_split_is(folder: Path, split: str, shard_sets: Sequence[Path]) -> str:
    """Name other folders with shard sets of a split, or the splits of this one; "" if there are neither."""
    others = [str(shard_set.parent) for shard_set in shard_sets if shard_set.name == split]
    if others:
        return f"{folder} has no shard set {split!r} in it; name one of {', '.join(others)}"
    splits = [shard_set.name for shard_set in shard_sets if shard_set.parent == folder]
    if not splits:
        return ""
    held_out = "; `cochlearn validate` measures a checkpoint on val" if split == "test" and "val" in splits else ""
    return (
        f"{folder} has shard sets of {', '.join(splits)}, but none of {split}{held_out}. For one of {split}, build "
        f"the shard sets again from rows or folders of which some are {split}"
    )


def is_shard_set(folder: Path) -> bool:
    """Whether a folder holds files of a shard set; some may be missing."""
    with os.scandir(folder) as entries:
        names = {entry.name for entry in entries}
    return any(map(_is_of_shard_set, names))


def _is_of_shard_set(name: str) -> bool:
    return name in (INDEX_FILE, CLIPS_FILE) or is_shard_file(name)


def _folders(folder: Path, depth: int) -> Iterator[Path]:
    """Shard sets and working folders at and below a folder, in the order of their names."""
    if is_working_folder(folder) or is_shard_set(folder):
        yield folder
    elif depth > 0:
        for path in sorted(folder.iterdir()):
            if path.is_dir() and not is_hidden(path.name):
                yield from _folders(path, depth - 1)
