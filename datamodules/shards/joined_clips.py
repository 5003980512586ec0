"""Several corpora as one: their clips, and the union of their labels."""

from collections.abc import Mapping, Sequence

import numpy as np

from datamodules.shards.clip_sources import ClipSource
from datamodules.shards.index import ShardError
from datamodules.shards.label_numbers import LabelNumbers
from datamodules.shards.reader import Clip
from datamodules.shards.streaming import StreamedClips
from datamodules.tasks import UNLABELLED, LabelSet


class JoinedClips:
    """The clips of several corpora, one corpus after the other, as a `ClipSource`.

    A label column has the classes of all corpora that have the column: those of the first corpus, then those that only
    the second has, and so on. Clips of corpora without the column are unlabelled.

    Args:
        sources: The corpora.
        shares: Parts of all draws in training that each corpus gets, in any unit; None gives each clip the same.

    Raises:
        ShardError: The sample rates differ, or a column has one label per clip in one corpus and many in another, or
            another null label.
    """

    def __init__(self, sources: Sequence[ClipSource], shares: Sequence[float] | None = None) -> None:
        self.sources = tuple(sources)
        self.shares = None if shares is None else tuple(shares)
        self._starts = np.cumsum([0, *map(len, sources)])
        self._check_rates()
        names = dict.fromkeys(name for source in sources for name in source.label_sets)
        self._label_sets = {name: self._joined(name) for name in names}
        self._classes = [
            {name: _class_map(label_set, self._label_sets[name]) for name, label_set in source.label_sets.items()}
            for source in sources
        ]

    def __len__(self) -> int:
        """Number of clips."""
        return int(self._starts[-1])

    @property
    def folder(self) -> str:
        """Locations of the clips, for messages."""
        return " + ".join(str(source.folder) for source in self.sources)

    @property
    def sample_rate_hz(self) -> int:
        """Sample rate of all clips in Hz."""
        return self.sources[0].sample_rate_hz

    @property
    def label_sets(self) -> Mapping[str, LabelSet]:
        """The classes of each label column."""
        return self._label_sets

    @property
    def corpus_of_clip(self) -> np.ndarray:
        """Index of each clip's corpus, (num_clips,) int."""
        return np.repeat(np.arange(len(self.sources)), np.diff(self._starts))

    def read(self, i: int, *, whole: bool = True) -> Clip:
        """Read clip `i`, see `ClipSource`; raises `ShardError` if it cannot be read."""
        if not 0 <= i < len(self):
            raise IndexError(f"{self.folder} has {len(self)} clips, there is no clip {i}")
        corpus = int(np.searchsorted(self._starts, i, side="right")) - 1
        clip = self.sources[corpus].read(i - int(self._starts[corpus]), whole=whole)
        return clip._replace(labels={name: self._numbers(corpus, name, clip) for name in self._label_sets})

    def label_numbers(self, name: str) -> LabelNumbers:
        """Class numbers of all clips in a label set.

        Raises:
            KeyError: There is no such label set.
            AttributeError: A corpus is streamed, so that its labels are unknown until its clips are read.
        """
        self._label_sets[name]
        parts = [self._numbers_of_corpus(corpus, name) for corpus in range(len(self.sources))]
        return LabelNumbers(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))

    def __repr__(self) -> str:
        return f"JoinedClips({', '.join(map(repr, self.sources))})"

    def _numbers_of_corpus(self, corpus: int, name: str) -> LabelNumbers:
        source, start = self.sources[corpus], int(self._starts[corpus])
        if name not in source.label_sets:
            return LabelNumbers(np.full(len(source), UNLABELLED), start + np.arange(len(source)))
        found: LabelNumbers = source.label_numbers(name)  # type: ignore[attr-defined]  # not of streamed clips
        classes = np.append(self._classes[corpus][name], UNLABELLED)  # UNLABELLED, -1, is the last
        return LabelNumbers(classes[found.numbers], start + found.clips)

    def _numbers(self, corpus: int, name: str, clip: Clip) -> int | tuple[int, ...]:
        is_one = self._label_sets[name].kind == "one_label"
        if name not in clip.labels:
            return UNLABELLED if is_one else (UNLABELLED,)
        found, classes = clip.labels[name], self._classes[corpus][name]
        numbers = (found,) if isinstance(found, int) else found
        joined = tuple(UNLABELLED if number == UNLABELLED else int(classes[number]) for number in numbers)
        return joined[0] if is_one else tuple(sorted(joined))

    def _check_rates(self) -> None:
        first = self.sources[0]
        for source in self.sources[1:]:
            if source.sample_rate_hz != first.sample_rate_hz:
                raise ShardError(
                    f"{source.folder}: has a sample rate of {source.sample_rate_hz} Hz, {first.folder} has "
                    f"{first.sample_rate_hz} Hz: build both at the same rate"
                )

    def _joined(self, name: str) -> LabelSet:
        having = [source for source in self.sources if name in source.label_sets]
        first = having[0].label_sets[name]
        for source in having[1:]:
            other = source.label_sets[name]
            if (other.kind, other.null_label) != (first.kind, first.null_label):
                raise ShardError(
                    f"label column {name!r} is {other.kind} with the null label {other.null_label!r} in "
                    f"{source.folder}, but {first.kind} with {first.null_label!r} in {having[0].folder}: build them "
                    "alike, or rename one of the columns"
                )
        labels = dict.fromkeys(label for source in having for label in source.label_sets[name].labels)
        return LabelSet(first.kind, tuple(labels), first.null_label)


def is_streamed(clips: ClipSource | None) -> bool:
    """Whether clips, or those of one of several corpora, can only be read in the order of their shards."""
    sources = clips.sources if isinstance(clips, JoinedClips) else (clips,)
    return any(isinstance(source, StreamedClips) for source in sources)


def _class_map(label_set: LabelSet, joined: LabelSet) -> np.ndarray:
    """Class in the joined label set of each class of a corpus."""
    place = {label: number for number, label in enumerate(joined.labels)}
    return np.array([place[label] for label in label_set.labels])
