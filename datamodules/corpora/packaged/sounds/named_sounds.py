"""Sound effects, sound themes, drum kits and samples, which are named after what they are."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from datamodules.corpora.packaged.recording import Recording, sounds_below
from datamodules.corpora.packaged.sounds.sound_names import SoundClass, classify, classify_drum


def named_sounds(
    root: Path,
    *,
    folders: Sequence[str],
    kind: str,
    without: Sequence[str] = (),
    passed_over: Sequence[str] = (),
    by_folder: bool = False,
) -> Iterator[Recording]:
    """Sounds whose names say what they are.

    Args:
        root: Root of the file system.
        folders: Patterns of folders of the sounds, or of sounds.
        kind: Kind of the sounds whose names say nothing known; they have no class.
        without: Kinds that the names do not mean, such as "drum" in a game.
        passed_over: Beginnings of names of folders and sounds that are something else.
        by_folder: Whether to ask the name of the folder if that of the file says nothing.
    """
    for base in (path for folder in folders for path in sorted(root.glob(folder))):
        for path in [base] if base.is_file() else sounds_below(base):
            if any(part.startswith(tuple(passed_over)) for part in path.relative_to(base.parent).parts):
                continue
            found = classify(path.stem, without=without)
            if found is None and by_folder:
                found = classify(path.parent.name, without=without)
            yield _named(path, found or SoundClass("", kind))


def drum_kits(root: Path, *, folder: str) -> Iterator[Recording]:
    """Samples of drum kits: KIT/SAMPLE.flac; what has no known name, nor its kit, is some drum."""
    for path in sounds_below(root / folder):
        found = classify_drum(path.stem) or classify(path.parent.name)
        yield _named(path, found or SoundClass("", "drum"))


def stamps(root: Path) -> Iterator[Recording]:
    """Sounds of Tux Paint's stamps: animals, machines, instruments. Names of stamps, letters and digits are speech."""
    folder = root / "usr/share/tuxpaint/stamps"
    for path in sounds_below(folder):
        place = path.relative_to(folder).parts[0]
        if "_desc" not in path.stem and place != "symbols":
            found = classify(path.stem) or classify(path.parent.name)
            yield _named(path, found or SoundClass("", "animal" if place == "animals" else "effect"))


def _named(path: Path, found: SoundClass) -> Recording:
    return Recording(path=path, sound=found.sound, kind=found.kind)
