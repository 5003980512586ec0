"""Layouts: functions from the folder of a corpus to the rows of a manifest.

A row is a mapping with `path` (absolute, or relative to the corpus), labels, and any other column of
`datamodules.manifests.manifest`; `split` is "train" if it is missing. A row with `left_out`, the reason in a few words,
is reported but not used. A layout of your own is a function of the folder, or a class that is made from it and can be
iterated, named as `package.module:name` or `path/file.py:name`:

    # instruments.py
    from pathlib import Path

    from datamodules.folders.sound_folders import find_sounds

    def takes(folder: Path):
        \"\"\"INSTRUMENT/TAKE.wav; take 0 is for validation.\"\"\"
        for path in find_sounds(folder):
            split = "val" if path.stem == "0" else "train"
            yield {"path": path, "split": split, "instrument": path.parent.name}

    # cochlearn build CORPUS OUT --layout instruments:takes --one_label instrument
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, NamedTuple

from datamodules.building.build_report import BuildError
from datamodules.corpora.sounds import CorpusError, Row, corpus_errors, write_manifest
from datamodules.folders.sound_folders import PassedOver, SoundFolderError, located, passed_over
from datamodules.folders.split_names import SplitNameError
from datamodules.manifests.manifest import DEFAULT_SPLIT
from datamodules.text_files import nfc
from networks.commands.arguments import printable
from networks.named_objects import load_object, parse_object_name
from networks.user_code import user_code

Layout = Callable[[Path], Iterable[Mapping[str, Any]]]

LEFT_OUT = "left_out"
"""Column of rows that are reported but not used; its value is the reason."""

LAYOUTS = {
    "articles": "datamodules.corpora.recordings:articles",
    "commonvoice": "datamodules.corpora.recordings:common_voice",
    "esc50": "datamodules.corpora.published.esc50:esc50",
    "fsd50k": "datamodules.corpora.published.fsd50k:fsd50k",
    "fsdd": "datamodules.corpora.fsdd:digits",
    "genres": "datamodules.corpora.genres:class_folders",
    "gtzan": "datamodules.corpora.published.gtzan:gtzan",
    "librispeech": "datamodules.corpora.recordings:librispeech",
    "musan": "datamodules.corpora.published.musan:musan",
    "speech_commands": "datamodules.corpora.published.speech_commands:speech_commands",
    "sounds": "datamodules.corpora.unlabelled:all_sounds",
    "table": "datamodules.corpora.recordings:listed",
    "voxceleb": "datamodules.corpora.published.voxceleb:voxceleb",
}
"""Our own layouts, imported when they are used."""


class CorpusManifest(NamedTuple):
    """A manifest, and what its corpus holds in addition."""

    path: Path
    passed_over: tuple[PassedOver, ...]


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
        The rows in the order of the layout, each with an absolute path as text and a split; without those left out.

    Raises:
        CorpusError: There is no such folder or layout, it gives no rows, or a row lacks a column; names the row.
    """
    rows = [row for row in _all_rows(Path(folder), layout, columns) if LEFT_OUT not in row]
    if not rows:
        raise CorpusError(f"{folder}: layout {layout!r} finds nothing there")
    return rows


def make_manifest(folder: str | Path, out: str | Path, *, layout: str, keep_others: bool = False) -> CorpusManifest:
    """Write the manifest of a corpus.

    Args:
        folder: Folder of the corpus.
        out: Manifest to write, CSV or Parquet.
        layout: Name of the layout.
        keep_others: Do not replace a file at `out` with other content.

    Returns:
        The manifest, and what the corpus holds in addition.

    Raises:
        CorpusError: As `corpus_rows`, or a file at `out` is to be kept.
    """
    root = Path(folder)
    every = _all_rows(root, layout, ())
    used = [row for row in every if LEFT_OUT not in row]
    if not used:
        raise CorpusError(f"{folder}: layout {layout!r} finds nothing there")
    left_out = [PassedOver(str(row[LEFT_OUT]), _inside(root, str(row["path"]))) for row in every if LEFT_OUT in row]
    with corpus_errors():
        others = passed_over(root, [str(row["path"]) for row in every])
    path = write_manifest(Path(out), used, keep_others=keep_others)
    return CorpusManifest(path, tuple(sorted([*left_out, *others])))


def _all_rows(root: Path, layout: str, columns: Sequence[str]) -> list[Row]:
    found = load_layout(layout)
    if not root.is_dir():
        raise CorpusError(f"{root}: no such folder")
    rows: list[Row] = []
    with corpus_errors(), _running(layout):
        for number, row in enumerate(found(root), start=1):
            if not isinstance(row, Mapping):
                raise CorpusError(
                    f"layout {layout!r}, row {number}: expected a mapping such as a dictionary, got {row!r}"
                )
            lacking = [name for name in ("path", *columns) if row.get(name) in (None, "")]
            if lacking and not row.get(LEFT_OUT):
                raise CorpusError(f"layout {layout!r}, row {number}: {', '.join(lacking)} missing, got {dict(row)}")
            rows.append({"split": DEFAULT_SPLIT, **row, "path": str(located(root, row["path"]))})
    return rows


def _running(layout: str) -> AbstractContextManager[None]:
    """Say where a layout of a user raises an error. Built-in ones explain their errors themselves."""
    if layout in LAYOUTS:
        return nullcontext()
    return user_code(f"layout {layout!r}", raises=CorpusError, passes=(BuildError, SoundFolderError, SplitNameError))


def _inside(root: Path, path: str) -> str:
    base = root.resolve()
    return nfc(printable(Path(path).relative_to(base) if Path(path).is_relative_to(base) else path))
