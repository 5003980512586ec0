"""Worker processes that start from a new process: forking one that has started threads can hang."""

import multiprocessing
from collections.abc import Sequence
from multiprocessing.context import BaseContext

from networks.commands.program import CONSOLE_SCRIPT


def context_of_workers(preloaded: Sequence[str]) -> BaseContext:
    """Return the context to start worker processes in.

    Args:
        preloaded: Modules that all workers need, which a fork server, if the system has one, imports once.

    Returns:
        That of a fork server or, without one, of new processes.
    """
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    # The server starts with the working directory first on its path. The module `cochlearn` prevents that a user's
    # `train.py` or `datamodules` there hides a package of this project.
    context.set_forkserver_preload([CONSOLE_SCRIPT, *preloaded])
    return context
