"""Clips read from the published HDF5 files without converting them to shards."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from datamodules.audio import AudioError
from datamodules.manifests.manifest import ManifestError
from datamodules.shards.hdf5 import read_sound
from datamodules.shards.index import ShardError
from datamodules.shards.label_numbers import LabelNumbers, from_starts
from datamodules.shards.published_hdf5 import SOUND_DATASETS, PublishedFiles, clip_key
from datamodules.shards.reader import Clip
from datamodules.tasks import LabelSet, Side


class Hdf5Clips:
    """One side of the published files of a split, as a `ClipSource`.

    These are the clips of the shards that `python -m datamodules hdf5` makes, in the same order. Only the rounding to
    16 bits is missing, and rows without any sound, which the shards leave out, are silent clips.

    Args:
        folder: The folder, see `datamodules.shards.published_hdf5`.
        split: "train" or "val".
        side: "signal" (labels word and speaker) or "noise" (labels audioset).

    Raises:
        ShardError: There are no such files, one is broken, or h5py is missing.
    """

    def __init__(self, folder: Path, split: str, *, side: Side) -> None:
        self.folder = folder
        self._split = split
        self._dataset = SOUND_DATASETS[side]
        files = PublishedFiles(folder)
        try:
            self._label_sets = files.label_sets(side)
            self._sample_rate_hz = files.sample_rate_hz()
            found = list(files.rows(split, side, self._label_sets))
        except (AudioError, ManifestError) as error:
            raise ShardError(str(error)) from error
        self._paths = [rows.path for rows in found]
        self._rows = np.concatenate([rows.rows for rows in found])
        self._file = np.repeat(np.arange(len(found)), [len(rows.rows) for rows in found])
        self._columns = {name: _Column([rows.labels[name] for rows in found]) for name in self._label_sets}

    def __len__(self) -> int:
        """Number of clips."""
        return len(self._rows)

    @property
    def sample_rate_hz(self) -> int:
        """Sample rate of all clips in Hz."""
        return self._sample_rate_hz

    @property
    def label_sets(self) -> Mapping[str, LabelSet]:
        """The classes of each label column."""
        return self._label_sets

    def key(self, i: int) -> str:
        """Name of clip `i`."""
        return clip_key(self._split, int(self._file[i]), int(self._rows[i]))

    def labels(self, i: int) -> dict[str, int | tuple[int, ...]]:
        """Class numbers of clip `i`, without reading its sound."""
        return {
            name: column[i][0] if self._label_sets[name].kind == "one_label" else column[i]
            for name, column in self._columns.items()
        }

    def label_numbers(self, name: str) -> LabelNumbers:
        """Class numbers of all clips in a label set.

        Raises:
            KeyError: There is no such label set.
        """
        return self._columns[name].numbers()

    def read(self, i: int, *, whole: bool = True) -> Clip:
        """Read clip `i`, whose midpoint is its middle.

        Args:
            i: Index of the clip, 0 to `len(self) - 1`.
            whole: Without effect: a row is as long as an example.

        Raises:
            IndexError: There is no clip `i`.
            ShardError: It cannot be read, or its samples are not finite.
        """
        if not 0 <= i < len(self):
            raise IndexError(f"{self.folder} has {len(self)} clips, there is no clip {i}")
        try:
            waveform = read_sound(self._paths[self._file[i]], self._dataset, int(self._rows[i]))
        except AudioError as error:
            raise ShardError(f"clip {self.key(i)!r}: {error}") from error
        return Clip(self.key(i), waveform, len(waveform) // 2, self.labels(i))

    def __repr__(self) -> str:
        return f"Hdf5Clips({str(self.folder)!r}, {self._split!r}: {len(self)} clips, {sorted(self._label_sets)})"


class _Column:
    """Class numbers of all clips as flat arrays."""

    def __init__(self, parts: list[list[int] | list[np.ndarray]]) -> None:
        numbers = [np.atleast_1d(value) for part in parts for value in part]
        self._values = np.concatenate(numbers) if numbers else np.zeros(0, dtype=np.int64)
        self._starts = np.cumsum([0, *map(len, numbers)])

    def numbers(self) -> LabelNumbers:
        return from_starts(self._values, self._starts)

    def __getitem__(self, i: int) -> tuple[int, ...]:
        return tuple(self._values[self._starts[i] : self._starts[i + 1]].tolist())
