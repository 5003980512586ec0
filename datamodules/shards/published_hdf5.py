"""The published Word-Speaker-Noise files (Feather et al. 2019): which rows of which HDF5 files are which clips.

A folder holds `train_*/JSIN_all__run_*.h5` and `valid_*/JSIN_all__run_*.h5`. Each file has the datasets, paired row
by row,

- `sources/signal/signal` (rows, samples), `sources/signal/word_int` and `sources/signal/speaker_int` (rows);
- `sources/noise/signal` (rows, samples) and `sources/noise/labels_binary_via_int` (rows, classes).

A row whose signal has the null class, or whose noise has the null class or none, has no clip on that side, as both
sides are drawn independently here. Names of the classes may be given in `word_labels.txt`, `speaker_labels.txt` and
`audioset_labels.txt` next to the folders, one per line in the order of the numbers; otherwise class 0 is the null class
and the others are named by their number. The published files do not state their sample rate, which is 20 kHz; other
files may do so in an attribute `sample_rate_hz`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from datamodules.audio import MAX_SOURCE_RATE_HZ, PUBLISHED_SAMPLE_RATE_HZ, AudioError
from datamodules.manifests.label_lists import read_label_list
from datamodules.shards.hdf5 import attribute, dataset_shape, read_rows
from datamodules.tasks import NULL_LABEL, LabelSet, Side

FILE_PATTERNS = {"train": "train_*/JSIN_all__run_*.h5", "val": "valid_*/JSIN_all__run_*.h5"}
SOUND_DATASETS: dict[Side, str] = {"signal": "sources/signal/signal", "noise": "sources/noise/signal"}
NUMBER_DATASETS = {"word": "sources/signal/word_int", "speaker": "sources/signal/speaker_int"}
BINARY_DATASET = "sources/noise/labels_binary_via_int"
BINARY_NAME = "audioset"
SAMPLE_RATE_ATTRIBUTE = "sample_rate_hz"
MAX_CLASSES = 10**6
"""Larger numbers of classes are no numbers of classes: a name is made for each."""


class PublishedRows(NamedTuple):
    """The clips of one side in one file.

    Args:
        path: The file.
        number: Index of the file in its split.
        rows: (N,) rows that have a clip.
        labels: For each label set and clip, the class number, or an array of them.
    """

    path: Path
    number: int
    rows: np.ndarray
    labels: dict[str, list[int] | list[np.ndarray]]


@dataclass(frozen=True)
class PublishedFiles:
    """The files of a folder.

    Args:
        folder: The folder.

    Raises:
        AudioError: From the methods: there are no such files, or one is broken or has another layout.
    """

    folder: Path

    def paths(self, split: str) -> list[Path]:
        """The files of "train" or "val", sorted."""
        pattern = FILE_PATTERNS.get(split)
        found = [] if pattern is None else sorted(self.folder.glob(pattern))
        if not found:
            raise AudioError(
                f"{self.folder}: no files for the split {split!r}; expected {', '.join(FILE_PATTERNS.values())}",
                kind="missing",
            )
        return found

    def splits(self) -> list[str]:
        """The splits that have files."""
        return [split for split, pattern in FILE_PATTERNS.items() if any(self.folder.glob(pattern))]

    def sample_rate_hz(self) -> int:
        """Sample rate in Hz, which all files must share."""
        rates = {}
        for split in self.splits():
            for path in self.paths(split):
                rates[_sample_rate_hz(path)] = path
        if len(rates) > 1:
            raise AudioError(f"{self.folder}: files of different sample rates, e.g. {rates}", kind="wrong rate")
        return next(iter(rates), PUBLISHED_SAMPLE_RATE_HZ)

    def label_sets(self, side: Side) -> dict[str, LabelSet]:
        """The classes of one side, the same for all splits."""
        paths = [path for split in self.splits() for path in self.paths(split)]
        if not paths:
            raise AudioError(f"{self.folder}: no files; expected {', '.join(FILE_PATTERNS.values())}", kind="missing")
        if side == "noise":
            widths = {dataset_shape(path, BINARY_DATASET)[1:]: path for path in paths}
            if len(widths) != 1 or len(next(iter(widths))) != 1 or next(iter(widths))[0] > MAX_CLASSES:
                raise AudioError(
                    f"{self.folder}: {BINARY_DATASET} must be rows of equal width, at most {MAX_CLASSES}, got {widths}"
                )
            return {BINARY_NAME: LabelSet("many_labels", self._labels(BINARY_NAME, next(iter(widths))[0]))}
        sizes = {
            name: 1 + max(_largest_class(path, dataset) for path in paths) for name, dataset in NUMBER_DATASETS.items()
        }
        return {name: LabelSet("one_label", self._labels(name, size)) for name, size in sizes.items()}

    def rows(self, split: str, side: Side, label_sets: dict[str, LabelSet]) -> Iterator[PublishedRows]:
        """Yield the clips of a side, file by file.

        Args:
            split: "train" or "val".
            side: "signal" or "noise".
            label_sets: Label sets of the side, see `label_sets`.
        """
        for number, path in enumerate(self.paths(split)):
            shape = dataset_shape(path, SOUND_DATASETS[side])
            if len(shape) != 2:
                raise AudioError(f"{path}: {SOUND_DATASETS[side]} must be (rows, samples), got {shape}")
            yield (_noise_rows if side == "noise" else _signal_rows)(path, number, shape[0], label_sets)

    def _labels(self, name: str, num_classes: int) -> tuple[str, ...]:
        path = self.folder / f"{name}_labels.txt"
        if not path.is_file():
            return (NULL_LABEL, *map(str, range(1, num_classes)))
        labels = read_label_list(path)
        if len(labels) < num_classes or (name == BINARY_NAME and len(labels) != num_classes):
            raise AudioError(f"{path}: has {len(labels)} labels with the null class, the files {num_classes} classes")
        return labels


def _sample_rate_hz(path: Path) -> int:
    stated = attribute(path, SAMPLE_RATE_ATTRIBUTE)
    if stated is None:
        return PUBLISHED_SAMPLE_RATE_HZ
    if np.ndim(stated) or not isinstance(stated, int | np.integer) or not 0 < stated <= MAX_SOURCE_RATE_HZ:
        raise AudioError(
            f"{path}: {SAMPLE_RATE_ATTRIBUTE} must be an integer up to {MAX_SOURCE_RATE_HZ}, got {stated!r}",
            kind="wrong rate",
        )
    return int(stated)


def _largest_class(path: Path, dataset: str) -> int:
    numbers = read_rows(path, dataset)
    if numbers.dtype.kind not in "iu" or numbers.max(initial=0) >= MAX_CLASSES:
        raise AudioError(f"{path}: {dataset} must be integers below {MAX_CLASSES}, got {numbers.dtype}, {numbers}")
    return int(numbers.max(initial=0))


def clip_key(split: str, number: int, row: int) -> str:
    """Key of a clip; sorted by key, clips come file by file and row by row."""
    return f"{split}-{number:05d}-{row:07d}"


def _signal_rows(path: Path, number: int, num_rows: int, label_sets: dict[str, LabelSet]) -> PublishedRows:
    numbers = {name: read_rows(path, dataset) for name, dataset in NUMBER_DATASETS.items()}
    has_clip = np.ones(num_rows, dtype=bool)
    for name, values in numbers.items():
        size = len(label_sets[name].labels)
        if values.shape != (num_rows,) or values.dtype.kind not in "iu" or not ((values >= 0) & (values < size)).all():
            raise AudioError(
                f"{path}: {NUMBER_DATASETS[name]} must be ({num_rows},) integers from 0 to {size - 1}, got "
                f"{values.dtype}, {values.shape}"
            )
        has_clip &= values != label_sets[name].labels.index(NULL_LABEL)
    rows = np.flatnonzero(has_clip)
    return PublishedRows(path, number, rows, {name: values[rows].tolist() for name, values in numbers.items()})


def _noise_rows(path: Path, number: int, num_rows: int, label_sets: dict[str, LabelSet]) -> PublishedRows:
    binary = read_rows(path, BINARY_DATASET) != 0
    if len(binary) != num_rows:
        raise AudioError(f"{path}: {BINARY_DATASET} has {len(binary)} rows, {SOUND_DATASETS['noise']} {num_rows}")
    null = label_sets[BINARY_NAME].labels.index(NULL_LABEL)
    rows = np.flatnonzero(binary.any(axis=1) & ~binary[:, null])
    return PublishedRows(path, number, rows, {BINARY_NAME: [np.flatnonzero(binary[row]) for row in rows]})
