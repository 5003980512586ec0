"""Download a large file over an unreliable connection."""

import http.client
import json
import os
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from datamodules.files import file_sha256
from evaluate.benchmarks.problems import BenchmarkError

CHUNK_BYTES = 2**20
TIMEOUT_S = 60.0
"""How long to wait for any answer of the server."""

NUM_ATTEMPTS = 5
FIRST_WAIT_S = 1.0
"""Waiting time before the second attempt. It doubles with each attempt, and is reset after bytes are received."""

DEFAULT_MAX_BYTES = 2 * 10**9
"""Most that is received, ten times the size of the public release: a wrong server could send without end."""

MIN_FREE_BYTES = 2**28
"""What is left free of a disk, for all that else writes there."""

HTTP_PARTIAL, HTTP_RANGE_NOT_SATISFIABLE, HTTP_SERVER_ERROR = 206, 416, 500
PASSING_CODES = (408, 425, 429)
"""Client errors that justify a new attempt (RFC 9110, RFC 8470, RFC 6585)."""

_Report = Callable[[int, int | None], None]


@dataclass(frozen=True)
class _Note:
    """The version of a file to which a partial download belongs."""

    url: str
    size: int | None
    validator: str | None  # strong ETag, or date of the last modification


def download(
    url: str,
    path: Path,
    *,
    sha256: str | None = None,
    max_bytes: int = DEFAULT_MAX_BYTES,
    num_attempts: int = NUM_ATTEMPTS,
    first_wait_s: float = FIRST_WAIT_S,
    progress: _Report | None = None,
) -> str:
    """Download a file; after an interruption, resume with the part that was received.

    Args:
        url: Address, http or https.
        path: Path of the complete and checked file; before, the part is in `PATH.part` and `PATH.part.json`.
        sha256: Expected checksum, 64 hexadecimal digits; None does not check it.
        max_bytes: Most bytes to receive.
        num_attempts: Number of attempts to connect without receiving any bytes.
        first_wait_s: Waiting time before the second attempt, in seconds.
        progress: Called as `progress(num_bytes, num_bytes_in_all_or_None)`.

    Returns:
        The checksum.

    Raises:
        BenchmarkError: The server does not have the file or cannot be reached, the file is too large or does not fit
            the disk, or the checksum differs.
        OSError: The file cannot be written.
    """
    if not url.startswith(("http://", "https://")):
        raise BenchmarkError(f"cannot fetch {url!r}: expected an address that starts with https:// or http://")
    path.parent.mkdir(parents=True, exist_ok=True)
    part = _Part(path)
    failures, wait_s = 0, first_wait_s
    while True:
        size_before = part.size
        try:
            _receive(url, part, max_bytes, progress)
            break
        except (urllib.error.URLError, http.client.HTTPException, ConnectionError, TimeoutError) as error:
            if isinstance(error, urllib.error.HTTPError) and not _may_pass(error.code):
                raise BenchmarkError(f"{url}: the server answers {error.code} {error.reason}") from error
            if part.size > size_before:
                failures, wait_s = 0, first_wait_s
            failures += 1
            if failures >= num_attempts:
                raise BenchmarkError(
                    f"{url}: the connection fails ({error}); {part.size} bytes are kept in {part.file}: run the "
                    "command again to resume from there"
                ) from error
            time.sleep(wait_s)
            wait_s *= 2
    found = file_sha256(part.file)
    if sha256 is not None and found != sha256.lower():
        part.remove()
        raise BenchmarkError(
            f"{url}: the file has SHA-256 {found}, expected {sha256.lower()}: it is damaged or another version. "
            "It was removed; run the command again, or give the checksum of the version that you want"
        )
    os.replace(part.file, path)
    part.remove()
    return found


class _Part:
    """The received part of a file, and a note with the version that it belongs to."""

    def __init__(self, path: Path) -> None:
        self.file = path.with_name(path.name + ".part")
        self._note_file = path.with_name(path.name + ".part.json")

    @property
    def size(self) -> int:
        return self.file.stat().st_size if self.file.exists() else 0

    @property
    def note(self) -> _Note | None:
        try:
            return _Note(**json.loads(self._note_file.read_text()))
        except (OSError, ValueError, TypeError):  # missing or truncated: the download cannot resume
            return None

    def begin(self, note: _Note) -> None:
        """Start again with an empty file."""
        self.file.write_bytes(b"")
        self._note_file.write_text(json.dumps(asdict(note)))

    def remove(self) -> None:
        self.file.unlink(missing_ok=True)
        self._note_file.unlink(missing_ok=True)


def check_free(folder: Path, num_bytes: int, what: str) -> None:
    """Check that a disk has room.

    Args:
        folder: Folder on the disk.
        num_bytes: Bytes that will be written.
        what: What they are, for the message.

    Raises:
        BenchmarkError: There is too little.
    """
    free = shutil.disk_usage(folder).free
    if num_bytes > free - MIN_FREE_BYTES:
        raise BenchmarkError(
            f"{folder}: {free / 1e9:.1f} GB are free on this disk, too few for the {num_bytes / 1e9:.1f} GB of {what} "
            f"and {MIN_FREE_BYTES / 1e9:.1f} GB to spare: choose another folder, or make room"
        )


def _check_size(url: str, num_bytes: int, max_bytes: int, part: _Part) -> None:
    """Refuse a file that is larger than allowed, and remove what was received of it."""
    if num_bytes > max_bytes:
        part.remove()
        raise BenchmarkError(
            f"{url}: the server sends more than {max_bytes / 1e9:g} GB (`--max_gb`): it may not be the file that is "
            "meant; what was received is removed"
        )


def _receive(url: str, part: _Part, max_bytes: int, progress: _Report | None) -> None:
    """Receive the missing bytes; raise an error if the connection breaks before the end, or too many come."""
    note = part.note
    may_continue = part.size > 0 and note is not None and note.url == url and note.validator is not None
    if may_continue and note is not None and part.size == note.size:
        return
    request = urllib.request.Request(url, headers={"Accept-Encoding": "identity"})
    if may_continue and note is not None:
        request.add_header("Range", f"bytes={part.size}-")
        request.add_header("If-Range", note.validator or "")  # the server sends the whole file if it has changed
    try:
        response = urllib.request.urlopen(request, timeout=TIMEOUT_S)
    except urllib.error.HTTPError as error:
        if error.code == HTTP_RANGE_NOT_SATISFIABLE:
            part.remove()
        raise
    with response:
        if not _continues(response, part):
            length = response.headers.get("Content-Length")
            note = _Note(url, int(length) if length and length.isdecimal() else None, _validator(response))
            part.begin(note)
        total = None if note is None else note.size
        if total is not None:
            _check_size(url, total, max_bytes, part)
            check_free(part.file.parent, total - part.size, url)
        with part.file.open("ab") as file:
            while chunk := response.read(CHUNK_BYTES):
                _check_size(url, file.tell() + len(chunk), max_bytes, part)
                check_free(part.file.parent, len(chunk), url)
                file.write(chunk)
                if progress:
                    progress(file.tell(), total)
    if total is not None and part.size != total:
        if part.size > total:
            part.remove()
        raise ConnectionError(f"it ended after {part.size} of {total} bytes")


def _continues(response: http.client.HTTPResponse, part: _Part) -> bool:
    """Whether the server sends exactly the missing bytes."""
    if response.status != HTTP_PARTIAL:
        return False
    content_range = response.headers.get("Content-Range", "")
    if not content_range.startswith(f"bytes {part.size}-"):
        part.remove()
        raise ConnectionError(f"the server sent {content_range or 'a part without a range'}, not the missing bytes")
    return True


def _validator(response: http.client.HTTPResponse) -> str | None:
    """Value that distinguishes versions of the file: a strong ETag, or the date of its last modification."""
    tag = response.headers.get("ETag")
    if tag and not tag.startswith("W/"):
        return str(tag)
    changed = response.headers.get("Last-Modified")
    return str(changed) if changed else None


def _may_pass(code: int) -> bool:
    return code >= HTTP_SERVER_ERROR or code in (*PASSING_CODES, HTTP_RANGE_NOT_SATISFIABLE)
