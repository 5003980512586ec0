"""VoxCeleb 1 and 2 (Nagrani et al. 2017, Chung et al. 2018): celebrities who speak in videos.

The sounds are `SPEAKER/VIDEO/NUMBER.wav` (VoxCeleb 2: `.m4a`), in any folders as the archives make them, such as `wav`,
`vox1_dev_wav/wav` or `dev/aac`; speakers are `id10001` and so on. `iden_split.txt`, at the top or in `meta`, gives the
splits for identifying speakers, with lines `1 SPEAKER/VIDEO/NUMBER.wav` (1 train, 2 val, 3 test). Without it, all
sounds are for training, as the published folders dev and test share no speaker: use `--split_by video`.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from datamodules.corpora.published.lists import read_lines
from datamodules.corpora.sounds import CorpusError, Row, sounds_of

SPLIT_LIST = "iden_split.txt"
SPLITS = {"1": "train", "2": "val", "3": "test"}
NOT_LISTED = f"not in {SPLIT_LIST}"

_SPEAKER = re.compile(r"id\d{5}")


def voxceleb(root: Path) -> Iterator[Row]:
    """Rows with path, split, speaker and video: the layout `voxceleb`."""
    splits = _splits(root)
    for path in sounds_of(root):
        speaker, video = path.parts[-3:-1]
        if not _SPEAKER.fullmatch(speaker):
            raise CorpusError(f"{path}: expected .../SPEAKER/VIDEO/NUMBER.wav with a speaker such as id10001")
        row: dict[str, object] = {"path": path, "speaker": speaker, "video": video}
        split = splits.get(f"{speaker}/{video}/{path.stem}", None if splits else "train")
        yield row | ({"left_out": NOT_LISTED} if split is None else {"split": split})


def _splits(root: Path) -> dict[str, str]:
    place = next((root / name for name in (SPLIT_LIST, f"meta/{SPLIT_LIST}") if (root / name).is_file()), None)
    if place is None:
        return {}
    splits = {}
    for number, line in enumerate(read_lines(place), start=1):
        code, _, path = line.partition(" ")
        if code not in SPLITS or not path:
            raise CorpusError(f"{place}, line {number}: expected 1, 2 or 3 and a path, got {line!r}")
        splits[Path(path.strip()).with_suffix("").as_posix()] = SPLITS[code]
    return splits
