"""Folders of sounds, one folder per class, with or without folders of splits.

These arrangements are known, where SPLIT is a usual name of a split (`datamodules.folders.split_names`):

- `CLASS/.../SOUND`;
- `SPLIT/CLASS/.../SOUND`;
- `CLASS/SPLIT/.../SOUND`.

Where all folders next to each other name splits, these may be subsets, such as `train-clean-100` and `dev_other`, and
those of one split are joined. A folder with some splits and some other folders could be any of these arrangements, and
is refused: a split is never a class.
"""

import logging
import shlex
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from datamodules.folders.sound_folders import SoundFolderError, find_folders, find_sounds
from datamodules.folders.split_names import (
    SplitNameError,
    are_subsets,
    likely_subsets,
    split_of_subset,
    usual_split,
    usual_splits,
)
from datamodules.text_files import nfc
from networks.commands.arguments import printable
from networks.commands.program import program
from networks.text.natural_order import natural_order

TRAIN = "train"
"""The split of sounds that are in no folder of a split. Also the one name of a split that can be a class: a vehicle."""

_Parts = tuple[str, ...]

_log = logging.getLogger(__name__)


class LabelledSound(NamedTuple):
    """A sound, its class and its split."""

    path: Path
    label: str
    split: str


@dataclass(frozen=True)
class ClassFolders:
    """What a folder of classes holds.

    Attributes:
        sounds: The sounds, sorted by split and class.
        has_splits: Whether folders name their splits; otherwise all are for training.
    """

    sounds: tuple[LabelledSound, ...]
    has_splits: bool


def find_classes(folder: str | Path) -> ClassFolders:
    """Find the sounds in folders named after their classes.

    Args:
        folder: Folder in one of the known arrangements, see above.

    Returns:
        The sounds. Labels are in Unicode's composed form (NFC).

    Raises:
        SoundFolderError: The folder is missing or has no folders, a class or split has no sounds, or it is not clear
            which folders are splits.
    """
    root = Path(folder)
    tops = [top.name for top in find_folders(root)]
    if not tops:
        unlabelled = program("datamodules", f"build {shlex.quote(printable(root))} OUT --layout sounds --split_by path")
        raise SoundFolderError(
            f"{printable(root)} has no folders; expected one per class, or train, val (test) with those in them. "
            f"Sounds without classes, such as noise: `{unlabelled}`"
        )
    place = root.resolve()
    found = {path: path.relative_to(place).parts[:-1] for path in find_sounds(root)}
    found = {path: parts for path, parts in found.items() if parts}  # sounds next to the folders have no class
    filled = {parts[0] for parts in found.values()}
    subsets = filter(split_of_subset, tops) if are_subsets(filled) else ()
    named = {*filter(usual_split, tops), *subsets}
    splits = [top for top in tops if top in named and _has_classes(top, found.values())]
    if splits:
        _check_alone(place, splits, named, filled)
        for split in splits:
            _check_filled(place, [(split, each.name) for each in find_folders(place / split)], found.values())
        return _arranged(found, place, split_at=0)
    _check_filled(place, [(top,) for top in tops], found.values())
    _check_flat(place, tops, named)
    _check_no_subsets(place, filled)
    if _are_splits(parts[1] if len(parts) > 1 else "" for parts in found.values()):
        if len(tops) == 1 and any(len(parts) > 2 for parts in found.values()):
            raise SoundFolderError(f"{place}: the folders of splits are in {place / tops[0]}; give that folder")
        return _arranged(found, place, split_at=1)
    _check_no_splits_below(place, found.values())
    _check_level(place, found.values())
    rows = (LabelledSound(path, nfc(parts[0]), TRAIN) for path, parts in found.items())
    return ClassFolders(tuple(sorted(rows, key=lambda row: row.path)), has_splits=False)


def _has_classes(top: str, found: Iterable[_Parts]) -> bool:
    return any(parts[0] == top and len(parts) > 1 for parts in found)


def _are_splits(folders: Iterable[str]) -> bool:
    """Whether folders within those of the classes are splits: by usual names, or most likely as their subsets."""
    names = set(folders)
    return are_subsets(names) and names == {*filter(usual_split, names), *likely_subsets(names)}


def _check_alone(root: Path, splits: Sequence[str], named: set[str], filled: set[str]) -> None:
    """Refuse folders next to those of splits, except such as have no sounds and no split's name."""
    _splits_of(root, splits)
    empty = sorted(named - filled)
    if empty:
        raise SoundFolderError(f"{root / empty[0]} has no sounds, although it names a split")
    others = sorted(filled - set(splits))
    if others:
        raise SoundFolderError(
            f"{root}: {_named(splits)} name splits, but {_named(others)} next to them do not, or have no folders of "
            "classes: put the classes of each split into its folder, or the other folders elsewhere"
        )


def _check_flat(root: Path, tops: Sequence[str], named: set[str]) -> None:
    """Refuse folders with the names of splits that have no folders of classes; only a "train" can be a class itself."""
    if named and len(named) == len(tops):
        first = min(named)
        raise SoundFolderError(f"{root / first} has no folders; expected one per class, as {first!r} names a split")
    if [name.casefold() for name in named] not in ([], [TRAIN]):
        raise SoundFolderError(
            f"{root}: {_named(named)} name splits, but have no folders of classes and are next to others; rename them "
            "if they are classes, else put folders of classes into them"
        )


def _check_no_subsets(root: Path, filled: set[str]) -> None:
    """Refuse folders that most likely are subsets of splits; warn of those that could be, and are taken for classes."""
    likely = likely_subsets(filled)
    if likely:
        others = sorted(filled - set(likely))
        raise SoundFolderError(
            f"{root}: {_named(likely)} seem to be parts of splits, but {_named(others)} next to them do not: put the "
            "other folders elsewhere, or rename those that are classes"
        )
    classes = sorted(filter(split_of_subset, filled))
    if classes:
        _log.warning(
            "%s: %s could name splits, and are taken for classes, like the folders next to them", root, _named(classes)
        )


def _check_no_splits_below(root: Path, found: Iterable[_Parts]) -> None:
    """Refuse folders of splits further down, which would all become one split."""
    children: dict[_Parts, set[str]] = defaultdict(set)
    for parts in found:
        for depth in range(1, len(parts)):
            if usual_split(parts[depth]) or split_of_subset(parts[depth]):
                children[parts[:depth]].add(parts[depth])
    for above, names in sorted(children.items()):
        if len({*filter(usual_split, names), *likely_subsets(names)}) > 1:
            raise SoundFolderError(
                f"{root.joinpath(*above)}: {_named(names)} name splits; expected such folders at the top, or in every "
                "class"
            )


def _check_level(root: Path, found: Iterable[_Parts]) -> None:
    """Refuse a single class with folders of sounds in it: most likely these are the classes."""
    parts = list(found)
    tops, below = ({each[level] for each in parts if len(each) > level} for level in (0, 1))
    if len(tops) == 1 and len(below) > 1 and all(len(each) > 1 for each in parts):
        place = root / min(tops)
        raise SoundFolderError(
            f"{root}: all sounds are in the one folder {min(tops)!r}, in the folders {_named(below)}: give {place} if "
            "these are the classes, else put all sounds of a class into its own folder"
        )


def _check_filled(root: Path, folders: Iterable[_Parts], found: Iterable[_Parts]) -> None:
    there = {parts[:depth] for parts in found for depth in (1, 2)}
    for folder in folders:
        if folder not in there:
            find_sounds(root.joinpath(*folder))  # says what is there instead


def _arranged(found: dict[Path, _Parts], root: Path, *, split_at: int) -> ClassFolders:
    inside = {path: parts for path, parts in found.items() if len(parts) > 1}
    splits = _splits_of(root, {parts[split_at] for parts in inside.values()})
    rows = (LabelledSound(path, nfc(parts[1 - split_at]), splits[parts[split_at]]) for path, parts in inside.items())
    return ClassFolders(tuple(sorted(rows, key=lambda row: row.path)), has_splits=True)


def _splits_of(root: Path, names: Iterable[str]) -> dict[str, str]:
    try:
        return usual_splits(names, join_subsets=True)
    except SplitNameError as error:
        raise SoundFolderError(f"{root}: {error}") from error


def _named(names: Iterable[str]) -> str:
    return ", ".join(map(repr, natural_order(names)))
