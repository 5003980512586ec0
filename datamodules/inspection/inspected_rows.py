"""The rows of a folder or a manifest that is inspected before it is built."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from datamodules.corpora.sounds import sounds_of
from datamodules.expansion import check_parquet
from datamodules.folders.split_names import are_subsets, split_of_subset, usual_split
from datamodules.inspection.findings import SPEAKER_COLUMNS, InspectedRow
from datamodules.manifests.manifest import (
    DEFAULT_SPLIT,
    LABEL_SEPARATOR,
    RESERVED_COLUMNS,
    ManifestEntry,
    ManifestError,
    RowError,
    read_manifest,
)
from datamodules.tables import TextTableError, read_text_table, separator_hint
from datamodules.text_files import TextFileError

FOLDER_COLUMN = "folder"
"""What the classes of a folder of folders are called: the column that a layout would make of them."""

_MAX_DISTINCT = 0.5
"""A column with more different values than this fraction of the rows is no column of labels."""


def rows_of_folder(folder: Path) -> list[InspectedRow]:
    """Rows of a folder: `[SPLIT/][CLASS/].../SOUND`.

    Raises:
        CorpusError: There are no sounds in it.
    """
    sounds = {path: _relative(path, folder).parts[:-1] for path in sounds_of(folder)}
    splits = _splits({names[0] for names in sounds.values() if names})
    rows = []
    for path, names in sounds.items():
        split = splits.get(names[0]) if names else None
        labels = names[1:2] if split else names[:1]
        columns = {FOLDER_COLUMN: tuple(labels)} if labels else {}
        rows.append(InspectedRow(str(_relative(path, folder)), path, split or DEFAULT_SPLIT, columns))
    return rows


def _splits(folders: set[str]) -> dict[str, str | None]:
    """The split of each folder that names one, or a part of one if all do."""
    has_subsets = are_subsets(folders)
    return {name: usual_split(name) or (split_of_subset(name) if has_subsets else None) for name in folders}


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
        found = _columns(manifest)
        raise ManifestError(f"{manifest}: no column of labels; it has {found}{separator_hint(found)}")
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
            check_parquet(manifest)
            return list(parquet.read_schema(manifest).names)
        except (ValueError, OSError) as error:
            raise ManifestError(f"{manifest} cannot be read as a manifest ({error})") from error
    try:
        return list(read_text_table(manifest).columns)
    except (TextTableError, TextFileError) as error:
        raise ManifestError(str(error)) from error


def _relative(path: Path, folder: Path) -> Path:
    for root in (folder, folder.absolute(), folder.resolve()):
        if path.is_relative_to(root):
            return path.relative_to(root)
    return path
