"""What ended a run, told in one line with what to do: failures of the machine, not of this project."""

import errno
import re
import signal
import threading

from pytorch_lightning.utilities.exceptions import MisconfigurationException
from torch.distributed import DistBackendError, DistError

from networks.installation import InstallationError

GO_ON = "the same command with `--resume true` goes on from the last checkpoint"

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT}
_NOT_ALLOWED = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR}
_DEAD_WORKER = re.compile(r"DataLoader worker \(pid\(?s?\)?.*?(is killed by signal: [^.]*|exited unexpectedly)")
_DEAD_RANK = re.compile(
    r"Connection (reset|closed) by (peer|remote)|Connection refused|Timed out waiting", re.IGNORECASE
)


def ignore_children() -> None:
    """From now on no loading process that dies interrupts the first one's error: torch raises for each of them."""
    if hasattr(signal, "SIGCHLD") and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)


def explain(error: BaseException) -> str | None:
    """One line about a failure of the disk, a loading process, another rank, the installation or the machine.

    Args:
        error: What ended the run.

    Returns:
        The line; None for any other error, whose traceback is of use.
    """
    text = " ".join(str(error).split())
    if isinstance(error, OSError) and error.errno in _NO_ROOM:
        return f"no room to write {error.filename or 'a file of the run'}: make some, then {GO_ON}"
    if isinstance(error, OSError) and error.errno in _NOT_ALLOWED:
        return f"{error.filename or 'a file of the run'} cannot be written: {error.strerror}"
    if isinstance(error, MisconfigurationException):
        hint = "; `--trainer.accelerator cpu` trains without one" if re.search(r"gpu|cuda|mps", text, re.I) else ""
        return text.rstrip(".!") + hint
    if match := _DEAD_WORKER.search(text):
        return (
            f"a loading process {match[1]} (out of memory is the usual cause; fewer --data.num_workers take less): "
            f"{GO_ON}"
        )
    if isinstance(error, DistBackendError | DistError) or (isinstance(error, RuntimeError) and _DEAD_RANK.search(text)):
        return f"another rank is gone, what it printed tells why ({text}): {GO_ON}"
    return _installation(error)


def _installation(error: BaseException | None) -> str | None:
    """What is wrong with the installation, also where the command line has wrapped what a network raised."""
    while error is not None:
        if isinstance(error, InstallationError):
            return str(error)
        error = error.__cause__
    return None
