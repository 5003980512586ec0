"""Manifests: tables of stretches of sound files with their labels.

A manifest is a CSV, TSV or Parquet file with one row per clip and the columns

- `path`: the sound file, absolute or relative to the manifest;
- `start_s`, `end_s` (optional, each may be empty): the stretch to keep, in seconds; the default is the whole file;
- `midpoint_s` (optional, may be empty): the time in the file that training windows are centred on, such as the middle
  of the labelled word; the default is the middle of the clip;
- `split` (optional): name of the clip's shard set; the default is "train";
- `key` (optional): a name of letters, digits, `_` and `-`; the default is made of path and times;
- `hdf5_dataset`, `hdf5_row`, `hdf5_sample_rate_hz` (optional): if `path` is an HDF5 file, the clip's dataset in it, its
  row there, and the sample rate of the samples, which HDF5 does not store;
- `sound_channel` (optional, may be empty): the channel of the sound file to keep, counted from 1; the default is the
  mean of all channels;
- label columns, named by the caller: one label each, or several separated by `;` or another separator. An empty cell is
  an error unless the caller allows unlabelled clips in the column; such a clip has no target for that task.

Other columns (licence, source, ...) are ignored, except one that a split rule names. Cells are text, and labels such as
`null`, `NA` and `007` stay as they are; a time that is `NA` or the like is empty. Labels are brought to Unicode's form
NFC, and paths are found in either form.
"""

from __future__ import annotations

import hashlib
import logging
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from datamodules.expansion import check_parquet
from datamodules.folders.sound_folders import find_file
from datamodules.tables import MISSING_LABELS, SEPARATORS, is_missing, read_text_table, separator_hint
from datamodules.tasks import NULL_LABEL
from datamodules.text_files import nfc
from networks.text.wording import counted

if TYPE_CHECKING:
    import pandas

LABEL_SEPARATOR = ";"
USUAL_SEPARATORS = (";", ",", "|", "\t")
"""Characters that separate labels in tables of corpora."""
DEFAULT_SPLIT = "train"
HDF5_COLUMNS = ("hdf5_dataset", "hdf5_row", "hdf5_sample_rate_hz")
CHANNEL_COLUMN = "sound_channel"
RESERVED_COLUMNS = ("path", "start_s", "end_s", "midpoint_s", "split", "key", *HDF5_COLUMNS, CHANNEL_COLUMN)

MAX_KEY_LENGTH = 80
"""With keys of this length, a member's name fits the plain 100-character field of a tar header."""

# webdataset ends a key at the first dot of a member's name; a slash would make folders.
_NAME = re.compile(r"[A-Za-z0-9_-]+")
_LIST_LITERAL = re.compile(r"""\s*[\[(]\s*(?:(["']).*\1\s*,?)?\s*[\])]\s*""", re.DOTALL)
_MAX_STEM_LENGTH = 48
_DIGEST_LENGTH = 12


_log = logging.getLogger(__name__)


class ManifestError(ValueError):
    """A manifest that cannot be used; the message names the file, the row (counted from 1) and the column."""


class RowError(ManifestError):
    """A row that cannot be used.

    Args:
        message: Manifest, row, and what is wrong.
        row: Number of the row.
        source: Its path; "" if it has none.
        split: Its split.
        kind: The reason in a word or two, to count by.
    """

    def __init__(self, message: str, *, row: int, source: str, split: str, kind: str) -> None:
        super().__init__(message)
        self.row, self.source, self.split, self.kind = row, source, split, kind


class Hdf5Row(NamedTuple):
    """Place of a clip in an HDF5 file: (rows, samples) dataset, row, and sample rate in Hz."""

    dataset: str
    row: int
    sample_rate_hz: int


@dataclass(frozen=True)
class ManifestEntry:
    """One row of a manifest.

    Args:
        row: Number of the row; the first one below the header is 1.
        key: Unique name of the clip.
        path: The sound file.
        source: Its path as in the manifest, in NFC.
        start_s: Start of the clip in the file, in seconds; None if not given.
        end_s: End of the clip in the file, in seconds; None if not given.
        midpoint_s: Time in the file that windows are centred on, in seconds; None if not given.
        split: Shard set of the clip.
        labels: For each label column the labels (one for a one-label column); empty if unlabelled.
        hdf5: Place of the clip in the file, if that is an HDF5 file.
        group: Value of the column that the split rule names; "" without one.
        sound_channel: Channel of the file to keep, counted from 1; None is the mean of all channels.
    """

    row: int
    key: str
    path: Path
    source: str
    start_s: float | None
    end_s: float | None
    midpoint_s: float | None
    split: str
    labels: Mapping[str, tuple[str, ...]]
    hdf5: Hdf5Row | None = None
    group: str = ""
    sound_channel: int | None = None


def read_manifest(
    path: str | Path,
    *,
    one_label: Sequence[str] = (),
    many_labels: Sequence[str] = (),
    group_column: str | None = None,
    may_be_unlabelled: Sequence[str] = (),
    label_separator: str | None = None,
    skipped: list[RowError] | None = None,
) -> list[ManifestEntry]:
    """Read and check a manifest.

    Args:
        path: CSV (`.csv`), TSV (`.tsv`) or Parquet (`.parquet`) file, see the module's description.
        one_label: Columns that hold one label per clip.
        many_labels: Columns that hold several labels per clip.
        group_column: Column to keep as the entries' `group`.
        may_be_unlabelled: Label columns whose cells may be empty.
        label_separator: What separates the labels of a cell of `many_labels`; None is `;`, and refuses a column that
            seems to have another separator.
        skipped: If given, rows that cannot be used are left out and their errors appended to it.

    Returns:
        The entries in the order of the rows.

    Raises:
        ManifestError: The file is missing, empty or of an unsupported type, a column is missing, or a row lacks its
            path or a label, has more or fewer cells than the header, an invalid number, an end before its
            start, or a key that was used before, or labels seem to be separated by another character.
    """
    manifest = Path(path)
    if label_separator is not None and not label_separator:
        raise ManifestError(f"{manifest}: the separator of labels must be at least one character")
    _check_label_columns(manifest, one_label, many_labels, may_be_unlabelled)
    table = _read_table(manifest)
    groups = () if group_column is None else (group_column,)
    missing = [name for name in ("path", *one_label, *many_labels, *groups) if name not in table.columns]
    if missing:
        names = list(map(str, table.columns))
        raise ManifestError(
            f"{manifest}: no column {', '.join(map(repr, missing))}; it has {names}{separator_hint(names)}"
        )
    if not len(table):
        raise ManifestError(f"{manifest} has no rows, so there is nothing to build")
    columns = {name: table[name].tolist() for name in table.columns}
    for name in many_labels:
        _check_separator(manifest, name, columns[name], label_separator)
    separator = LABEL_SEPARATOR if label_separator is None else label_separator
    separators = dict.fromkeys(one_label) | dict.fromkeys(many_labels, separator)
    entries = []
    for number in range(len(table)):
        row = _Row(manifest, number + 1, {name: column[number] for name, column in columns.items()})
        try:
            entries.append(_entry(row, separators, group_column, may_be_unlabelled))
        except RowError as error:
            if skipped is None:
                raise
            skipped.append(error)
    _check_keys(manifest, entries)
    for name in one_label:
        _warn_of_missing_marks(manifest, name, ((entry.row, entry.labels[name]) for entry in entries))
    if group_column is not None and group_column not in one_label:
        _warn_of_missing_marks(manifest, group_column, ((entry.row, (entry.group,)) for entry in entries))
    return entries


def _warn_of_missing_marks(manifest: Path, column: str, labels: Iterable[tuple[int, Sequence[str]]]) -> None:
    found = [(row, label) for row, some in labels for label in some if label in MISSING_LABELS]
    if found:
        row, label = found[0]
        _log.warning(
            "%s: %s in column %r, most likely for missing values, first %r in row %d; leave such cells empty, or "
            "rename the class",
            *(manifest, counted(len(found), "label"), column, label, row),
        )


@dataclass(frozen=True)
class _Row:
    """A row while it is read, with its place for errors."""

    manifest: Path
    number: int
    cells: Mapping[str, Any]

    def error(self, message: str, *, kind: str = "bad row") -> RowError:
        return RowError(
            f"{self.manifest}, row {self.number}: {message}",
            row=self.number,
            source=nfc(self.text("path")),
            split=self.text("split") or DEFAULT_SPLIT,
            kind=kind,
        )

    def text(self, column: str) -> str:
        """The cell as text; "" if the column or the value is missing."""
        value = self.cells.get(column)
        if isinstance(value, str):
            return value.strip()
        import pandas

        if isinstance(value, list | tuple | np.ndarray):  # a list column of a Parquet file
            return LABEL_SEPARATOR.join(str(item).strip() for item in value)
        if value is None or value is pandas.NA or (isinstance(value, float) and math.isnan(value)):
            return ""
        return str(value).strip()

    def seconds(self, column: str) -> float | None:
        text = self.text(column)
        if is_missing(text):
            return None
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not (math.isfinite(value) and value >= 0):
            raise self.error(f"{column} must be a time in seconds, at least 0, got {text!r}")
        return value

    def labels(self, column: str, separator: str | None, *, may_be_none: bool) -> tuple[str, ...]:
        """The labels of a cell: those of a list of a Parquet file, those between separators, or the one label."""
        cell, text = self.cells.get(column), self.text(column)
        if separator is None:
            parts = [text]
        elif isinstance(cell, list | tuple | np.ndarray):
            parts = [str(item) for item in cell]
        else:
            parts = text.split(separator)
        labels = tuple(dict.fromkeys(nfc(part.strip()) for part in parts if part.strip()))
        if not labels and not may_be_none:
            raise self.error(f"no label in column {column!r}", kind="mislabelled")
        if NULL_LABEL in labels:
            raise self.error(f"label {NULL_LABEL!r} in {column!r} is reserved for absent sounds", kind="mislabelled")
        return labels

    def hdf5(self) -> Hdf5Row | None:
        dataset, *cells = (self.text(column) for column in HDF5_COLUMNS)
        numbers = ["" if is_missing(cell) else cell for cell in cells]
        if not dataset and not any(numbers):
            return None
        if not dataset or not all(number.isascii() and number.isdigit() for number in numbers):
            raise self.error(f"{', '.join(HDF5_COLUMNS)} belong together: a name and two integers")
        return Hdf5Row(dataset, *map(int, numbers))

    def channel(self) -> int | None:
        text = self.text(CHANNEL_COLUMN)
        if is_missing(text):
            return None
        number = text.removesuffix(".0")  # a column of integers with gaps, as pandas writes it
        if not (number.isascii() and number.isdigit() and int(number) > 0):
            raise self.error(f"{CHANNEL_COLUMN} must be an integer of at least 1, got {text!r}")
        return int(number)

    def split(self) -> str:
        if self.text("split") in MISSING_LABELS:
            raise self.error(f"split is missing ({self.text('split')!r}); name it, or leave the cell empty for 'train'")
        return self.name("split", DEFAULT_SPLIT, MAX_KEY_LENGTH)

    def name(self, column: str, default: str, max_length: int) -> str:
        text = self.text(column) or default
        if not _NAME.fullmatch(text) or len(text) > max_length:
            raise self.error(f"{column} must be at most {max_length} letters, digits, '_' and '-', got {text!r}")
        return text


def _entry(
    row: _Row,
    separators: Mapping[str, str | None],
    group_column: str | None,
    may_be_unlabelled: Sequence[str],
) -> ManifestEntry:
    """The entry of a row; `separators` has what separates the labels of each label column, None for one label."""
    path_text = row.text("path")
    if not path_text:
        raise row.error("no path")
    start_s, end_s, midpoint_s = (row.seconds(column) for column in ("start_s", "end_s", "midpoint_s"))
    if end_s is not None and end_s <= (start_s or 0.0):
        raise row.error(f"end_s must come after the start, got {start_s or 0.0} to {end_s}")
    if midpoint_s is not None and not (start_s or 0.0) <= midpoint_s <= (math.inf if end_s is None else end_s):
        raise row.error(f"midpoint_s must lie within the clip, got {midpoint_s} for {start_s} to {end_s}")
    hdf5 = row.hdf5()
    channel = row.channel()
    source = nfc(path_text)  # so that keys and splits do not depend on the form in which a file system keeps names
    times = (start_s, end_s, midpoint_s)
    identity = (*(() if hdf5 is None else hdf5[:2]), *times, *(() if channel is None else (channel,)))
    labels = {
        column: row.labels(column, separator, may_be_none=column in may_be_unlabelled)
        for column, separator in separators.items()
    }
    return ManifestEntry(
        row=row.number,
        key=row.name("key", _default_key(source, identity), MAX_KEY_LENGTH),
        path=find_file(row.manifest.parent / path_text),
        source=source,
        start_s=start_s,
        end_s=end_s,
        midpoint_s=midpoint_s,
        split=row.split(),
        labels=labels,
        hdf5=hdf5,
        group="" if group_column is None else nfc(row.text(group_column)),
        sound_channel=channel,
    )


def _default_key(path_text: str, place: tuple[object, ...]) -> str:
    """A recognisable name, and a digest that distinguishes what the name leaves out."""
    stem = re.sub(r"[^A-Za-z0-9_-]+", "_", Path(path_text).with_suffix("").as_posix()).strip("_")
    identity = "\n".join([Path(path_text).as_posix(), *map(repr, place)])
    digest = hashlib.sha256(identity.encode()).hexdigest()[:_DIGEST_LENGTH]
    return f"{stem[-_MAX_STEM_LENGTH:]}-{digest}"


def _check_keys(manifest: Path, entries: list[ManifestEntry]) -> None:
    first_row: dict[str, int] = {}
    for entry in entries:
        earlier = first_row.setdefault(entry.key, entry.row)
        if earlier != entry.row:
            raise ManifestError(
                f"{manifest}, row {entry.row}: key {entry.key!r} was used in row {earlier}; keys must "
                "differ, and without a key column so must path or times"
            )


def _check_label_columns(
    manifest: Path, one_label: Sequence[str], many_labels: Sequence[str], may_be_unlabelled: Sequence[str]
) -> None:
    columns = [*one_label, *many_labels]
    if len(set(columns)) < len(columns):
        raise ManifestError(f"{manifest}: a label column is named twice in {columns}")
    unknown = sorted(set(may_be_unlabelled) - set(columns))
    if unknown:
        raise ManifestError(f"{manifest}: {unknown} may be unlabelled, but are not among the label columns {columns}")
    wrong = [name for name in columns if name in RESERVED_COLUMNS or not _NAME.fullmatch(name)]
    if wrong:
        raise ManifestError(
            f"{manifest}: {wrong} cannot be label columns; names consist of letters, digits, '_' and '-', and "
            f"{list(RESERVED_COLUMNS)} have their own meaning"
        )


def _check_separator(manifest: Path, column: str, cells: Sequence[Any], given: str | None) -> None:
    """Refuse a column whose labels seem to be separated by another character; with a given separator, warn."""
    separator = LABEL_SEPARATOR if given is None else given
    others: dict[str, str] = {}
    texts = [cell for cell in cells if isinstance(cell, str)]  # others are lists of a Parquet file, or missing
    literal = next((cell for cell in texts if _LIST_LITERAL.fullmatch(cell)), None)
    if literal is not None:
        raise ManifestError(
            f"{manifest}: column {column!r} should hold labels separated by {separator!r}, but holds {literal!r}, a "
            "list as Python or JSON writes it; write the labels without brackets and quotes, or use a list column of "
            "Parquet"
        )
    for cell in texts:
        if separator in cell:
            return
        for mark in USUAL_SEPARATORS:
            if mark in cell.strip():
                others.setdefault(mark, cell)
    if not others:
        if given not in (None, LABEL_SEPARATOR) and texts:  # manifests of commands name the default
            _log.warning(
                "%s: the separator %r never occurs in column %r: each cell is one label", manifest, given, column
            )
        return
    other, cell = next(iter(others.items()))
    message = (
        f"{manifest}: column {column!r} should hold labels separated by {separator!r}, which never occurs, but holds "
        f"{cell!r}"
    )
    if given is not None:
        _log.warning("%s; is the separator %r?", message, other)
        return
    raise ManifestError(
        f"{message}; give the separator with --label_separator {_as_option(other)}, or --label_separator "
        f"{_as_option(separator)} if this is one label"
    )


def _as_option(separator: str) -> str:
    return "'" + separator.replace("\t", "\\t") + "'"


def _read_table(manifest: Path) -> pandas.DataFrame:
    import pandas

    if not manifest.is_file():
        raise ManifestError(f"{manifest}: no such manifest")
    try:
        if manifest.suffix.lower() in SEPARATORS:
            return read_text_table(manifest)
        if manifest.suffix.lower() == ".parquet":
            check_parquet(manifest)
            return pandas.read_parquet(manifest)
    except (ValueError, OSError) as error:  # ours and pyarrow's parsing errors are ValueErrors
        reason = str(error).removeprefix(str(manifest)).lstrip(",: ")
        raise ManifestError(f"{manifest} cannot be read as a manifest ({reason})") from error
    raise ManifestError(f"{manifest}: a manifest is a .csv or .parquet file (or .tsv)")
