"""Manifests: tables that say which stretch of which sound file has which labels.

A manifest is a CSV or Parquet file with one row per clip and the columns

- `path`: the sound file, absolute or relative to the manifest;
- `start_s`, `end_s` (optional, each may be empty): the stretch to keep, in seconds; the default is the whole
  file;
- `midpoint_s` (optional, may be empty): the time in the file that training windows are centred on, e.g. the
  middle of the labelled word; the default is the middle of the clip;
- `split` (optional): name of the shard set that the clip goes to; the default is "train";
- `key` (optional): a name of letters, digits, `_` and `-`; the default is made of path and times;
- label columns, named by the caller: one label each, or several separated by `;`.

Further columns (licence, source, ...) are left alone.
"""

import hashlib
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas

from datamodules.tasks import NULL_LABEL

LABEL_SEPARATOR = ";"
DEFAULT_SPLIT = "train"
RESERVED_COLUMNS = ("path", "start_s", "end_s", "midpoint_s", "split", "key")

MAX_KEY_LENGTH = 80
"""Keys stay short enough that a member's name always fits the plain 100-character field of a tar header."""

# webdataset ends a key at the first dot of a member's name, and folders are for the user to choose.
_NAME = re.compile(r"[A-Za-z0-9_-]+")
_MAX_STEM_LENGTH = 48
_DIGEST_LENGTH = 12


class ManifestError(ValueError):
    """A manifest that cannot be used; the message names the file, the row (the first is 1) and the column."""


@dataclass(frozen=True)
class ManifestEntry:
    """One row of a manifest.

    Args:
        row: number of the row, the first below the header being 1.
        key: unique name of the clip.
        path: the sound file.
        source: its path as the manifest gives it.
        start_s: start of the clip in the file, in seconds; None when the row does not say.
        end_s: its end; None when the row does not say.
        midpoint_s: time in the file that windows are centred on; None when the row does not say.
        split: shard set that the clip goes to.
        labels: for each label column the labels; one of them for a one-label column.
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


def read_manifest(
    path: str | Path, *, one_label: Sequence[str] = (), many_labels: Sequence[str] = ()
) -> list[ManifestEntry]:
    """Read and check a manifest.

    Args:
        path: CSV (`.csv`) or Parquet (`.parquet`) file, see the module's description.
        one_label: columns that hold one label per clip.
        many_labels: columns that hold labels separated by `;`.

    Returns:
        The entries in the order of the rows.

    Raises:
        ManifestError: when the file is missing, of another type or empty, a column is missing, or a row lacks
            its path or a label, or has a number that is none, an end before its start, or a key used before.
    """
    manifest = Path(path)
    _check_label_columns(manifest, one_label, many_labels)
    table = _read_table(manifest)
    missing = [name for name in ("path", *one_label, *many_labels) if name not in table.columns]
    if missing:
        raise ManifestError(f"{manifest}: no column {', '.join(map(repr, missing))}; it has {list(table.columns)}")
    if not len(table):
        raise ManifestError(f"{manifest}: has no rows, so there is nothing to build")
    columns = {name: table[name].tolist() for name in table.columns}
    entries = [
        _entry(
            _Row(manifest, row + 1, {name: column[row] for name, column in columns.items()}),
            one_label,
            many_labels,
        )
        for row in range(len(table))
    ]
    _check_keys(manifest, entries)
    return entries


def read_label_list(path: str | Path) -> tuple[str, ...]:
    """Read the labels of a task, in the order of its classes, from a text file with one per line.

    Args:
        path: UTF-8 text file; empty lines are skipped. Where it does not list the null label `<null>`, that
            becomes the first class.

    Returns:
        The labels, null label included.

    Raises:
        ManifestError: when the file is missing, has no label, or has one twice.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise ManifestError(f"{path}: no readable list of labels ({error.strerror})") from error
    labels = [line.strip() for line in lines if line.strip()]
    double = sorted(label for label, times in Counter(labels).items() if times > 1)
    if double:
        raise ManifestError(f"{path}: labels {double} are listed twice")
    if not set(labels) - {NULL_LABEL}:
        raise ManifestError(f"{path}: lists no label")
    return tuple(labels) if NULL_LABEL in labels else (NULL_LABEL, *labels)


def labels_of(entries: Iterable[ManifestEntry], column: str) -> tuple[str, ...]:
    """All labels of one column: the null label first, then the others sorted.

    Args:
        entries: entries of all splits together.
        column: the label column.

    Returns:
        The labels.
    """
    found = {label for entry in entries for label in entry.labels[column]}
    return (NULL_LABEL, *sorted(found))


@dataclass(frozen=True)
class _Row:
    """One row while it is read, with where it stands, for errors."""

    manifest: Path
    number: int
    cells: Mapping[str, Any]

    def error(self, message: str) -> ManifestError:
        return ManifestError(f"{self.manifest}, row {self.number}: {message}")

    def text(self, column: str) -> str:
        """The cell as text; "" when the column or the value is missing."""
        value = self.cells.get(column)
        if isinstance(value, list | tuple | np.ndarray):  # a list column of a Parquet file
            return LABEL_SEPARATOR.join(str(item).strip() for item in value)
        if value is None or value is pandas.NA or (isinstance(value, float) and math.isnan(value)):
            return ""
        return str(value).strip()

    def seconds(self, column: str) -> float | None:
        text = self.text(column)
        if not text:
            return None
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not (math.isfinite(value) and value >= 0):
            raise self.error(f"{column} must be a time in seconds, at least 0, got {text!r}")
        return value

    def labels(self, column: str, *, many: bool) -> tuple[str, ...]:
        text = self.text(column)
        parts = [part.strip() for part in text.split(LABEL_SEPARATOR)] if many else [text]
        labels = tuple(dict.fromkeys(part for part in parts if part))
        if not labels:
            raise self.error(f"no label in column {column!r}")
        if NULL_LABEL in labels:
            raise self.error(f"label {NULL_LABEL!r} in column {column!r} is kept for absent sounds")
        return labels

    def name(self, column: str, default: str, max_length: int) -> str:
        text = self.text(column) or default
        if not _NAME.fullmatch(text) or len(text) > max_length:
            raise self.error(f"{column} must be at most {max_length} letters, digits, '_' and '-', got {text!r}")
        return text


def _entry(row: _Row, one_label: Sequence[str], many_labels: Sequence[str]) -> ManifestEntry:
    path_text = row.text("path")
    if not path_text:
        raise row.error("no path")
    start_s, end_s, midpoint_s = (row.seconds(column) for column in ("start_s", "end_s", "midpoint_s"))
    if end_s is not None and end_s <= (start_s or 0.0):
        raise row.error(f"end_s must come after the start, got {start_s or 0.0} to {end_s}")
    if midpoint_s is not None and not (start_s or 0.0) <= midpoint_s <= (math.inf if end_s is None else end_s):
        raise row.error(f"midpoint_s must lie within the clip, got {midpoint_s} for {start_s} to {end_s}")
    labels = {column: row.labels(column, many=False) for column in one_label}
    labels.update({column: row.labels(column, many=True) for column in many_labels})
    return ManifestEntry(
        row=row.number,
        key=row.name("key", _default_key(path_text, (start_s, end_s, midpoint_s)), MAX_KEY_LENGTH),
        path=row.manifest.parent / path_text,
        source=path_text,
        start_s=start_s,
        end_s=end_s,
        midpoint_s=midpoint_s,
        split=row.name("split", DEFAULT_SPLIT, MAX_KEY_LENGTH),
        labels=labels,
    )


def _default_key(path_text: str, times_s: tuple[float | None, ...]) -> str:
    """A name that one can recognise, followed by a digest that tells apart what it leaves out."""
    stem = re.sub(r"[^A-Za-z0-9_-]+", "_", Path(path_text).with_suffix("").as_posix()).strip("_")
    identity = "\n".join([Path(path_text).as_posix(), *map(repr, times_s)])
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


def _check_label_columns(manifest: Path, one_label: Sequence[str], many_labels: Sequence[str]) -> None:
    columns = [*one_label, *many_labels]
    if not columns:
        raise ManifestError(f"{manifest}: name at least one label column (one_label or many_labels)")
    if len(set(columns)) < len(columns):
        raise ManifestError(f"{manifest}: a label column is named twice in {columns}")
    wrong = [name for name in columns if name in RESERVED_COLUMNS or not _NAME.fullmatch(name)]
    if wrong:
        raise ManifestError(
            f"{manifest}: {wrong} cannot be label columns; names are of letters, digits, '_' and '-', and "
            f"{list(RESERVED_COLUMNS)} have their own meaning"
        )


def _read_table(manifest: Path) -> pandas.DataFrame:
    if not manifest.is_file():
        raise ManifestError(f"{manifest}: no such manifest")
    try:
        if manifest.suffix.lower() == ".csv":
            # Cells stay text: words such as "null", "nan" and "007" are labels like others.
            return pandas.read_csv(manifest, dtype=str, keep_default_na=False, index_col=False, encoding="utf-8")
        if manifest.suffix.lower() == ".parquet":
            return pandas.read_parquet(manifest)
    except (ValueError, OSError) as error:  # pandas' and pyarrow's parsing errors are ValueErrors
        raise ManifestError(f"{manifest}: not readable as a manifest ({error})") from error
    raise ManifestError(f"{manifest}: a manifest is a .csv or .parquet file")
