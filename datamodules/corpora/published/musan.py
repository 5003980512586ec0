"""MUSAN (Snyder et al. 2015): music, speech and noise, 109 hours.

The sounds are `KIND/SOURCE/KIND-SOURCE-NUMBER.wav` with the kinds music, speech and noise. `music/SOURCE/ANNOTATIONS`
has lines `NAME GENRES VOCALS ARTIST`, with genres separated by commas and vocals Y or N. Recordings are up to many
minutes long: training draws its windows from them.
"""

from collections.abc import Iterator
from pathlib import Path

from datamodules.corpora.published.lists import read_lines
from datamodules.corpora.sounds import CorpusError, Row, sounds_of
from datamodules.manifests.manifest import LABEL_SEPARATOR

KINDS = ("music", "noise", "speech")
ANNOTATIONS = "ANNOTATIONS"


def musan(root: Path) -> Iterator[Row]:
    """Rows with path, kind, source and, for music, genres (several each) and vocals (Y or N): the layout `musan`.

    All have the split "train": use `--split_by path`.
    """
    kinds = [kind for kind in KINDS if (root / kind).is_dir()]
    if not kinds:
        raise CorpusError(f"{root} has none of the folders {', '.join(KINDS)}")
    for kind in kinds:
        notes: dict[Path, dict[str, tuple[str, str]]] = {}
        for path in sounds_of(root / kind):
            folder = path.parent
            if folder not in notes:
                notes[folder] = _music(folder / ANNOTATIONS) if kind == "music" else {}
            genres, vocals = notes[folder].get(path.stem, ("", ""))
            yield {"path": path, "kind": kind, "source": folder.name, "genres": genres, "vocals": vocals}


def _music(path: Path) -> dict[str, tuple[str, str]]:
    """Genres and vocals of each piece; empty without the file."""
    if not path.is_file():
        return {}
    found = {}
    for number, line in enumerate(read_lines(path), start=1):
        name, *fields = line.split()
        if len(fields) < 2:
            raise CorpusError(f"{path}, line {number}: expected NAME GENRES VOCALS ARTIST, got {line!r}")
        genres, vocals = fields[:2]
        found[name] = (LABEL_SEPARATOR.join(genre for genre in genres.split(",") if genre), vocals)
    return found
