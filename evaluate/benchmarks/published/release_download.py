"""Fetch the public release: download it, check it and unpack it."""

import os
import tarfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from datamodules.files import file_sha256, remove_leftovers, scratch_folder, without_new_parents
from evaluate.benchmarks.problems import BenchmarkError, shorten
from evaluate.benchmarks.published.download import DEFAULT_MAX_BYTES, FIRST_WAIT_S, check_free, download

RELEASE_URL = "https://mcdermottlab.mit.edu//tuckute_feather_2023/data.tar"
"""Address in `setup_utils/download_files.py` of github.com/gretatuckute/auditory_brain_dnn (about 180 MB). No checksum
is published."""

ARCHIVE_FILE = "data.tar"
DATA_FOLDER = "data"

MAX_UNPACKED = 10
"""How many times as much as may be downloaded may be unpacked."""

_Report = Callable[[str, int, int | None], None]


@dataclass(frozen=True)
class FetchedRelease:
    """The release after fetching.

    Attributes:
        folder: Folder of the unpacked release.
        names: `ROOT:NAME` of its data sets, for `load_benchmark`.
        sha256: Checksum of the archive; None if the release had already been unpacked.
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
    max_bytes: int = DEFAULT_MAX_BYTES,
    first_wait_s: float = FIRST_WAIT_S,
    progress: _Report | None = None,
) -> FetchedRelease:
    """Download the public release and unpack it to `DESTINATION/data`.

    If it is interrupted at any moment, the folder `data` is either complete or missing, and the next call resumes.

    Args:
        destination: Folder, created if missing.
        url: Address of the TAR archive.
        sha256: Expected checksum of the archive; None does not check it.
        keep_archive: Whether to keep the archive next to the unpacked data.
        max_bytes: Most bytes to download; at most `MAX_UNPACKED` times as many are unpacked.
        first_wait_s: Waiting time before the first new attempt to connect, in seconds.
        progress: Called as `progress("downloading" or "unpacking", num_done, num_total_or_None)`.

    Returns:
        The unpacked release.

    Raises:
        BenchmarkError: The archive cannot be downloaded, is too large for the limit or the disk, is damaged, or is not
            the release.
        OSError: Files cannot be written.
    """
    from evaluate.benchmarks.published.release import data_sets_in

    folder = destination / DATA_FOLDER
    if names := data_sets_in(folder):
        return FetchedRelease(folder, tuple(names), None)
    if folder.exists():
        raise BenchmarkError(f"{folder} exists already, and is not the release: choose another destination")
    archive = destination / ARCHIVE_FILE

    def downloaded(num_done: int, num_total: int | None) -> None:
        if progress:
            progress("downloading", num_done, num_total)

    # An archive at its final path is complete: the last call was interrupted while unpacking.
    found = file_sha256(archive) if archive.exists() else None
    if found is None or (sha256 is not None and found != sha256.lower()):
        with without_new_parents(archive):
            found = download(
                url, archive, sha256=sha256, max_bytes=max_bytes, first_wait_s=first_wait_s, progress=downloaded
            )
    remove_leftovers(destination)
    with scratch_folder(destination, DATA_FOLDER) as temporary:
        _unpack(archive, temporary, MAX_UNPACKED * max_bytes, progress)
        os.rename(_release_root(temporary, archive), folder)
    if not keep_archive:
        archive.unlink()
    return FetchedRelease(folder, tuple(data_sets_in(folder)), found)


def _unpack(archive: Path, folder: Path, max_bytes: int, progress: _Report | None) -> None:
    """Unpack into a folder; paths and links that lead out of it, and devices, raise an error."""
    try:
        with tarfile.open(archive) as members:
            num_bytes = 0
            for num_done, member in enumerate(members, start=1):
                num_bytes += member.size
                if num_bytes > max_bytes:
                    raise tarfile.ReadError(f"it unpacks to more than {max_bytes / 1e9:g} GB")
                check_free(folder, member.size, member.name)
                members.extract(member, folder, filter="data")
                if progress:
                    progress("unpacking", num_done, None)
            _check_end(members)
    except (tarfile.TarError, EOFError, zlib.error) as error:
        archive.unlink()  # so that the next call downloads it again
        raise BenchmarkError(
            f"{archive} is damaged or no TAR archive: {error}. It was removed; run the command again"
        ) from error


def _check_end(members: tarfile.TarFile) -> None:
    """Check that the archive ends with a block of zeros: `tarfile` accepts one that is truncated between members."""
    file = members.fileobj
    if file is None:
        raise tarfile.ReadError("it is closed")
    file.seek(members.offset)
    if file.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
        raise tarfile.ReadError("it has no end mark, so it is truncated")


def _release_root(folder: Path, archive: Path) -> Path:
    """Find the folder with `neural/`, at most one level down."""
    from evaluate.benchmarks.published.release import NEURAL_FOLDER

    options = [folder, *sorted(path for path in folder.iterdir() if path.is_dir())]
    found = next((option for option in options if (option / NEURAL_FOLDER).is_dir()), None)
    if found is None:
        inside = shorten([path.name for path in folder.iterdir()]) or "nothing"
        raise BenchmarkError(f"{archive} is not the release: it has no folder {NEURAL_FOLDER}/, but {inside}")
    return found
