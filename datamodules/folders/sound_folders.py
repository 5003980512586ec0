"""Folders of sounds: the one home of how they are walked, in every command.

- Links to files and folders are followed. A path keeps the names of the links, as those carry the speaker or the class;
  a loop of links is an error.
- Hidden files and folders, and what operating systems leave behind (`._x`, `__MACOSX`), are never sounds or classes.
- A sound is recognised by its ending, in upper or lower case, for every format that soundfile reads.
- What is not used is counted and named, see `passed_over`.
- Names must be UTF-8. Those that look alike are the same, whether letters and accents are one character (NFC) or two
  (NFD), see `nfc` and `find_file`.
"""

import errno
import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

from datamodules.text_files import nfc
from networks.commands.arguments import printable
from networks.files.relative_paths import where_looked

# By format of libsndfile. Those without a header or without sound (RAW, MAT4, MAT5) are left out.
_SUFFIXES_OF_FORMATS = {
    "AIFF": (".aif", ".aiff", ".aifc"),
    "AU": (".au", ".snd"),
    "AVR": (".avr",),
    "CAF": (".caf",),
    "FLAC": (".flac",),
    "HTK": (".htk",),
    "IRCAM": (".sf", ".ircam"),
    "MP3": (".mp3", ".mp2", ".mpga"),
    "MPC2K": (".mpc2k",),
    "NIST": (".sph", ".nist", ".nis"),
    "OGG": (".ogg", ".oga", ".opus"),
    "PAF": (".paf", ".fap"),
    "PVF": (".pvf",),
    "RF64": (".rf64", ".bw64"),
    "SD2": (".sd2",),
    "SDS": (".sds",),
    "SVX": (".svx", ".8svx", ".16sv", ".iff"),
    "VOC": (".voc",),
    "W64": (".w64",),
    "WAV": (".wav", ".wave", ".bwf"),
    "WAVEX": (".wavex",),
    "WVE": (".wve",),
    "XI": (".xi",),
}

# What corpora hold in addition to sounds, which is never reported as passed over.
_COMPANIONS = (
    *(".txt", ".csv", ".tsv", ".json", ".jsonl", ".yaml", ".yml", ".xml", ".toml", ".ini", ".cfg", ".md", ".rst"),
    *(".html", ".htm", ".pdf", ".doc", ".docx", ".rtf", ".odt", ".xls", ".xlsx", ".ods", ".parquet", ".feather"),
    *(".pkl", ".npy", ".npz", ".h5", ".hdf5", ".mat", ".pt", ".textgrid", ".ctm", ".stm", ".lab", ".phn", ".wrd"),
    *(".eaf", ".srt", ".vtt", ".trn", ".mlf", ".scp", ".lst", ".list", ".jams", ".beats", ".bib", ".cff", ".license"),
    *(".png", ".jpg", ".jpeg", ".gif", ".svg", ".bmp", ".py", ".ipynb", ".sh", ".m", ".r", ".log", ".md5", ".sha256"),
)
_COMPANION_NAMES = ("readme", "license", "licence", "copying", "authors", "attribution", "annotations", "changelog")

_LEFT_BY_SYSTEMS = frozenset(
    ("__MACOSX", "@eaDir", "lost+found", "$RECYCLE.BIN", "System Volume Information", "Thumbs.db", "desktop.ini")
)

HIDDEN = "hidden"
NOT_READ = "in a format that is not read"
NOT_USED = "that the layout does not use"

_NUM_NAMED = 5


class SoundFolderError(ValueError):
    """A folder of sounds that cannot be used; the message names the folder or file, and what to do."""


class PassedOver(NamedTuple):
    """A file or folder that was not used.

    Args:
        kind: Why not, to count by.
        path: The file or folder, relative to the corpus, printable, in NFC.
    """

    kind: str
    path: str


class _Entry(NamedTuple):
    path: Path
    is_hidden: bool
    is_folder: bool


@cache
def sound_suffixes() -> frozenset[str]:
    """Endings of sounds that can be read, in lower case."""
    import soundfile

    from datamodules.decoding.media import MEDIA_SUFFIXES, can_decode

    formats = {name.upper() for name in soundfile.available_formats()}
    suffixes = {suffix for name, group in _SUFFIXES_OF_FORMATS.items() if name in formats for suffix in group}
    return frozenset(suffixes | MEDIA_SUFFIXES if can_decode() else suffixes)


def is_sound(path: Path) -> bool:
    """Whether a path has the ending of a sound that can be read."""
    return path.suffix.lower() in sound_suffixes()


def is_hidden(name: str) -> bool:
    """Whether a name is that of a hidden file or folder, or of something that an operating system left."""
    return name.startswith(".") or name in _LEFT_BY_SYSTEMS


def find_files(folder: Path, is_wanted: Callable[[Path], bool], *, depth: int | None = None) -> list[Path]:
    """Find files in a folder, sorted.

    Args:
        folder: The folder.
        is_wanted: Which files; hidden ones are never asked for.
        depth: How many levels of folders below it to search; None is all.

    Returns:
        Their absolute paths. Below the folder, names are those of links, not of what they point to.

    Raises:
        SoundFolderError: There is no such folder, links form a loop, or a name is not UTF-8.
    """
    if not folder.is_dir():
        raise SoundFolderError(f"{printable(folder)}: no such folder{printable(where_looked(folder))}")
    root = folder.resolve()
    found = [
        entry.path
        for entry in _walk(root, depth, ())
        if not entry.is_hidden and not entry.is_folder and is_wanted(entry.path)
    ]
    for path in found:
        _check_name(path)
    return sorted(found)


def find_sounds(folder: Path, *, depth: int | None = None) -> list[Path]:
    """Find the sounds of a folder by their endings; for arguments and results see `find_files`.

    A link whose file is missing counts as a sound, so that it is reported rather than lost.

    Raises:
        SoundFolderError: As `find_files`, or there is no sound in the folder.
    """
    sounds = find_files(folder, is_sound, depth=depth)
    if not sounds:
        raise SoundFolderError(f"{printable(folder)} has no sounds{_what_is_there(folder, depth)}")
    return sounds


def find_folders(folder: Path) -> list[Path]:
    """The folders in a folder, linked ones too, without hidden ones; sorted.

    Raises:
        SoundFolderError: There is no such folder, or the name of one in it is not UTF-8.
    """
    if not folder.is_dir():
        raise SoundFolderError(f"{printable(folder)}: no such folder{printable(where_looked(folder))}")
    found = sorted(path for path in folder.resolve().iterdir() if path.is_dir() and not is_hidden(path.name))
    for path in found:
        _check_name(path)
    return found


def passed_over(folder: Path, used: Iterable[str | Path]) -> tuple[PassedOver, ...]:
    """What a folder holds that is not used: sounds in other places or formats, hidden ones, and unknown files.

    Tables, texts, alignments, images and programs are left out, as a corpus has them in addition to its sounds.

    Args:
        folder: Folder of a corpus.
        used: Paths of the sounds that are used.

    Returns:
        The others, sorted.
    """
    root = folder.resolve()
    known = {str(path) for path in used}
    found = []
    for path, is_secret, is_folder in _walk(root, None, ()):
        if is_secret:
            kind = HIDDEN if is_folder or is_sound(path) else None
        elif is_folder or str(path) in known:
            kind = None
        elif is_sound(path):
            kind = NOT_USED
        else:
            kind = None if _is_companion(path) else NOT_READ
        if kind is not None:
            ending = f" ({path.suffix.lower() or 'no ending'})" if kind == NOT_READ else ""
            found.append(PassedOver(kind + printable(ending), nfc(printable(path.relative_to(root)))))
    return tuple(sorted(found))


def describe(passed: Sequence[PassedOver]) -> str:
    """One line that counts what was passed over and names the first of each kind; "" if there is nothing."""
    by_kind: dict[str, list[str]] = defaultdict(list)
    for each in passed:
        by_kind[each.kind].append(each.path)
    parts = []
    for kind, paths in sorted(by_kind.items()):
        more = f" and {len(paths) - _NUM_NAMED} more" if len(paths) > _NUM_NAMED else ""
        parts.append(f"{len(paths)} {kind}: {', '.join(paths[:_NUM_NAMED])}{more}")
    return "; ".join(parts)


def located(root: Path, path: str | Path) -> Path:
    """An absolute path of a file of a corpus, in which the links below its root keep their names.

    Args:
        root: Folder of the corpus.
        path: Absolute, or relative to the root.
    """
    given = root / path
    if ".." in given.parts:  # after a link, only the file system knows what is above
        return find_file(given.parent.resolve() / given.name)
    base = root.absolute()
    if given.absolute().is_relative_to(base):
        return find_file(root.resolve() / given.absolute().relative_to(base))
    return find_file(given.absolute())


def find_file(path: Path) -> Path:
    """The file at a path, or at one that looks the same in another form of Unicode; the path itself if missing."""
    if str(path).isascii() or path.exists():
        return path
    there = Path(path.anchor)
    for part in path.parts[1:] if path.anchor else path.parts:
        there = _same_name(there, part)
    return there if there.exists() else path


def missing_target(path: Path) -> str:
    """What to say of a link whose file is missing, such as one of git-annex before `git annex get`; "" for others."""
    if not path.is_symlink() or path.exists():
        return ""
    return f"a link to {printable(path.readlink())}, which is missing; get the file first"


def real_names(paths: Iterable[Path]) -> dict[Path, str]:
    """The file that each path stands for in the end: two links to one file have the same."""
    real_parent = cache(os.path.realpath)
    return {
        path: os.path.realpath(path) if path.is_symlink() else os.path.join(real_parent(path.parent), path.name)
        for path in paths
    }


def _same_name(folder: Path, name: str) -> Path:
    if (folder / name).exists():
        return folder / name
    return folder / _names_in(folder, _changed_at(folder)).get(nfc(name), name)


@cache
def _names_in(folder: Path, _changed: int) -> dict[str, str]:
    """The names in a folder by their composed forms."""
    return {nfc(name): name for name in sorted(os.listdir(folder))} if folder.is_dir() else {}


def _changed_at(folder: Path) -> int:
    return folder.stat().st_mtime_ns if folder.is_dir() else 0


def _walk(folder: Path, depth: int | None, above: tuple[tuple[int, int], ...]) -> Iterator[_Entry]:
    """All files and folders below a folder. Hidden folders are named but not entered."""
    status = folder.stat()
    here = (*above, (status.st_dev, status.st_ino))
    with os.scandir(folder) as entries:
        listed = sorted(entries, key=lambda entry: entry.name)
    for entry in listed:
        path = folder / entry.name
        try:
            is_folder = entry.is_dir()
        except OSError as error:
            if error.errno != errno.ELOOP:
                raise
            raise _loop(path) from error
        yield _Entry(path, is_hidden(entry.name), is_folder)
        if not is_folder or is_hidden(entry.name):
            continue
        if entry.is_symlink():
            target = path.stat()
            if (target.st_dev, target.st_ino) in here:
                raise _loop(path)
        if depth is None or depth > 0:
            yield from _walk(path, None if depth is None else depth - 1, here)


def _loop(link: Path) -> SoundFolderError:
    return SoundFolderError(f"{printable(link)}: a loop of links, which leads back to where it is; remove the link")


def _check_name(path: Path) -> None:
    try:
        str(path).encode()
    except UnicodeEncodeError as error:
        raise SoundFolderError(f"{printable(path)}: its name is not UTF-8; rename it") from error


def _is_companion(path: Path) -> bool:
    is_named = not path.suffix and path.name.lower().startswith(_COMPANION_NAMES)
    return is_named or path.suffix.lower() in _COMPANIONS


def _what_is_there(folder: Path, depth: int | None) -> str:
    """Where was searched, what is there instead, and what was expected."""
    where = " at any depth" if depth is None else f" down to {depth} levels of folders below it"
    there = describe(passed_over(folder, ()))
    endings = ", ".join(sorted(sound_suffixes()))
    return f"{where} ({f'found instead: {there}; ' if there else ''}sounds end in {endings})"
