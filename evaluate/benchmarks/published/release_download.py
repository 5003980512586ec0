"""Fetching the public release: download, checks, unpacking."""

import os
import tarfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from datamodules.files import file_sha256, remove_leftovers, scratch_folder
from evaluate.benchmarks.problems import BenchmarkError, shorten
from evaluate.benchmarks.published.download import FIRST_WAIT_S, download

RELEASE_URL = "https://mcdermottlab.mit.edu//tuckute_feather_2023/data.tar"
"""Where `setup_utils/download_files.py` of github.com/gretatuckute/auditory_brain_dnn has the data (about 180 MB). No
checksum is published."""

ARCHIVE_FILE = "data.tar"
DATA_FOLDER = "data"

_Report = Callable[[str, int, int | None], None]


@dataclass(frozen=True)
class FetchedRelease:
    """What is there after fetching.

    Attributes:
        folder: The unpacked release.
        names: `ROOT:NAME` of its data sets, for `load_benchmark`.
        sha256: Checksum of the archive; None where the release was there already.
    """

    folder: Path
    names: tuple[str, ...]
    sha256: str | None


def fetch_release(
    destination: Path,
    *,
    url: str = RELEASE_URL,
    sha256: str | None = None,
    keep_archive: bool = False,
    first_wait_s: float = FIRST_WAIT_S,
    progress: _Report | None = None,
) -> FetchedRelease:
    """Download the public release and unpack it to `DESTINATION/data`.

    Whatever breaks it off, there is afterwards a whole `data` folder or none, and the next call goes on.

    Args:
        destination: Folder, made where it is not there.
        url: Address of the TAR archive.
        sha256: Expected checksum of the archive; None does not check it.
        keep_archive: Whether the archive stays beside the unpacked data.
        first_wait_s: Waiting time before a connection is tried again, in seconds.
        progress: Called as `progress("downloading" or "unpacking", num_done, num_total_or_None)`.

    Returns:
        What is there.

    Raises:
        BenchmarkError: The archive cannot be downloaded, is damaged, or is not the release.
        OSError: Files cannot be written.
    """
    from evaluate.benchmarks.published.release import data_sets_in

    folder = destination / DATA_FOLDER
    if names := data_sets_in(folder):
        return FetchedRelease(folder, tuple(names), None)
    if folder.exists():
        raise BenchmarkError(f"{folder} exists already, and is not the release: give another destination")
    archive = destination / ARCHIVE_FILE

    def downloaded(num_done: int, num_total: int | None) -> None:
        if progress:
            progress("downloading", num_done, num_total)

    # An archive in its place is whole: the last call was broken off while unpacking.
    found = file_sha256(archive) if archive.exists() else None
    if found is None or (sha256 is not None and found != sha256.lower()):
        found = download(url, archive, sha256=sha256, first_wait_s=first_wait_s, progress=downloaded)
    remove_leftovers(destination)
    with scratch_folder(destination, DATA_FOLDER) as temporary:
        _unpack(archive, temporary, progress)
        os.rename(_release_root(temporary, archive), folder)
    if not keep_archive:
        archive.unlink()
    return FetchedRelease(folder, tuple(data_sets_in(folder)), found)


def _unpack(archive: Path, folder: Path, progress: _Report | None) -> None:
    """Unpack; members that would land elsewhere, links out of the folder and devices are refused."""
    try:
        with tarfile.open(archive) as members:
            for num_done, member in enumerate(members, start=1):
                members.extract(member, folder, filter="data")
                if progress:
                    progress("unpacking", num_done, None)
            _check_end(members)
    except (tarfile.TarError, EOFError, zlib.error) as error:
        archive.unlink()  # so that the next call downloads it anew
        raise BenchmarkError(f"{archive} is damaged or no TAR archive: {error}") from error


def _check_end(members: tarfile.TarFile) -> None:
    """An archive ends with a block of zeros; `tarfile` takes one that was cut before a member for a whole one."""
    file = members.fileobj
    if file is None:
        raise tarfile.ReadError("it is closed")
    file.seek(members.offset)
    if file.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
        raise tarfile.ReadError("it ends without its end mark: it is cut short")


def _release_root(folder: Path, archive: Path) -> Path:
    """The folder with `neural/`, at most one level down."""
    from evaluate.benchmarks.published.release import NEURAL_FOLDER

    options = [folder, *sorted(path for path in folder.iterdir() if path.is_dir())]
    found = next((option for option in options if (option / NEURAL_FOLDER).is_dir()), None)
    if found is None:
        inside = shorten([path.name for path in folder.iterdir()]) or "nothing"
        raise BenchmarkError(f"{archive} is not the release: it has no folder {NEURAL_FOLDER}/, but {inside}")
    return found
