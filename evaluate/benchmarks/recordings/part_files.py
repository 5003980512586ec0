"""Recordings in separate files: what the files are called, and the command that makes a benchmark of them."""

import shlex
from pathlib import Path

from datamodules.folders.sound_folders import is_hidden, is_sound

_HOLD_NAMES = (".csv", ".tsv", ".npz", ".mat", ".nc", ".fif", ".nwb")
"""Suffixes of files of responses that may hold the names of stimuli and units, too."""

PART_FILES = {
    "responses": tuple(f"responses{suffix}" for suffix in (".npy", *_HOLD_NAMES)),
    "units": ("units.csv",),
    "stimuli": ("stimuli.csv",),
    "sounds": ("stimuli",),
}
"""For each option of `cochlearn evaluate convert`, the names that its part may have in a folder."""

IN_ARRAYS = ("units", "stimuli")
"""Parts that the file of the responses may hold, unless it is one array."""


def parts_in(folder: Path) -> dict[str, Path]:
    """Find the parts of recordings in a folder; those that are missing have the first of their names.

    Args:
        folder: The folder.

    Returns:
        Path by the option of `cochlearn evaluate convert`.
    """
    paths = {}
    for part, names in PART_FILES.items():
        options = [folder / name for name in names]
        paths[part] = next((path for path in options if path.exists()), options[0])
    return paths


def is_part(path: Path) -> bool:
    """Whether a file has the name of a part of recordings."""
    return any(path.name in names for names in PART_FILES.values())


def how_to_convert(folder: Path) -> str:
    """The command that makes a benchmark of the separate files in a folder."""
    options = ""
    holds_names = any((folder / f"responses{suffix}").exists() for suffix in _HOLD_NAMES)
    for part, names in PART_FILES.items():
        if not any((folder / name).exists() for name in names) and not (part in IN_ARRAYS and holds_names):
            place = sounds_in(folder) if part == "sounds" else None
            unknown = "FOLDER" if part == "sounds" else "FILE"
            options += f" --{part} {shlex.quote(str(place)) if place else unknown}"
    return f"`cochlearn evaluate convert {shlex.quote(str(folder))} DESTINATION --name NAME{options}`"


def sounds_in(folder: Path) -> Path | None:
    """The folder itself or the first one in it that holds sounds."""
    folders = [path for path in sorted(folder.iterdir()) if path.is_dir() and not is_hidden(path.name)]
    return next((path for path in (*folders, folder) if any(map(is_sound, path.iterdir()))), None)
