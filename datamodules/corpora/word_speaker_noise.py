"""Manifests of the published Word-Speaker-Noise HDF5 files, one row per clip, for conversion to shards."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from datamodules.audio import AudioError
from datamodules.corpora.sounds import CorpusError, corpus_errors, keeping_others, write_manifest
from datamodules.files import write_text
from datamodules.folders.sound_folders import NOT_USED, PassedOver, find_files, passed_over
from datamodules.manifests.manifest import LABEL_SEPARATOR
from datamodules.shards.published_hdf5 import SOUND_DATASETS, PublishedFiles, clip_key
from datamodules.tasks import LabelSet, Side
from datamodules.text_files import nfc

_SUFFIXES = (".h5", ".hdf5")


class Hdf5Manifest(NamedTuple):
    """A manifest of one side of the files.

    Args:
        path: The manifest, Parquet.
        label_sets: The classes of each label column.
        label_lists: File that lists the classes of each label column.
        sample_rate_hz: Sample rate of the clips in Hz.
    """

    path: Path
    label_sets: dict[str, LabelSet]
    label_lists: dict[str, Path]
    sample_rate_hz: int


def make_manifest(folder: str | Path, out: str | Path, *, side: Side, keep_others: bool = False) -> Hdf5Manifest:
    """Write a manifest of one side of the published files, for the builder to convert.

    Args:
        folder: The folder, see `datamodules.shards.published_hdf5`.
        out: Folder for the manifest `SIDE.parquet` and the lists of labels; created if it does not exist.
        side: "signal" or "noise".
        keep_others: Do not replace files in `out` with other content.

    Returns:
        The manifest.

    Raises:
        CorpusError: There are no such files, one is broken, or a file in `out` is to be kept.
    """
    files, out = PublishedFiles(Path(folder).resolve()), Path(out)
    out.mkdir(parents=True, exist_ok=True)
    try:
        label_sets = files.label_sets(side)
        sample_rate_hz = files.sample_rate_hz()
        rows = [row for split in files.splits() for row in _rows(files, split, side, label_sets, sample_rate_hz)]
    except AudioError as error:
        raise CorpusError(str(error)) from error
    if not rows:
        raise CorpusError(f"{folder}: no clip on the side {side!r}; expected train_*/JSIN_all__run_*.h5 and valid_*")
    lists = {name: out / f"{side}_{name}.txt" for name in label_sets}
    for name, path in lists.items():
        with keeping_others(path):
            write_text(path, "".join(f"{label}\n" for label in label_sets[name].labels), keep_others=keep_others)
    path = write_manifest(manifest_path(out, side), rows, keep_others=keep_others)
    return Hdf5Manifest(path, label_sets, lists, sample_rate_hz)


def in_addition(folder: Path) -> tuple[PassedOver, ...]:
    """What the folder holds in addition to the published files, HDF5 files of other names among them."""
    root = folder.resolve()
    files = PublishedFiles(root)
    used = {path for split in files.splits() for path in files.paths(split)}
    with corpus_errors():
        found = find_files(root, lambda path: path.suffix.lower() in _SUFFIXES)
        others = [PassedOver(NOT_USED, nfc(str(path.relative_to(root)))) for path in found if path not in used]
        return tuple(sorted([*others, *passed_over(root, used)]))


def manifest_path(folder: Path, side: Side) -> Path:
    """Path of the manifest of one side in the folder of manifests."""
    return folder / f"{side}.parquet"


def _rows(
    files: PublishedFiles, split: str, side: Side, label_sets: dict[str, LabelSet], sample_rate_hz: int
) -> list[dict[str, object]]:
    rows = []
    for found in files.rows(split, side, label_sets):
        for place, row in enumerate(found.rows.tolist()):
            labels = {name: _names(label_sets[name], values[place]) for name, values in found.labels.items()}
            rows.append(
                {
                    "path": str(found.path),
                    "split": split,
                    "key": clip_key(split, found.number, row),
                    "hdf5_dataset": SOUND_DATASETS[side],
                    "hdf5_row": row,
                    "hdf5_sample_rate_hz": sample_rate_hz,
                    **labels,
                }
            )
    return rows


def _names(label_set: LabelSet, numbers: int | np.ndarray) -> str:
    return LABEL_SEPARATOR.join(label_set.labels[number] for number in np.atleast_1d(numbers))
