"""Speech Commands (Warden 2018): single words of 1 s by thousands of speakers.

The sounds are `WORD/SPEAKER_nohash_NUMBER.wav`; `validation_list.txt` and `testing_list.txt` name those of the other
splits, so that each speaker is in one. `_background_noise_` holds long recordings without words, which are left out.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from datamodules.corpora.published.lists import read_lines
from datamodules.corpora.sounds import CorpusError, Row, sounds_of
from networks.text.wording import counted

LISTS = {"val": "validation_list.txt", "test": "testing_list.txt"}
NOISE_FOLDER = "_background_noise_"
NO_WORD = "background noise without a word"

_NAME = re.compile(r"(?P<speaker>[0-9a-f]+)_nohash_\d+")


def speech_commands(root: Path) -> Iterator[Row]:
    """Rows with path, split, word and speaker: the layout `speech_commands`."""
    splits = {line: split for split, name in LISTS.items() for line in read_lines(root / name)}
    found = {path.relative_to(root.resolve()).as_posix(): path for path in sounds_of(root, depth=1)}
    lost = sorted(set(splits) - set(found))
    if lost:
        raise CorpusError(
            f"{root}: lacks {counted(len(lost), 'sound')} of {' and '.join(LISTS.values())}, such as {lost[0]}"
        )
    for name, path in found.items():
        word = path.parent.name
        if word == NOISE_FOLDER:
            yield {"path": path, "left_out": NO_WORD}
            continue
        match = _NAME.fullmatch(path.stem)
        if match is None or "/" not in name:
            raise CorpusError(f"{path}: expected WORD/SPEAKER_nohash_NUMBER.wav, as in Speech Commands")
        yield {"path": path, "split": splits.get(name, "train"), "word": word, "speaker": match["speaker"]}
