"""Commands that are stopped: by Ctrl-C, or by SIGTERM, which ends jobs on a cluster."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NOTHING_IS_KEPT = "nothing is kept yet, so that the same command starts again"


class Terminated(KeyboardInterrupt):
    """A SIGTERM was received."""


@contextmanager
def stopped_by_sigterm() -> Iterator[None]:
    """Treat SIGTERM like Ctrl-C within the block, so that the command says what is kept.

    Processes that are forked in the block end at once, as without it; so do the processes of torchrun, which may wait
    for each other where Python hears of no signal.
    """
    is_alone = os.environ.get("WORLD_SIZE", "1") == "1"
    if not is_alone or threading.current_thread() is not threading.main_thread():
        yield
        return
    process = os.getpid()

    def interrupt(*_: object) -> None:
        if os.getpid() == process:
            raise Terminated
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTERM)

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def has_content(path: Path) -> bool:
    """Whether a path is that of a file, or of a folder with something in it."""
    return path.is_file() or (path.is_dir() and any(path.iterdir()))
