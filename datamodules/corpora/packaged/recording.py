"""A sound in a package with what its name and place say about it."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SIGNAL_LABELS = ("word", "speaker", "language")
"""Label columns of speech; a cell may be empty."""

NOISE_LABELS = ("sound", "kind")
"""Label columns of other sounds: the class, which may be empty, and what kind of sound that is."""

LABELS = {"signal": SIGNAL_LABELS, "noise": NOISE_LABELS}

MUSIC = "music"
"""The kind of what is long and is cut into several clips."""

ENDINGS = (".wav", ".ogg", ".oga", ".flac", ".mp3", ".g722", ".gsm", ".au")


@dataclass(frozen=True, kw_only=True)
class Recording:
    """A sound file, or a stretch of one, and its labels; those that are unknown are empty.

    Args:
        path: The file.
        word: The word that is said, and nothing else.
        speaker: Who says it.
        language: In which language, as a code such as "en".
        sound: Class of a sound that is not speech.
        kind: Kind of that class, such as "animal".
        start_s: Start of the stretch in seconds; None is the start of the file.
        end_s: End of the stretch in seconds; None is the end of the file.
        midpoint_s: Time that windows are centred on, in seconds; None is the middle of the stretch.
        split: Its split; "" if it is drawn.
        package: The package that it is from.
    """

    path: Path
    word: str = ""
    speaker: str = ""
    language: str = ""
    sound: str = ""
    kind: str = ""
    start_s: float | None = None
    end_s: float | None = None
    midpoint_s: float | None = None
    split: str = ""
    package: str = ""


def sounds_below(folder: Path, *, depth: int | None = None) -> Iterator[Path]:
    """Find the sounds of a folder that may be missing, in the order of their names; links to others are left out.

    Args:
        folder: The folder.
        depth: How many levels of folders below it to look into; None is all.

    Yields:
        Paths of files with the usual endings.
    """
    for path in sorted(folder.rglob("*")):
        is_near = depth is None or len(path.relative_to(folder).parts) <= depth + 1
        if is_near and path.suffix.lower() in ENDINGS and path.is_file() and not path.is_symlink():
            yield path
