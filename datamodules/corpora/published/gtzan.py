"""GTZAN (Tzanetakis and Cook 2002): 1000 excerpts of music of 30 s in ten genres.

The sounds are `GENRE/GENRE.00000.au` as published, or `.wav` as copied since, in the folder or in `genres` or
`genres_original` below it. In most copies `jazz.00054.wav` is broken: it is left out there and reported.

The corpus has no splits of its own, and random ones share artists and copies of excerpts. If the fault-filtered lists
of Kereliuk et al. (2015), `train_filtered.txt`, `valid_filtered.txt` and `test_filtered.txt`, are next to the genres,
they give the split, and what they do not list is left out.
"""

from collections.abc import Iterator
from pathlib import Path

from datamodules.audio import AudioError, audio_info
from datamodules.corpora.published.lists import read_lines
from datamodules.corpora.sounds import CorpusError, Row, sounds_of

GENRES = ("blues", "classical", "country", "disco", "hiphop", "jazz", "metal", "pop", "reggae", "rock")
PLACES = ("genres", "genres_original", "Data/genres_original")
KNOWN_BROKEN = "jazz.00054"
LISTS = {"train": "train_filtered.txt", "val": "valid_filtered.txt", "test": "test_filtered.txt"}

BROKEN = "known to be broken"
NOT_LISTED = "not in the fault-filtered lists"


def gtzan(root: Path) -> Iterator[Row]:
    """Rows with path, split and genre: the layout `gtzan`."""
    place = next((root / name for name in PLACES if (root / name).is_dir()), root)
    folders = [place / genre for genre in GENRES if (place / genre).is_dir()]
    if not folders:
        raise CorpusError(f"{place} has none of the folders {', '.join(GENRES)}")
    splits = _splits([root, place])
    for folder in folders:
        for path in sounds_of(folder):
            row: dict[str, object] = {"path": path, "genre": folder.name}
            if path.stem == KNOWN_BROKEN and not _opens(path):
                yield row | {"left_out": BROKEN}
            elif splits and path.stem not in splits:
                yield row | {"left_out": NOT_LISTED}
            else:
                yield row | {"split": splits.get(path.stem, "train")}


def _splits(places: list[Path]) -> dict[str, str]:
    """The split of each excerpt by its name; empty without the lists."""
    place = next((place for place in places if any((place / name).is_file() for name in LISTS.values())), None)
    if place is None:
        return {}
    return {Path(line).stem: split for split, name in LISTS.items() for line in read_lines(place / name)}


def _opens(path: Path) -> bool:
    try:
        return audio_info(path).duration_s != 0
    except AudioError:
        return False
