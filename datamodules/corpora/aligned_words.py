"""Words cut from recordings: alignments and the published rules of selection give a manifest."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from datamodules.audio import AudioError, audio_info
from datamodules.corpora.alignment_files import Alignments
from datamodules.corpora.alignments import NOT_WORDS, AlignedWord, AlignmentError
from datamodules.corpora.recordings import Recording, find_recordings
from datamodules.corpora.sounds import CorpusError, corpus_errors, write_manifest
from datamodules.corpora.voices import voices_of
from datamodules.corpora.word_selection import Removal, SelectionRules, select_words
from datamodules.folders.sound_folders import PassedOver, find_file, passed_over
from datamodules.text_files import nfc
from networks.text.wording import counted

_log = logging.getLogger(__name__)

_MOST_NAMED = 10
"""How many broken alignments, and recordings that cannot be read, are named; all are counted."""
_MOST_MARKS = 5
"""How many marks of noise the report names."""


class WordManifest(NamedTuple):
    """A manifest of words.

    Args:
        path: The manifest; its columns are path, midpoint_s, split, word and speaker, and sound_channel if
            speakers have channels of their own.
        num_clips: Number of its rows.
        removals: What was left out, by rule; the first entries are about recordings, alignments and marks.
        passed_over: What the folder of recordings holds in addition to them.
    """

    path: Path
    num_clips: int
    removals: tuple[Removal, ...]
    passed_over: tuple[PassedOver, ...] = ()


class _SpokenWord(NamedTuple):
    recording: Recording
    word: AlignedWord
    duration_s: float
    sound_channel: int | None


@dataclass
class _LeftOut:
    """What is left out before the rules of selection apply, counted."""

    no_alignment: int = 0
    broken_alignment: int = 0
    unreadable: int = 0
    silent_voices: int = 0
    unused_alignments: int = 0
    without_duration: int = 0
    after_end: int = 0
    marks: Counter[str] = field(default_factory=Counter)

    def removals(self) -> tuple[Removal, ...]:
        """The counts, those of rare things only where there are any."""
        marks = ", ".join(f"{mark} {times}" for mark, times in self.marks.most_common(_MOST_MARKS))
        always = (
            ("recordings without an alignment", self.no_alignment),
            ("recordings that cannot be read", self.unreadable),
        )
        sometimes = (
            ("recordings with a broken alignment", self.broken_alignment),
            ("speakers without words in the alignment of their recording", self.silent_voices),
            ("alignments without a recording", self.unused_alignments),
            ("words without duration", self.without_duration),
            ("words after the end of their recording", self.after_end),
            (f"marks of silence and noise ({marks})", self.marks.total()),
        )
        return tuple(Removal(rule, times, 0) for rule, times in (*always, *(pair for pair in sometimes if pair[1])))


def make_manifest(
    root: str | Path,
    out: str | Path,
    *,
    layout: str,
    alignments: str | Path | None = None,
    tier: str | None = None,
    not_words: Collection[str] | None = None,
    rules: SelectionRules | None = None,
    skip_bad: bool = False,
    keep_others: bool = False,
) -> WordManifest:
    """Write a manifest of the words of a corpus that pass the rules.

    Args:
        root: Folder of the recordings.
        out: Manifest to write, CSV or Parquet.
        layout: Name of the layout, see `datamodules.corpora.layouts`.
        alignments: Folder of TextGrid or CTM files; None is `root`.
        tier: Tier of words of the TextGrids; None finds it.
        not_words: Names of silence and noise in the alignments, which are no words; None are the usual ones, see
            `datamodules.corpora.alignments.NOT_WORDS`. What is in brackets is never a word.
        rules: The rules; None are the published ones.
        skip_bad: Leave out, and count, recordings whose alignment is broken. Otherwise it is an error.
        keep_others: Do not replace a file at `out` with other content.

    Returns:
        The manifest, and what each rule removed.

    Raises:
        CorpusError: The corpus has an unexpected layout, it is not clear who speaks in a recording, no word is left, or
            a file at `out` is to be kept.
    """
    recordings = [
        recording._replace(path=find_file(recording.path)) for recording in find_recordings(root, layout=layout)
    ]
    known = Alignments(
        Path(root),
        [recording.path for recording in recordings],
        None if alignments is None else Path(alignments),
        tier=tier,
        not_words=NOT_WORDS if not_words is None else {nfc(name.lower()) for name in not_words},
    )
    left_out = _LeftOut(unused_alignments=known.num_unused)
    spoken = list(_spoken(recordings, known, left_out, skip_bad=skip_bad))
    selection = select_words(
        [row.word.text for row in spoken],
        [row.recording.speaker for row in spoken],
        [row.word.midpoint_s for row in spoken],
        [row.duration_s for row in spoken],
        rules,
    )
    removals = (*left_out.removals(), *selection.removals)
    rows = [_row(row) for row, is_kept in zip(spoken, selection.kept, strict=True) if is_kept]
    if not rows:
        reasons = "; ".join(f"{removal.rule}: {removal.num_clips}" for removal in removals if removal.num_clips)
        raise CorpusError(
            f"{root}: none of {counted(len(spoken), 'word')} in {counted(len(recordings), 'recording')} is left "
            f"({reasons})"
        )
    with corpus_errors():
        others = passed_over(Path(root), [recording.path for recording in recordings])
    path = write_manifest(Path(out), rows, keep_others=keep_others)
    return WordManifest(path, len(rows), removals, others)


def _spoken(
    recordings: Sequence[Recording], alignments: Alignments, left_out: _LeftOut, *, skip_bad: bool
) -> Iterator[_SpokenWord]:
    by_path: dict[Path, list[Recording]] = {}
    for recording in recordings:
        by_path.setdefault(recording.path, []).append(recording)
    for path, listed in by_path.items():
        try:
            alignment = alignments.of(path)
        except AlignmentError as error:
            if not skip_bad:
                raise
            left_out.broken_alignment += 1
            if left_out.broken_alignment <= _MOST_NAMED:
                _log.warning("left out: %s", error)
            continue
        if alignment is None:
            left_out.no_alignment += 1
            continue
        try:
            info = audio_info(path, decodes=True)
        except AudioError as error:
            left_out.unreadable += 1
            if left_out.unreadable <= _MOST_NAMED:
                _log.warning("left out: %s", error)
            continue
        left_out.marks += alignment.marks
        left_out.without_duration += alignment.num_without_duration
        voices = voices_of(listed, alignment)
        left_out.silent_voices += len(listed) - len(voices)
        for recording, words, channel in voices:
            if channel is not None and channel > info.num_channels:
                raise CorpusError(
                    f"{path}: has {counted(info.num_channels, 'channel')}, but {recording.speaker!r} is listed on "
                    "channel "
                    f"{channel}"
                )
            there = [word for word in words if word.midpoint_s <= info.duration_s]
            if len(there) < len(words):
                _log.warning(
                    "%s: lasts %.3f s, but its alignment has %s after that, as if it was cut short",
                    *(path, info.duration_s, counted(len(words) - len(there), "word")),
                )
            left_out.after_end += len(words) - len(there)
            yield from (_SpokenWord(recording, word, info.duration_s, channel) for word in there)


def _row(spoken: _SpokenWord) -> dict[str, object]:
    return {
        "path": str(spoken.recording.path),
        "midpoint_s": round(spoken.word.midpoint_s, 5),
        "split": spoken.recording.split,
        "word": spoken.word.text,
        "speaker": spoken.recording.speaker,
        **({} if spoken.sound_channel is None else {"sound_channel": spoken.sound_channel}),
    }
