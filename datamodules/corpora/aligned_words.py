"""Words cut from recordings: alignments and the published rules of selection give a manifest."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import soundfile

from datamodules.corpora.alignments import AlignedWord, read_ctm, read_textgrid
from datamodules.corpora.recordings import Recording, find_recordings
from datamodules.corpora.sounds import CorpusError, corpus_errors, write_manifest
from datamodules.corpora.word_selection import Removal, SelectionRules, select_words
from datamodules.sound_folders import PassedOver, find_files, nfc, passed_over

TEXTGRID_SUFFIX, CTM_SUFFIX = ".textgrid", ".ctm"


class WordManifest(NamedTuple):
    """A manifest of words.

    Args:
        path: The manifest; its columns are path, midpoint_s, split ("train"), word and speaker.
        num_clips: Number of its rows.
        removals: What was left out, by rule; the first entries are about whole recordings.
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


class Alignments:
    """The alignments of a corpus, by recording.

    A TextGrid is searched next to the recording, then in the folder of alignments at the path of the recording, then
    anywhere in that folder by name. CTM files hold many recordings, by name.

    Args:
        root: Folder of the recordings.
        folder: Folder of the alignments; None is the same folder.
        tier: Tier of words of the TextGrids; None finds it.

    Raises:
        CorpusError: There are no alignments, or a CTM file is broken.
    """

    def __init__(self, root: Path, folder: Path | None = None, *, tier: str | None = None) -> None:
        self._root = root.resolve()
        self._folder = self._root if folder is None else folder.resolve()
        self._tier = tier
        with corpus_errors():
            found = find_files(self._folder, lambda path: path.suffix.lower() in (TEXTGRID_SUFFIX, CTM_SUFFIX))
        if not found:
            raise CorpusError(f"{self._folder}: has no alignments (*.TextGrid or *.ctm)")
        grids = [path for path in found if path.suffix.lower() == TEXTGRID_SUFFIX]
        self._by_path = {nfc(str(path.with_suffix(""))): path for path in grids}
        self._by_name: dict[str, list[Path]] = {}
        for path in grids:
            self._by_name.setdefault(nfc(path.stem), []).append(path)
        self._words = {
            nfc(name): words for path in found if path not in grids for name, words in read_ctm(path).items()
        }

    def words(self, recording: Path) -> list[AlignedWord] | None:
        """The words of a recording; None if it has no alignment.

        Raises:
            CorpusError: The alignment is broken, or several have the name of the recording.
        """
        name = nfc(recording.stem)
        places = [recording.with_suffix("")]
        if recording.is_relative_to(self._root):
            places.append(self._folder / recording.relative_to(self._root).with_suffix(""))
        grid = next((self._by_path[nfc(str(place))] for place in places if nfc(str(place)) in self._by_path), None)
        if grid is None and len(self._by_name.get(name, [])) > 1:
            raise CorpusError(f"{recording}: several alignments have its name: {self._by_name[name]}")
        if grid is None and name in self._by_name:
            grid = self._by_name[name][0]
        return self._words.get(name) if grid is None else read_textgrid(grid, tier=self._tier)


def make_manifest(
    root: str | Path,
    out: str | Path,
    *,
    layout: str,
    alignments: str | Path | None = None,
    tier: str | None = None,
    rules: SelectionRules | None = None,
) -> WordManifest:
    """Write a manifest of the words of a corpus that pass the rules.

    Args:
        root: Folder of the recordings.
        out: Manifest to write, CSV or Parquet.
        layout: Name of the layout, see `datamodules.corpora.layouts`.
        alignments: Folder of TextGrid or CTM files; None is `root`.
        tier: Tier of words of the TextGrids; None finds it.
        rules: The rules; None are the published ones.

    Returns:
        The manifest, and what each rule removed.

    Raises:
        CorpusError: The corpus has another form, or no word is left.
    """
    recordings = find_recordings(root, layout=layout)
    known = Alignments(Path(root), None if alignments is None else Path(alignments), tier=tier)
    skipped = {"recordings without an alignment": 0, "recordings that cannot be read": 0}
    spoken = list(_spoken(recordings, known, skipped))
    selection = select_words(
        [row.word.text for row in spoken],
        [row.recording.speaker for row in spoken],
        [row.word.midpoint_s for row in spoken],
        [row.duration_s for row in spoken],
        rules,
    )
    removals = (*(Removal(rule, count, 0) for rule, count in skipped.items()), *selection.removals)
    rows = [_row(row) for row, is_kept in zip(spoken, selection.kept, strict=True) if is_kept]
    if not rows:
        reasons = "; ".join(f"{removal.rule}: {removal.num_clips}" for removal in removals if removal.num_clips)
        raise CorpusError(f"{root}: none of {len(spoken)} words in {len(recordings)} recordings is left ({reasons})")
    with corpus_errors():
        others = passed_over(Path(root), [recording.path for recording in recordings])
    return WordManifest(write_manifest(Path(out), rows), len(rows), removals, others)


def _spoken(recordings: Sequence[Recording], alignments: Alignments, skipped: dict[str, int]) -> Iterator[_SpokenWord]:
    no_alignment, unreadable = skipped
    for recording in recordings:
        words = alignments.words(recording.path)
        if words is None:
            skipped[no_alignment] += 1
            continue
        try:
            duration_s = float(soundfile.info(recording.path).duration)
        except soundfile.SoundFileError:
            skipped[unreadable] += 1
            continue
        yield from (_SpokenWord(recording, word, duration_s) for word in words)


def _row(spoken: _SpokenWord) -> dict[str, object]:
    return {
        "path": str(spoken.recording.path),
        "midpoint_s": round(spoken.word.midpoint_s, 5),
        "split": "train",
        "word": spoken.word.text,
        "speaker": spoken.recording.speaker,
    }
