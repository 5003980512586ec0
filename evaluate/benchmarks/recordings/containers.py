"""A folder of files, or an archive with the same files."""

import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Protocol

from datamodules.expansion import check_expansion
from datamodules.folders.sound_folders import missing_target
from evaluate.benchmarks.problems import BenchmarkError
from networks.commands.program import program
from networks.files.lfs_pointers import IS_POINTER, is_pointer_file

ARCHIVE_ERRORS = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError, MemoryError)
"""What `zipfile` raises on archives that are cut short, damaged, encrypted or of an unknown compression."""

ARCHIVE_SUFFIXES = (".zip", ".npz")
"""Recordings with one of these suffixes are a single file, all others a folder."""


def read_member(archive: zipfile.ZipFile, name: str) -> bytes:
    """Read a file of an archive.

    Args:
        archive: The archive.
        name: The file.

    Returns:
        Its content.

    Raises:
        KeyError: There is no such file.
        ExpansionError: It expands to too much, see `datamodules.expansion`.
    """
    check_member(archive, name)
    with archive.open(name) as file:
        # No more than what the archive states, which is checked: it may hold more, and is damaged then.
        return file.read(max(1, archive.getinfo(name).file_size))


def check_member(archive: zipfile.ZipFile, name: str) -> None:
    """Check that a file of an archive does not expand to too much; for errors see `read_member`."""
    member = archive.getinfo(name)
    check_expansion(member.file_size, member.compress_size)


class Container(Protocol):
    """Files with relative names, whose parts are separated by `/`."""

    def names(self) -> list[str]:
        """Names of all files."""

    def read(self, name: str) -> bytes:
        """Content of a file; raises `BenchmarkError` if it cannot be read."""

    def path(self, name: str) -> str:
        """Path of a file, for messages."""


def open_container(path: Path, markers: Sequence[str]) -> Container:
    """Open a folder or a ZIP archive (also one named `.npz`).

    Args:
        path: The folder or file.
        markers: File names that mark the root folder inside an archive, as archives of a folder often contain the
            folder itself.

    Returns:
        Its files.

    Raises:
        BenchmarkError: The path does not exist, or the file is not an archive.
    """
    if path.is_dir():
        return _Folder(path)
    if not path.exists():
        raise BenchmarkError(f"{path} does not exist")
    return _Archive(path, markers)


class _Folder:
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def names(self) -> list[str]:
        # Two levels, as the format has them; unlike `rglob`, this looks into linked folders as well.
        # A link whose file is missing counts, so that it is reported as such.
        paths = (path for pattern in ("*", "*/*") for path in self._folder.glob(pattern))
        files = (path for path in paths if path.is_file() or missing_target(path))
        return sorted(path.relative_to(self._folder).as_posix() for path in files)

    def read(self, name: str) -> bytes:
        try:
            return (self._folder / name).read_bytes()
        except OSError as error:
            reason = missing_target(self._folder / name) or error
            raise BenchmarkError(f"{self.path(name)} cannot be read: {reason}") from error

    def path(self, name: str) -> str:
        return str(self._folder / name)


class _Archive:
    """An archive, opened for every read, so that several processes can read it."""

    def __init__(self, path: Path, markers: Sequence[str]) -> None:
        self._path = path
        if is_pointer_file(path):
            raise BenchmarkError(f"{path}: {IS_POINTER}")
        try:
            with zipfile.ZipFile(path) as archive:
                members = [info.filename for info in archive.infolist() if not info.is_dir()]
        except (*ARCHIVE_ERRORS, OSError) as error:
            expected = f" (recordings in one file end in {' or '.join(ARCHIVE_SUFFIXES)})"
            if path.suffix.lower() == ".mat":
                convert = f"`{program('evaluate', 'convert')} {path} DESTINATION --name NAME --sounds FOLDER`"
                expected = f"; {convert} makes a benchmark of arrays of MATLAB"
            hint = "" if path.suffix.lower() in ARCHIVE_SUFFIXES else expected
            raise BenchmarkError(f"{path} is cut short or no ZIP archive: {error}{hint}") from error
        marked = [PurePosixPath(member) for member in members if PurePosixPath(member).name in markers]
        inner = min((member.parent for member in marked), key=lambda parent: len(parent.parts), default=PurePosixPath())
        self._prefix = "" if inner == PurePosixPath() else f"{inner}/"
        self._members = [member for member in members if member.startswith(self._prefix)]

    def names(self) -> list[str]:
        return sorted(member.removeprefix(self._prefix) for member in self._members)

    def read(self, name: str) -> bytes:
        try:
            with zipfile.ZipFile(self._path) as archive:
                return read_member(archive, self._prefix + name)
        except KeyError as error:
            raise BenchmarkError(f"{self.path(name)} does not exist") from error
        except (*ARCHIVE_ERRORS, OSError) as error:
            raise BenchmarkError(f"{self.path(name)} cannot be read, the archive is damaged: {error}") from error

    def path(self, name: str) -> str:
        return f"{self._path}/{name}"
