"""Recordings of speech with their speakers, found in the folders of well-known corpora.

Layouts:

- `librispeech`: `.../SPEAKER-CHAPTER-NUMBER.flac` (Panayotov et al. 2015);
- `commonvoice`: `clips/*.mp3`, with `validated.tsv` whose columns `path` and `client_id` tell the speakers
  (Ardila et al. 2020);
- `articles`: `ARTICLE/*.ogg`, as the Spoken Wikipedia (Köhn et al. 2016), with a table `speakers.csv` with the
  columns `article` and `speaker`;
- `table`: any other; a table `recordings.csv` with the columns `path` (relative to the folder) and `speaker`.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from datamodules.corpora.sounds import CorpusError, find_sounds

COMMON_VOICE_TABLE = "validated.tsv"
ARTICLES_TABLE = "speakers.csv"
RECORDINGS_TABLE = "recordings.csv"


class Recording(NamedTuple):
    """A sound file, and who speaks in it."""

    path: Path
    speaker: str


def find_recordings(root: str | Path, *, layout: str) -> list[Recording]:
    """Find the recordings of a corpus.

    Args:
        root: its folder.
        layout: one of `LAYOUTS`, see the module's description.

    Returns:
        The recordings, sorted by path.

    Raises:
        CorpusError: when the layout is unknown, or the folder is of another.
    """
    if layout not in LAYOUTS:
        raise CorpusError(f"unknown layout {layout!r}; known are {sorted(LAYOUTS)}")
    return sorted(LAYOUTS[layout](Path(root)))


def _librispeech(root: Path) -> Iterator[Recording]:
    for path in find_sounds(root):
        speaker, *rest = path.stem.split("-")
        if len(rest) != 2:
            raise CorpusError(f"{path}: expected a name like SPEAKER-CHAPTER-NUMBER, as in LibriSpeech")
        yield Recording(path, speaker)


def _common_voice(root: Path) -> Iterator[Recording]:
    for row in _table(root / COMMON_VOICE_TABLE, "\t", ("path", "client_id")):
        yield Recording((root / "clips" / row["path"]).resolve(), row["client_id"])


def _articles(root: Path) -> Iterator[Recording]:
    speakers = {row["article"]: row["speaker"] for row in _table(root / ARTICLES_TABLE, ",", ("article", "speaker"))}
    for path in find_sounds(root):
        article = path.parent.name
        if article not in speakers:
            raise CorpusError(f"{root / ARTICLES_TABLE}: does not tell who speaks in the article {article!r}")
        yield Recording(path, speakers[article])


def _listed(root: Path) -> Iterator[Recording]:
    for row in _table(root / RECORDINGS_TABLE, ",", ("path", "speaker")):
        yield Recording((root / row["path"]).resolve(), row["speaker"])


def _table(path: Path, separator: str, columns: tuple[str, str]) -> list[dict[str, str]]:
    import pandas as pd

    try:
        table = pd.read_csv(
            path, sep=separator, dtype=str, keep_default_na=False, quoting=3 if separator == "\t" else 0
        )
        rows = table[list(columns)].to_dict("records")
    except (OSError, ValueError, KeyError) as error:
        raise CorpusError(f"{path}: expected a table with the columns {', '.join(columns)} ({error})") from error
    lacking = [number for number, row in enumerate(rows, start=1) if not all(row.values())]
    if lacking:
        raise CorpusError(f"{path}, row {lacking[0]}: needs both {' and '.join(columns)}")
    return [{str(name): value for name, value in row.items()} for row in rows]


LAYOUTS: dict[str, Callable[[Path], Iterator[Recording]]] = {
    "librispeech": _librispeech,
    "commonvoice": _common_voice,
    "articles": _articles,
    "table": _listed,
}
"""What finds the recordings of each layout."""
