"""Folders and tables of labelled sounds, for linear probes: the label, source and fold of each file."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from datamodules.folders.class_folders import find_classes
from datamodules.folders.sound_folders import PassedOver, SoundFolderError, find_file, missing_target, passed_over
from datamodules.tables import TextTableError, read_text_table, separator_hint
from datamodules.text_files import TextFileError, nfc
from evaluate.benchmarks.benchmark import Benchmark, WaveformSource
from evaluate.benchmarks.problems import BenchmarkError
from networks.named_objects import make_object, parse_object_name
from networks.text.wording import counted

if TYPE_CHECKING:
    import pandas as pd


ESC50_TABLE = Path("meta") / "esc50.csv"
"""Where ESC-50 (Piczak 2015) keeps its table, next to the folder `audio`."""

PATH_COLUMNS = ("path", "filename")
LABEL_COLUMNS = ("label", "category")
SOURCE_COLUMNS = ("source", "src_file")
FOLD_COLUMN = "fold"
SPLIT_COLUMN = "split"


class LabelledSoundsError(ValueError):
    """Labelled sounds that cannot be used; the message names the file or row and what to do."""


@dataclass(frozen=True)
class LabelledSounds:
    """Sound files, each with a label.

    Attributes:
        name: Name of the collection.
        paths: (S,) files; empty if a function makes the sounds.
        labels: (S,) labels, at least two different ones.
        sources: (S,) what each sound was cut from: sounds of one source are never split between training and test.
        folds: (S,) number of each sound's fold, or None if folds are to be drawn.
        passed_over: What a folder holds in addition.
        waveforms: Called as `waveforms(sample_rate_hz, num_samples)`, returns the sounds as (S, T) float32, in place of
            files.

    Raises:
        LabelledSoundsError: Lengths differ, there are fewer than two labels or three folds, or a source is in two
            folds.
    """

    name: str
    paths: tuple[Path, ...]
    labels: tuple[str, ...]
    sources: tuple[str, ...]
    folds: tuple[int, ...] | None = None
    passed_over: tuple[PassedOver, ...] = ()
    waveforms: WaveformSource | None = None

    def __post_init__(self) -> None:
        """Check lengths, labels and folds."""
        lengths = [len(self.labels), len(self.sources)]
        if self.waveforms is None:
            lengths.append(len(self.paths))
        if self.folds is not None:
            lengths.append(len(self.folds))
        if len(set(lengths)) != 1:
            raise LabelledSoundsError(f"{self.name}: paths, labels, sources and folds differ in length: {lengths}")
        if len(set(self.labels)) < 2:
            raise LabelledSoundsError(
                f"{self.name}: expected at least two labels for a classifier, got {len(set(self.labels))} for "
                f"{counted(len(self.labels), 'sound')}"
            )
        if self.folds is not None:
            self._check_folds(self.folds)

    def _check_folds(self, folds: Sequence[int]) -> None:
        if len(set(folds)) < 3:
            raise LabelledSoundsError(
                f"{self.name}: expected at least three folds (one to test on, two to choose the penalty), got "
                f"{sorted(set(folds))}"
            )
        fold_of: dict[str, int] = {}
        for source, fold in zip(self.sources, folds, strict=True):
            if fold_of.setdefault(source, fold) != fold:
                raise LabelledSoundsError(
                    f"{self.name}: sounds of source {source!r} are in folds {fold_of[source]} and {fold}, so that "
                    "training and test would share it: put each source into one fold, or remove the column `fold`"
                )


def find_labelled_sounds(place: str | Path) -> LabelledSounds:
    """Find labelled sounds in a folder or a table, or make them by a function.

    Known are: the folder of ESC-50 (it has `meta/esc50.csv`), whose own five folds are taken; a CSV table with the
    columns `path` (or `filename`), `label` (or `category`) and, if wanted, `source` (or `src_file`) and `fold`;
    a folder with a folder of sound files for each label. Paths in a table are relative to the table's folder, or to
    the folder `audio` next to it, as in ESC-50. Labels are compared in Unicode's composed form (NFC).

    A function named as `package.module:name` or `path/file.py:name` returns `LabelledSounds`, or an
    `evaluate.Benchmark` whose categories are the labels.

    Args:
        place: The folder, the table or the name of the function.

    Returns:
        The sounds, all of whose files exist.

    Raises:
        LabelledSoundsError: There is no such folder, table or function, columns or files are missing, or there are too
            few labels.
    """
    if not Path(place).exists() and parse_object_name(str(place)) is not None:
        return _from_object(str(place))
    place = Path(place)
    if place.is_file():
        return _from_table(place, place.stem)
    if not place.is_dir():
        raise LabelledSoundsError(f"there is no folder or table of sounds {place}: check the path")
    if (place / ESC50_TABLE).is_file():
        return _from_table(place / ESC50_TABLE, _name(place))
    return _from_folders(place)


def _from_object(name: str) -> LabelledSounds:
    """Sounds of a user's function; categories of a benchmark are labels, and each of its sounds is its own source."""
    try:
        found: LabelledSounds | Benchmark = make_object(
            name,
            lambda made: isinstance(made, (LabelledSounds, Benchmark)),
            expected="an evaluate.probe.LabelledSounds or an evaluate.Benchmark with categories",
            passes=(LabelledSoundsError, BenchmarkError),
        )
    except LabelledSoundsError:
        raise
    except ValueError as error:
        raise LabelledSoundsError(f"sounds {name!r}: {error}") from error
    if isinstance(found, LabelledSounds):
        return found
    if found.categories is None:
        raise LabelledSoundsError(
            f"sounds {name!r}: benchmark {found.name!r} has no categories, which are the labels of a probe"
        )
    names = found.stimulus_names
    return LabelledSounds(name=found.name, paths=(), labels=found.categories, sources=names, waveforms=found.stimuli)


def _from_folders(place: Path) -> LabelledSounds:
    """A folder for each label; each file is a source of its own."""
    try:
        found = find_classes(place)
        paths = tuple(sound.path for sound in found.sounds)
        others = passed_over(place, paths)
    except SoundFolderError as error:
        raise LabelledSoundsError(
            f"{place}: expected {ESC50_TABLE.as_posix()} (ESC-50), or a folder of sound files for each label, such as "
            f"dog/1.wav; found neither ({error}). A table of sounds is given by its own name, such as sounds.csv"
        ) from error
    if found.has_splits:
        raise LabelledSoundsError(
            f"{place}: its folders name splits, but the probe draws its own folds: give the folder of one split, or a "
            "table with the column `fold`"
        )
    missing = next((path for path in paths if not path.exists()), None)
    if missing is not None:
        raise LabelledSoundsError(f"{missing}: {missing_target(missing)}")
    root = place.resolve()
    return LabelledSounds(
        name=_name(place),
        paths=paths,
        labels=tuple(sound.label for sound in found.sounds),
        sources=tuple(path.relative_to(root).as_posix() for path in paths),
        passed_over=others,
    )


def _name(place: Path) -> str:
    """Name of a folder as it was given: that of the link, if it is one."""
    return nfc(Path(os.path.abspath(place)).name)


def _from_table(table: Path, name: str) -> LabelledSounds:
    try:
        rows = read_text_table(table)
    except (TextTableError, TextFileError) as error:
        reason = str(error).removeprefix(str(table)).lstrip(",: ")
        raise LabelledSoundsError(f"{table}: not a CSV table ({reason})") from error
    if SPLIT_COLUMN in rows and FOLD_COLUMN not in rows and rows[SPLIT_COLUMN].nunique() > 1:
        raise LabelledSoundsError(
            f"{table}: has a column {SPLIT_COLUMN!r}, but the probe draws its own folds: give the rows of one split, "
            f"or a column {FOLD_COLUMN!r}"
        )
    path_column, label_column = (_column(rows, table, names) for names in (PATH_COLUMNS, LABEL_COLUMNS))
    source_column = next((column for column in SOURCE_COLUMNS if column in rows), path_column)
    for column in (path_column, label_column, source_column):
        empty = rows.index[rows[column].str.strip() == ""]
        if len(empty):
            raise LabelledSoundsError(f"{table}, row {empty[0] + 1}: the column {column!r} is empty")
    return LabelledSounds(
        name=name,
        paths=tuple(_existing(table, Path(path), row) for row, path in enumerate(rows[path_column], start=1)),
        labels=tuple(nfc(label.strip()) for label in rows[label_column]),
        sources=tuple(map(nfc, rows[source_column])),
        folds=_folds(rows, table) if FOLD_COLUMN in rows else None,
    )


def _column(rows: pd.DataFrame, table: Path, names: Sequence[str]) -> str:
    found = [name for name in names if name in rows]
    if not found:
        raise LabelledSoundsError(
            f"{table}: expected a column {' or '.join(map(repr, names))}, got {', '.join(map(str, rows.columns))}"
            f"{separator_hint(list(rows.columns))}"
        )
    return found[0]


def _existing(table: Path, path: Path, row: int) -> Path:
    places = [table.parent / path, table.parent.parent / "audio" / path]
    found = next((file for file in map(find_file, places) if file.is_file()), None)
    if found is None:
        raise LabelledSoundsError(
            f"{table}, row {row}: there is no file {places[0]}; paths are relative to the table's folder"
        )
    return found


def _folds(rows: pd.DataFrame, table: Path) -> tuple[int, ...]:
    folds = []
    for row, fold in enumerate(rows[FOLD_COLUMN], start=1):
        try:
            folds.append(int(fold))
        except ValueError as error:
            raise LabelledSoundsError(f"{table}, row {row}: expected an integer in `fold`, got {fold!r}") from error
    return tuple(folds)
