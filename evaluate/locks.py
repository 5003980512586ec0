"""Locks between processes, for files that several of them change."""

import errno
import fcntl
import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

DEFAULT_TIMEOUT_S = 60.0
"""How long a writer waits: writing a table takes well under a second."""
_RETRY_S = 0.02
_UNSUPPORTED = (errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)

_log = logging.getLogger(__name__)


class LockTimeoutError(OSError):
    """Another process holds a lock for too long; the message names the file."""


@contextmanager
def locked(path: Path, *, timeout_s: float = DEFAULT_TIMEOUT_S) -> Iterator[None]:
    """Hold the lock of a file; others that ask for it, in any process, wait.

    An advisory `flock` on a file beside it, `.NAME.lock`, which stays. The system takes the lock from a process that
    ends, however it ends: there are no stale locks. On NFS it holds between machines (Linux); where a file system has
    no locks, a warning is logged and the work goes on without.

    Args:
        path: The file that is protected; its folder exists.
        timeout_s: How long to wait for another process, 0 for not at all.

    Yields:
        Nothing.

    Raises:
        LockTimeoutError: Another process holds it.
        OSError: The lock's file cannot be made.
    """
    beside = path.with_name(f".{path.name}.lock")
    # Not removed afterwards: a process that waits for a removed file would hold a lock that nobody else sees.
    descriptor = os.open(beside, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        _acquire(descriptor, path, timeout_s)
        yield
    finally:
        os.close(descriptor)


def _acquire(descriptor: int, path: Path, timeout_s: float) -> None:
    end = time.monotonic() + timeout_s
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except OSError as error:
            if error.errno in _UNSUPPORTED:
                _log.warning("%s: no locks on this file system; two writers at once could lose rows", path)
                return
            if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
                raise
        if time.monotonic() >= end:
            raise LockTimeoutError(f"{path} is locked by another process (waited {timeout_s:g} s)")
        time.sleep(_RETRY_S)
