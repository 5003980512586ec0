"""Recordings of speech with their speakers, in the layouts of well-known corpora.

- `librispeech`: `.../SPEAKER-CHAPTER-NUMBER.flac` (Panayotov et al. 2015); folders such as `train-clean-100` and
  `dev-other` give the split;
- `commonvoice`: `clips/*.mp3`, with `validated.tsv`, whose columns `path` and `client_id` name the speakers
  (Ardila et al. 2020);
- `articles`: `ARTICLE/*.ogg`, as in the Spoken Wikipedia (Köhn et al. 2016), with a table `speakers.csv` that has the
  columns `article` and `speaker`;
- `table`: any other; a table `recordings.csv` with the columns `path` (relative to the folder) and `speaker`. A
  recording of several speakers has a row for each; a column `channel` (1, 2 or A, B) says which channel is whose.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from datamodules.corpora.layouts import corpus_rows
from datamodules.corpora.sounds import CorpusError, Row, sounds_of
from datamodules.folders.split_names import split_of_subset, usual_split
from datamodules.manifests.manifest import DEFAULT_SPLIT
from datamodules.tables import TextTableError, read_text_table
from datamodules.text_files import TextFileError, nfc

COMMON_VOICE_TABLE = "validated.tsv"
ARTICLES_TABLE = "speakers.csv"
RECORDINGS_TABLE = "recordings.csv"
CHANNEL_COLUMN = "channel"


class Recording(NamedTuple):
    """A sound file, and who speaks in it.

    Args:
        path: The file.
        speaker: The speaker.
        channel: Channel of the speaker as in the table, such as "1" or "A"; "" if the table does not name it.
        split: Split of the recording.
    """

    path: Path
    speaker: str
    channel: str = ""
    split: str = DEFAULT_SPLIT


def find_recordings(root: str | Path, *, layout: str) -> list[Recording]:
    """Find the recordings of a corpus.

    Args:
        root: Its folder.
        layout: Name of a layout whose rows have a column `speaker`, see `datamodules.corpora.layouts`.

    Returns:
        The recordings, sorted by path.

    Raises:
        CorpusError: The layout is unknown, or the folder has another.
    """
    rows = corpus_rows(root, layout=layout, columns=("speaker",))
    return sorted(
        Recording(
            Path(str(row["path"])), nfc(str(row["speaker"])), str(row.get(CHANNEL_COLUMN) or ""), str(row["split"])
        )
        for row in rows
    )


def librispeech(root: Path) -> Iterator[Row]:
    """Rows with path, split and speaker from names like SPEAKER-CHAPTER-NUMBER."""
    top = root.resolve()
    for path in sounds_of(root):
        speaker, *rest = path.stem.split("-")
        if len(rest) != 2:
            raise CorpusError(f"{path}: expected a name like SPEAKER-CHAPTER-NUMBER, as in LibriSpeech")
        splits = (usual_split(name) or split_of_subset(name) for name in path.relative_to(top).parts[:-1])
        yield {"path": path, "split": next(filter(None, splits), DEFAULT_SPLIT), "speaker": speaker}


def common_voice(root: Path) -> Iterator[Row]:
    """Rows with path and speaker from the table of validated clips."""
    for row in _table(root / COMMON_VOICE_TABLE, "\t", ("path", "client_id")):
        yield {"path": root / "clips" / row["path"], "speaker": row["client_id"]}


def articles(root: Path) -> Iterator[Row]:
    """Rows with path and speaker, one speaker per folder."""
    table = _table(root / ARTICLES_TABLE, ",", ("article", "speaker"))
    speakers = {nfc(row["article"]): row["speaker"] for row in table}
    for path in sounds_of(root):
        article = nfc(path.parent.name)
        if article not in speakers:
            raise CorpusError(f"{root / ARTICLES_TABLE}: does not name the speaker of the article {article!r}")
        yield {"path": path, "speaker": speakers[article]}


def listed(root: Path) -> Iterator[Row]:
    """Rows with path and speaker from a table."""
    for row in _table(root / RECORDINGS_TABLE, ",", ("path", "speaker")):
        channel = {CHANNEL_COLUMN: row[CHANNEL_COLUMN]} if CHANNEL_COLUMN in row else {}
        yield {"path": root / row["path"], "speaker": row["speaker"], **channel}


def _table(path: Path, separator: str, columns: tuple[str, str]) -> list[dict[str, str]]:
    try:
        # Sentences of Common SpeakerVoice have single quotes, which enclose nothing.
        table = read_text_table(path, separator=separator, required=columns, is_quoted=separator != "\t")
    except (OSError, TextTableError, TextFileError) as error:
        reason = str(error).removeprefix(str(path)).lstrip(",: ")
        raise CorpusError(f"{path}: expected a table with the columns {', '.join(columns)} ({reason})") from error
    rows = [{str(name): nfc(value.strip()) for name, value in row.items()} for row in table.to_dict("records")]
    lacking = [number for number, row in enumerate(rows, start=1) if not all(row[name] for name in columns)]
    if lacking:
        raise CorpusError(f"{path}, row {lacking[0]}: needs both {' and '.join(columns)}")
    return rows
