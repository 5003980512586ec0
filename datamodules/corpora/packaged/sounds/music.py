"""Recorded music in packages: music on hold, and the music of games, which is recognised by its game."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from datamodules.corpora.packaged.recording import MUSIC, Recording, sounds_below


def music(root: Path, *, folders: Sequence[str], name: str, ending: str = "") -> Iterator[Recording]:
    """Pieces of music.

    Args:
        root: Root of the file system.
        folders: Patterns of folders of the pieces.
        name: Whose music that is, such as "wesnoth": its class is "music of wesnoth".
        ending: Ending of the files; "" is any.
    """
    for base in (path for folder in folders for path in sorted(root.glob(folder))):
        for path in sounds_below(base):
            if path.name.endswith(ending):
                yield Recording(path=path, sound=f"music of {name}", kind=MUSIC)
