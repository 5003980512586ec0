"""The rows of a folder or a manifest that is inspected before it is built."""

from __future__ import annotations

import codecs
import csv
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from datamodules.corpora.sounds import find_sounds
from datamodules.manifests.inspection import SPEAKER_COLUMNS, InspectedRow
from datamodules.manifests.manifest import (
    DEFAULT_SPLIT,
    LABEL_SEPARATOR,
    RESERVED_COLUMNS,
    ManifestEntry,
    ManifestError,
    RowError,
    read_manifest,
)

FOLDER_COLUMN = "folder"
"""What the classes of a folder of folders are called: the column that a layout would make of them."""

_SPLIT_OF_NAME = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev"), "val"),
    **dict.fromkeys(("test", "testing", "eval"), "test"),
}
_MAX_DISTINCT = 0.5
"""A column with more different values than this fraction of the rows is no column of labels."""
_BOMS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


def rows_of_folder(folder: Path) -> list[InspectedRow]:
    """Rows of a folder: `[SPLIT/][CLASS/].../SOUND`.

    Raises:
        CorpusError: There are no sounds in it.
    """
    rows = []
    for path in find_sounds(folder):
        names = list(_relative(path, folder).parts[:-1])
        split = _SPLIT_OF_NAME.get(names[0].casefold(), "") if names else ""
        labels = names[1:2] if split else names[:1]
        columns = {FOLDER_COLUMN: tuple(labels)} if labels else {}
        rows.append(InspectedRow(str(_relative(path, folder)), path, split or DEFAULT_SPLIT, columns))
    return rows


def rows_of_manifest(manifest: Path, columns: Sequence[str] = ()) -> tuple[list[InspectedRow], list[RowError]]:
    """Rows of a manifest, and those that cannot be used.

    Args:
        manifest: The manifest.
        columns: Columns of labels; by default all whose values repeat, and those of speakers.

    Returns:
        The rows, and the errors of those that cannot be used. Rows in HDF5 files have no file to be heard.

    Raises:
        ManifestError: The manifest cannot be used.
    """
    names = list(columns) or [name for name in _columns(manifest) if _may_hold_labels(name)]
    if not names:
        raise ManifestError(f"{manifest}: no column of labels; it has {_columns(manifest)}")
    wrong: list[RowError] = []
    entries = read_manifest(manifest, one_label=names, may_be_unlabelled=names, skipped=wrong)
    kept = names if columns else [name for name in names if _holds_labels(entries, name)]
    rows = [
        InspectedRow(
            f"{manifest.name}, row {entry.row}",
            entry.path,
            entry.split,
            {name: _labels(entry, name) for name in kept},
            entry.start_s or 0.0,
            entry.end_s,
        )
        for entry in entries
        if entry.hdf5 is None
    ]
    return rows, wrong


def _labels(entry: ManifestEntry, column: str) -> tuple[str, ...]:
    parts = (part.strip() for label in entry.labels[column] for part in label.split(LABEL_SEPARATOR))
    return tuple(dict.fromkeys(part for part in parts if part))


def _may_hold_labels(name: str) -> bool:
    is_name = name.isascii() and name.replace("_", "").replace("-", "").isalnum()
    return is_name and name not in RESERVED_COLUMNS


def _holds_labels(entries: Sequence[ManifestEntry], column: str) -> bool:
    counts = Counter(label for entry in entries for label in _labels(entry, column))
    return bool(counts) and (column in SPEAKER_COLUMNS or len(counts) <= max(1, _MAX_DISTINCT * counts.total()))


def _columns(manifest: Path) -> list[str]:
    if not manifest.is_file():
        raise ManifestError(f"{manifest}: no such manifest")
    if manifest.suffix.lower() == ".parquet":
        from pyarrow import parquet

        try:
            return list(parquet.read_schema(manifest).names)
        except (ValueError, OSError) as error:
            raise ManifestError(f"{manifest}: not readable as a manifest ({error})") from error
    with manifest.open("rb") as file:
        start = file.read(4)
    encoding = next((name for bom, name in _BOMS if start.startswith(bom)), "utf-8")
    try:
        with manifest.open(encoding=encoding, newline="") as file:
            return next(csv.reader(file), [])
    except (UnicodeError, csv.Error) as error:
        raise ManifestError(f"{manifest}: not readable as a manifest ({error})") from error


def _relative(path: Path, folder: Path) -> Path:
    for root in (folder, folder.absolute(), folder.resolve()):
        if path.is_relative_to(root):
            return path.relative_to(root)
    return path
