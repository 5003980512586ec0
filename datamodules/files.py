"""Files that other processes may read, write or be killed over: the one home of all that.

- `replacing`, `write_bytes`, `write_text`, `write_json`: a file is there whole or not at all;
- `new_folder`, `replace_folder`: the same for a whole folder;
- `undoing`, `without_new_parents`: a request that is refused leaves nothing behind;
- `locked`: one writer at a time, or several that share;
- `check_writable`: an error before long work rather than after it;
- `scratch_folder`, `remove_leftovers`: temporary files and folders, also those of processes that were killed.
"""

import difflib
import errno
import filecmp
import functools
import glob
import hashlib
import json
import logging
import os
import re
import secrets
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from filelock import BaseFileLock

ABANDONED_AFTER_S = 7 * 24 * 3600.0
"""Temporary files of another machine, whose processes cannot be looked up, count as abandoned after this long."""

DEFAULT_LOCK_TIMEOUT_S = 60.0
"""How long to wait for a lock: its holders write tables, which takes well under a second."""

_SHARING_TIMEOUT_S = 5.0  # to join others that share a lock; each of them holds the lock itself for a moment only
_RETRY_S = 0.02
_NO_LOCKS = (errno.ENOLCK, errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)
_NO_SYNC = (errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)
_SIMILARITY = 0.75  # of names that may be meant, 0 to 1, as difflib measures it
_MAX_STEM_LENGTH = 40  # the whole name stays below 255 bytes, in any alphabet

# Which process on which machine writes this: see `_temporary`.
_TEMPORARY = re.compile(r"\..*\.(?P<host>[0-9a-f]{8})-(?P<process>\d+)-[0-9a-f]{8}\.tmp(\..*)?")

_log = logging.getLogger(__name__)


class LockTimeoutError(OSError):
    """Another process holds a lock; the message names the file or folder."""


class NotWritableError(OSError):
    """A folder that cannot be written to; the message says why and what to do."""


@contextmanager
def replacing(path: Path, *, durable: bool = False, keep_others: bool = False) -> Iterator[Path]:
    """Context manager that yields a temporary path.

    On success, it atomically replaces `path`; on failure, it is deleted.

    Args:
        path: File to make or to replace; its folder exists.
        durable: Wait until the disk has the content. Without it, a crash of the machine may leave an empty file.
        keep_others: Do not replace what has other content.

    Yields:
        A hidden path in the same folder with the same ending, which no other writer uses.

    Raises:
        FileExistsError: There is something with other content, after the block.
    """
    temporary = _temporary(path)
    try:
        yield temporary
        if keep_others and path.exists() and not (path.is_file() and filecmp.cmp(path, temporary, shallow=False)):
            raise FileExistsError(f"{path} exists and has other content")
        if durable:
            with temporary.open("rb+") as file:
                wait_for_disk(file)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def wait_for_disk(file: IO[bytes]) -> None:
    """Wait until the disk has the content of an open file, on file systems that offer this."""
    try:
        os.fsync(file.fileno())
    except OSError as error:
        if error.errno not in _NO_SYNC:
            raise


def write_bytes(path: Path, content: bytes, *, durable: bool = False) -> None:
    """Write a file, whole or not at all; for `durable` see `replacing`."""
    with replacing(path, durable=durable) as temporary:
        temporary.write_bytes(content)


def write_text(path: Path, text: str, *, durable: bool = False, keep_others: bool = False) -> None:
    """Write a UTF-8 text file with the line breaks as given, whole or not at all; see `replacing`."""
    with replacing(path, durable=durable, keep_others=keep_others) as temporary:
        temporary.write_bytes(text.encode())


def write_json(path: Path, content: Any, *, durable: bool = False) -> None:
    """Write plain values as JSON with sorted keys, whole or not at all."""
    write_text(path, json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False) + "\n", durable=durable)


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Yield an empty folder to fill, and move it to `path` if the block succeeds; otherwise remove it.

    Args:
        path: Folder to make; missing parents are made.

    Yields:
        A hidden folder next to it.

    Raises:
        FileExistsError: `path` exists, before the block or after it.
    """
    if path.exists():
        raise FileExistsError(f"{path} exists: choose another name, or remove it")
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = _temporary(path)
    temporary.mkdir()
    try:
        yield temporary
        os.rename(temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def replace_folder(finished: Path, path: Path, *, aside: Path) -> None:
    """Move a finished folder into the place of another.

    Between the two moves there is nothing at `path`. A process killed there has lost nothing: `finished` is whole, and
    calling this again completes the work.

    Args:
        finished: The new folder, on the same file system.
        path: Where it goes; what is there is moved away first.
        aside: Where the old folder goes; what is there is removed. Removing the old folder is up to the caller.
    """
    if path.exists():
        shutil.rmtree(aside, ignore_errors=True)
        os.rename(path, aside)
    os.rename(finished, path)


@contextmanager
def without_new_parents(path: Path) -> Iterator[None]:
    """If the block fails, remove the folders above `path` that it has made, unless something is in them."""
    made = [parent for parent in path.absolute().parents if not parent.exists()]
    try:
        yield
    except BaseException:
        for parent in made:
            with suppress(OSError):
                parent.rmdir()
        raise


@contextmanager
def undoing(*paths: Path) -> Iterator[None]:
    """If the block refuses its request, undo what it has done at `paths`: what was not there goes, files are put back.

    Requests are refused with a `ValueError`, or with an `ImportError` if a package is missing. After any other error,
    such as that of a full disk, work is kept to resume from. Folders that were made for the paths are removed if empty.

    Args:
        paths: Files and folders that the block may make or replace; folders that exist are left as they are.
    """
    with ExitStack() as stack:
        for path in paths:
            stack.enter_context(without_new_parents(path))
        missing = [path for path in paths if not path.exists()]
        copies = {path: _temporary(path) for path in paths if path.is_file()}
        for copy in copies.values():
            stack.callback(copy.unlink, missing_ok=True)
        for path, copy in copies.items():
            shutil.copy2(path, copy)
        try:
            yield
        except (ValueError, ImportError):
            for path in missing:
                if path.is_dir():
                    shutil.rmtree(path, ignore_errors=True)
                else:
                    path.unlink(missing_ok=True)
            for path, copy in copies.items():
                os.replace(copy, path)
            raise


@contextmanager
def scratch_folder(parent: Path, name: str) -> Iterator[Path]:
    """Yield a hidden folder for temporary files in `parent`, and remove it when the block ends."""
    folder = _temporary(parent / name)
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def check_writable(folder: str | Path) -> None:
    """Check that files can be made in a folder, or that the folder itself can be made.

    Args:
        folder: The folder; if it does not exist, its nearest parent is checked. Nothing is left behind.

    Raises:
        NotWritableError: They cannot.
    """
    existing = Path(folder).absolute()
    while not existing.exists() and existing != existing.parent:
        existing = existing.parent
    if not existing.is_dir():
        raise NotWritableError(f"{folder} cannot be written to: {existing} is not a folder")
    try:
        with tempfile.TemporaryFile(dir=existing):
            pass
    except OSError as error:
        reason = f"{existing}: {error.strerror}"
        raise NotWritableError(
            f"{folder} cannot be written to ({reason}): choose another folder, or change its permissions"
        ) from error


@contextmanager
def locked(path: Path, *, shared: bool = False, timeout_s: float = DEFAULT_LOCK_TIMEOUT_S) -> Iterator[None]:
    """Hold the lock of a file or folder; other processes that ask for it wait.

    Holders with `shared` hold it together; any other holds it alone. The lock is that of the file `.NAME.lock` next to
    `path`, which stays, unless its holder removes the folder that it is in. The operating system releases it when a
    process ends, however that happens: there are no stale locks. If the file system has no locks, a warning is logged
    and the work continues without.

    Args:
        path: What is protected; it need not exist, but the folder that it is in does.
        shared: Hold the lock together with others that share it.
        timeout_s: How long to wait for other processes; 0 fails at once (when sharing, after a few seconds).

    Raises:
        LockTimeoutError: Other processes keep the lock.
        FileNotFoundError: The folder does not exist.
    """
    # filelock's own reader-writer locks need SQLite's locks, which network file systems often lack, or a thread that
    # renews a file. Instead, those that share hold a file each, which they make while they hold the main lock. Who
    # wants the lock alone keeps the main lock and waits for each of these files.
    main = path.with_name(f".{path.name}.lock")
    with ExitStack() as stack:
        if shared:
            mine = main.with_name(f"{main.name}.{secrets.token_hex(8)}")
            with _held(main, path, max(timeout_s, _SHARING_TIMEOUT_S)):
                stack.callback(mine.unlink, missing_ok=True)
                stack.enter_context(_held(mine, path, timeout_s))
        else:
            end_s = time.monotonic() + timeout_s
            stack.enter_context(_held(main, path, timeout_s))
            for other in main.parent.glob(f"{glob.escape(main.name)}.*"):
                with _held(other, path, max(0.0, end_s - time.monotonic())):
                    pass
                other.unlink(missing_ok=True)  # its holder was killed, or is done: these names are used once
        yield


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def did_you_mean(path: Path) -> str:
    """The end of a message about a path that is missing: what is there and has a similar name; "" if nothing does."""
    folder = path.parent
    there = sorted(os.listdir(folder)) if folder.is_dir() else []
    similar = difflib.get_close_matches(path.name, there, cutoff=_SIMILARITY)
    return f" (did you mean {', '.join(str(folder / name) for name in similar)}?)" if similar else ""


def remove_leftovers(folder: Path, *, recursive: bool = False, is_alone: bool = False) -> None:
    """Remove temporary files and folders that processes left when they were killed.

    Those of processes that run on this machine are kept, and those of other machines for a week.

    Args:
        folder: Where to look; it need not exist.
        recursive: Look in the folders below as well.
        is_alone: No other process writes there, as the caller holds a lock: remove them all.
    """
    for path in list(folder.rglob(".*.tmp*") if recursive else folder.glob(".*.tmp*")):
        match = _TEMPORARY.fullmatch(path.name)
        if match is None or not (is_alone or _is_abandoned(path, match["host"], int(match["process"]))):
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _temporary(path: Path) -> Path:
    """A name next to `path` that says which process uses it."""
    writer = f"{_host()}-{os.getpid()}-{secrets.token_hex(4)}"
    return path.with_name(f".{path.stem[:_MAX_STEM_LENGTH]}.{writer}.tmp{path.suffix}")


@functools.cache
def _host() -> str:
    return hashlib.sha256(socket.gethostname().encode()).hexdigest()[:8]


def _is_abandoned(path: Path, host: str, process: int) -> bool:
    if host == _host() and os.name == "posix":  # elsewhere, signal 0 would end the process
        return not _is_running(process)
    try:
        return time.time() - path.stat().st_mtime > ABANDONED_AFTER_S
    except FileNotFoundError:  # its writer has just finished
        return False


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # it runs for another user
        return True
    return True


@contextmanager
def _held(file: Path, protected: Path, timeout_s: float) -> Iterator[None]:
    lock = _acquired(file, protected, timeout_s)
    try:
        yield
    finally:
        if lock is not None:
            lock.release()


def _acquired(file: Path, protected: Path, timeout_s: float) -> "BaseFileLock | None":
    """The lock of a file; None if the file system has no locks."""
    from filelock import FileLock, Timeout

    # Without flock, filelock would take the file itself for the lock: it is there, so the lock would never be free.
    lock = FileLock(file, thread_local=False, fallback_to_soft=False)
    while True:
        with file.open("ab") as opened:
            try:
                lock.acquire(timeout=timeout_s, poll_interval=_RETRY_S)
            except Timeout as error:
                waited = f" (waited {timeout_s:g} s)" if timeout_s else ""
                raise LockTimeoutError(f"{protected} is locked by another process{waited}") from error
            except (OSError, NotImplementedError) as error:
                if isinstance(error, OSError) and error.errno not in _NO_LOCKS:
                    raise
                _log.warning("%s: this file system has no locks; two writers at once could lose data", protected)
                return None
            # A holder may have removed the file, with the folder that it is in, while this waited for it. As long as
            # it is open here, no other file can have its number.
            if _is_at(opened, file):
                return lock
            lock.release()


def _is_at(file: IO[bytes], path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False
