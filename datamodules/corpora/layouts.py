"""Layouts: functions from the folder of a corpus to the rows of a manifest.

A row is a mapping with `path` (absolute, or relative to the corpus), labels, and any other column of
`datamodules.manifests.manifest`; `split` is "train" if it is missing. A layout of your own is a function of the folder,
or a class that is made from it and can be iterated, named as `package.module:name` or `path/file.py:name`:

    # instruments.py
    from pathlib import Path

    def takes(folder: Path):
        \"\"\"INSTRUMENT/TAKE.wav; take 0 is for validation.\"\"\"
        for path in sorted(folder.glob("*/*.wav")):
            split = "val" if path.stem == "0" else "train"
            yield {"path": path, "split": split, "instrument": path.parent.name}

    # python -m datamodules build CORPUS OUT --layout instruments:takes --one_label instrument
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from datamodules.corpora.sounds import CorpusError, Row, write_manifest
from datamodules.manifests.manifest import DEFAULT_SPLIT
from networks.named_objects import load_object, parse_object_name

Layout = Callable[[Path], Iterable[Mapping[str, Any]]]

LAYOUTS = {
    "articles": "datamodules.corpora.recordings:articles",
    "commonvoice": "datamodules.corpora.recordings:common_voice",
    "fsdd": "datamodules.corpora.fsdd:digits",
    "genres": "datamodules.corpora.genres:class_folders",
    "librispeech": "datamodules.corpora.recordings:librispeech",
    "table": "datamodules.corpora.recordings:listed",
}
"""Our own layouts, imported when they are used."""


def load_layout(name: str) -> Layout:
    """Find a layout.

    Args:
        name: One of `LAYOUTS`, or `package.module:name` or `path/file.py:name`, whose module is then executed.

    Returns:
        The layout.

    Raises:
        CorpusError: There is no such layout, or it cannot be called.
    """
    if name not in LAYOUTS and parse_object_name(name) is None:
        raise CorpusError(
            f"unknown layout {name!r}; known are {sorted(LAYOUTS)}. A layout of your own is named package.module:name "
            "or path/file.py:name"
        )
    try:
        layout: Layout = load_object(LAYOUTS.get(name, name))
    except ValueError as error:
        raise CorpusError(f"layout {name!r}: {error}") from error
    if not callable(layout):
        raise CorpusError(f"layout {name!r}: expected a function of the corpus folder, got {layout!r}")
    return layout


def corpus_rows(folder: str | Path, *, layout: str, columns: Sequence[str] = ()) -> list[Row]:
    """Apply a layout to a corpus.

    Args:
        folder: Folder of the corpus.
        layout: Name of the layout.
        columns: Columns that each row needs, in addition to `path`.

    Returns:
        The rows in the order of the layout, each with an absolute path as text and a split.

    Raises:
        CorpusError: There is no such folder or layout, it gives no rows, or a row lacks a column; names the row.
    """
    root = Path(folder)
    found = load_layout(layout)
    if not root.is_dir():
        raise CorpusError(f"{root}: no such folder")
    rows: list[Row] = []
    for number, row in enumerate(found(root), start=1):
        if not isinstance(row, Mapping):
            raise CorpusError(f"layout {layout!r}, row {number}: expected a mapping such as a dictionary, got {row!r}")
        lacking = [name for name in ("path", *columns) if row.get(name) in (None, "")]
        if lacking:
            raise CorpusError(f"layout {layout!r}, row {number}: {', '.join(lacking)} missing, got {dict(row)}")
        rows.append({"split": DEFAULT_SPLIT, **row, "path": str((root / row["path"]).resolve())})
    if not rows:
        raise CorpusError(f"{root}: layout {layout!r} finds nothing there")
    return rows


def make_manifest(folder: str | Path, out: str | Path, *, layout: str) -> Path:
    """Write the manifest of a corpus.

    Args:
        folder: Folder of the corpus.
        out: Manifest to write, CSV or Parquet.
        layout: Name of the layout.

    Returns:
        The manifest's path.

    Raises:
        CorpusError: As `corpus_rows`.
    """
    return write_manifest(Path(out), corpus_rows(folder, layout=layout))
