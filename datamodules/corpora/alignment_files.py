"""Finding the alignment of each recording of a corpus."""

import os
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from datamodules.corpora.alignments import NOT_WORDS, Alignment, AlignmentError, read_ctm, read_textgrid
from datamodules.corpora.sounds import CorpusError, corpus_errors
from datamodules.folders.sound_folders import find_files
from datamodules.text_files import nfc

TEXTGRID_SUFFIX, CTM_SUFFIX = ".textgrid", ".ctm"


class Alignments:
    """The alignments of a corpus, by recording.

    A TextGrid is searched next to the recording, then in the folder of alignments at the path of the recording, then
    anywhere in that folder by name, unless it is at the place of another recording. CTM files hold many recordings, by
    name. Names are compared in Unicode's form NFC.

    Args:
        root: Folder of the recordings.
        recordings: The recordings.
        folder: Folder of the alignments; None is the same folder.
        tier: Tier of words of the TextGrids; None finds it.
        not_words: Names of silence and noise, which are no words.

    Attributes:
        num_unused: Number of alignments without a recording.

    Raises:
        CorpusError: There are no alignments, a CTM file is broken, a recording has two alignments, or one alignment may
            be that of two recordings.
    """

    def __init__(
        self,
        root: Path,
        recordings: Sequence[Path],
        folder: Path | None = None,
        *,
        tier: str | None = None,
        not_words: Collection[str] = NOT_WORDS,
    ) -> None:
        self._root, self._folder = root, root if folder is None else folder
        self._tier, self._not_words = tier, not_words
        self._real_folders: dict[Path, str] = {}
        with corpus_errors():
            found = find_files(self._folder, lambda path: path.suffix.lower() in (TEXTGRID_SUFFIX, CTM_SUFFIX))
        if not found:
            raise CorpusError(f"{self._folder} has no alignments (*.TextGrid or *.ctm)")
        self._grids = [path for path in found if path.suffix.lower() == TEXTGRID_SUFFIX]
        self._broken: dict[str, AlignmentError] = {}
        self._ctm = self._read_ctm([path for path in found if path.suffix.lower() == CTM_SUFFIX])
        self._sources = self._assign(list(dict.fromkeys(recordings)))
        used = {source for source in self._sources.values() if source is not None}
        self.num_unused = len(set(self._grids) - used) + len(set(self._ctm) - used)

    def of(self, recording: Path) -> Alignment | None:
        """The alignment of a recording; None if it has none.

        Raises:
            AlignmentError: The alignment is broken.
            CorpusError: A TextGrid has not the tier of words.
        """
        source = self._sources[recording]
        if isinstance(source, Path):
            return read_textgrid(source, tier=self._tier, not_words=self._not_words)
        if source in self._broken:
            raise self._broken[source]
        return None if source is None else self._ctm[source]

    def _read_ctm(self, paths: Sequence[Path]) -> dict[str, Alignment]:
        """The recordings of all CTM files; channels of one recording may be in several files."""
        alignments: dict[str, Alignment] = {}
        for path in paths:
            for name, alignment in read_ctm(path, not_words=self._not_words, broken=self._broken).items():
                known = alignments.setdefault(name, alignment)
                if known is alignment:
                    continue
                double = sorted(set(known.voices) & set(alignment.voices))
                if double:
                    raise CorpusError(
                        f"{known.where} and {alignment.where}: two alignments of one recording (channel {double[0]}); "
                        "remove one"
                    )
                known.voices |= alignment.voices
                known.marks += alignment.marks
                known.num_without_duration += alignment.num_without_duration
        return alignments

    def _assign(self, recordings: Sequence[Path]) -> dict[Path, Path | str | None]:
        """TextGrid, or name in the CTM files, of each recording."""
        by_place: dict[str, list[Path]] = {}
        for grid in self._grids:
            by_place.setdefault(self._place(grid), []).append(grid)
        exact = {
            recording: next((by_place[place] for place in self._places(recording) if place in by_place), [])
            for recording in recordings
        }
        owned = {grid for grids in exact.values() for grid in grids}
        by_name: dict[str, list[Path]] = {}
        for grid in self._grids:
            if grid not in owned:
                by_name.setdefault(nfc(grid.stem), []).append(grid)
        sources: dict[Path, Path | str | None] = {}
        owner: dict[Path | str, Path] = {}
        for recording, grids in exact.items():
            names = dict.fromkeys(name for name in map(nfc, (recording.stem, recording.name)) if name in self._ctm)
            options: list[Path | str] = [*grids, *by_name.get(nfc(recording.stem), []), *names]
            if len(options) > 1:
                raise CorpusError(
                    f"{recording}: several alignments have its name: {[self._where(option) for option in options]}; "
                    "keep one"
                )
            sources[recording] = options[0] if options else None
            if options:
                other = owner.setdefault(options[0], recording)
                if other != recording:
                    raise CorpusError(
                        f"{self._where(options[0])}: may be the alignment of {other} or of {recording}, which have the "
                        "same name; give recordings different names, or put a TextGrid next to each"
                    )
        return sources

    def _places(self, recording: Path) -> Iterator[str]:
        """Where the alignment of a recording may be: next to it, or at its path in the folder of alignments."""
        yield self._place(recording)
        for root in (Path(os.path.abspath(self._root)), self._root.resolve()):
            if recording.is_relative_to(root):
                yield self._place(self._folder / recording.relative_to(root))

    def _place(self, path: Path) -> str:
        """The path without suffix, the same in both Unicode forms and through links to folders."""
        if path.parent not in self._real_folders:
            self._real_folders[path.parent] = os.path.realpath(path.parent)
        return nfc(f"{self._real_folders[path.parent]}{os.sep}{path.stem}")

    def _where(self, source: Path | str) -> str:
        return str(source) if isinstance(source, Path) else self._ctm[source].where
