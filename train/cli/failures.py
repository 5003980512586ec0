"""Failures of the machine, not of this project: what ended a run, and what to do, in one line."""

import errno
import re
import signal
import threading

from pytorch_lightning.utilities.exceptions import MisconfigurationException
from torch.distributed import DistBackendError, DistError

from networks.commands.value_errors import said_by_class
from networks.installation import InstallationError
from train.run.resume_command import how_to_resume

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT}
_NOT_ALLOWED = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR}
_DEAD_WORKER = re.compile(r"DataLoader worker \(pid\(?s?\)?.*?(is killed by signal: [^.]*|exited unexpectedly)")
_WRONG_SETTINGS = ("You set `", "You selected an invalid ")
"""How Lightning's messages begin when settings of the trainer do not fit, or differ from SLURM's or torchrun's."""
_DEAD_RANK = re.compile(
    r"Connection (reset|closed) by (peer|remote)|Connection refused|Timed out waiting", re.IGNORECASE
)


def ignore_children() -> None:
    """Let no further loading process that dies interrupt the report of the first one: torch raises for each."""
    if hasattr(signal, "SIGCHLD") and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)


def explain(error: BaseException) -> str | None:  # noqa: PLR0911 - one for each failure
    """Explain a failure of the disk, a loading process, another rank, the installation or the machine in one line.

    Args:
        error: What ended the run.

    Returns:
        The line; None for any other error, whose traceback is needed.
    """
    text, resume = " ".join(str(error).split()), f"resume with {how_to_resume()}"
    if isinstance(error, OSError) and error.errno in _NO_ROOM:
        return f"no space to write {error.filename or 'a file of the run'}: free some, then {resume}"
    if isinstance(error, OSError) and error.errno in _NOT_ALLOWED:
        return f"{error.filename or 'a file of the run'} cannot be written: {error.strerror}"
    if isinstance(error, MisconfigurationException):
        hint = "; `--trainer.accelerator cpu` trains without one" if re.search(r"gpu|cuda|mps", text, re.I) else ""
        return text.rstrip(".!") + hint
    if match := _DEAD_WORKER.search(text):
        return f"a loading process {match[1]} (usually out of memory; fewer --data.num_workers need less): {resume}"
    if isinstance(error, DistBackendError | DistError) or (isinstance(error, RuntimeError) and _DEAD_RANK.search(text)):
        return f"another rank has ended, see what it printed ({text}): {resume}"
    if text.startswith(_WRONG_SETTINGS):
        options = " (`--trainer.devices`, `--trainer.num_nodes`)" if text.startswith(_WRONG_SETTINGS[0]) else ""
        return text.replace("HINT: ", "").rstrip(".!") + options
    if isinstance(error, ValueError) and (reason := said_by_class(str(error))) is not None:
        return reason
    return _installation(error)


def _installation(error: BaseException | None) -> str | None:
    """Find an error of the installation, also if the command line has wrapped what a network raised."""
    while error is not None:
        if isinstance(error, InstallationError):
            return str(error)
        error = error.__cause__
    return None
