"""The Free Spoken Digit Dataset (Z. Jackson et al., CC BY-SA 4.0): ten digits, a few speakers, 8 kHz.

Recordings are named `{digit}_{speaker}_{take}.wav` and trimmed to the digit.
"""

import hashlib
import re
from collections.abc import Collection, Sequence
from pathlib import Path

from datamodules.corpora.sounds import CorpusError, Row, corpus_errors, write_manifest
from datamodules.folders.sound_folders import PassedOver, find_files, is_sound, missing_target, passed_over
from networks.commands.program import program
from networks.text.wording import counted

DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
VAL_TAKES = range(15, 20)
"""Takes held out for validation."""

MANIFEST_NAME = "fsdd.csv"
RECORDINGS_FOLDER = "recordings"
_NUM_SHOWN = 3

RECIPE = "fsdd 3"
"""Increment this if the same recordings and arguments give other shards."""

_NAME = re.compile(r"(?P<digit>\d)_(?P<speaker>[A-Za-z0-9-]+)_(?P<take>\d+)")


def make_manifest(folder: str | Path, out_csv: str | Path, *, val_takes: Collection[int] = VAL_TAKES) -> Path:
    """Write a manifest of the digit recordings.

    Args:
        folder: Folder of the WAV files, or a clone of the data set with the folder `recordings`.
        out_csv: Manifest to write; its columns are path (absolute), split, word, speaker and take.
        val_takes: Takes that form the split "val"; all others form "train".

    Returns:
        The manifest's path.

    Raises:
        CorpusError: The folder is missing or has no WAV files, a file has another name, or a split has no files.
    """
    return write_manifest(Path(out_csv), digits(folder, val_takes=val_takes))


def digits(folder: str | Path, *, val_takes: Collection[int] = VAL_TAKES) -> list[Row]:
    """Rows with path, split, word, speaker and take: the layout `fsdd`; see `make_manifest`."""
    rows = [_row(path, val_takes) for path in _find_recordings(Path(folder))]
    splits = {row["split"] for row in rows}
    if missing := {"train", "val"} - splits:
        takes = sorted({int(str(row["take"])) for row in rows})
        raise CorpusError(
            f"{folder}: no recordings for the split {missing.pop()!r} with takes {_listed(val_takes)} held out, but "
            "there "
            f"are takes {_listed(takes)}: {_other_takes(takes)}"
        )
    return rows


def _other_takes(takes: Sequence[int]) -> str:
    """Say how to hold out takes that there are."""
    if len(takes) < 2:
        return "at least two takes are needed"
    return f"hold out some of them, as in `{program('datamodules', f'fsdd FOLDER OUT --val_takes {takes[-1]}')}`"


def _listed(takes: Collection[int]) -> str:
    """List takes: the first and the last if they follow each other."""
    ordered = sorted(takes)
    is_range = len(ordered) > 2 and ordered[-1] - ordered[0] + 1 == len(ordered)
    return f"{ordered[0]} to {ordered[-1]}" if is_range else ", ".join(map(str, ordered)) or "none"


def fingerprint(folder: Path) -> str:
    """Digest of the names and sizes of the recordings."""
    listed = "\n".join(f"{path.name}\t{path.stat().st_size}" for path in _find_recordings(folder))
    return hashlib.sha256(listed.encode()).hexdigest()


def in_addition(folder: Path) -> tuple[PassedOver, ...]:
    """What the folder holds in addition to the recordings."""
    with corpus_errors():
        return passed_over(folder, _find_recordings(folder))


def _find_recordings(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise CorpusError(f"{folder}: no such folder of digit recordings")
    if (folder / RECORDINGS_FOLDER).is_dir():
        folder = folder / RECORDINGS_FOLDER
    with corpus_errors():
        paths = find_files(folder, is_sound, depth=0)
        if not paths:
            below = find_files(folder, is_sound)
            there = f"; {counted(len(below), 'sound', 'is')} further down, the first is {below[0]}" if below else ""
            raise CorpusError(
                f"{folder} has no sounds directly in it{there}. Expected names like 7_jackson_0.wav, in the folder or "
                f"in its folder {RECORDINGS_FOLDER}"
            )
    if gone := next((link for path in paths if (link := missing_target(path))), ""):
        raise CorpusError(f"{next(path for path in paths if missing_target(path))}: {gone}")
    misnamed = [path.name for path in paths if not _NAME.fullmatch(path.stem)]
    if misnamed:
        more = f" and {len(misnamed) - _NUM_SHOWN} more" if len(misnamed) > _NUM_SHOWN else ""
        raise CorpusError(
            f"{folder}: {', '.join(misnamed[:_NUM_SHOWN])}{more} not named {{digit}}_{{speaker}}_{{take}}.wav; "
            "move such files to another folder"
        )
    return paths


def _row(path: Path, val_takes: Collection[int]) -> Row:
    name = _NAME.fullmatch(path.stem)
    assert name is not None, path
    take = int(name["take"])
    return {
        "path": str(path),
        "split": "val" if take in val_takes else "train",
        "word": DIGITS[int(name["digit"])],
        "speaker": name["speaker"],
        "take": take,
    }
