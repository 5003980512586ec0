"""Work in forked processes, which share what is imported, and so start at once.

A test that forks asks for the fixture `one_thread`.
"""

import os
from collections.abc import Callable
from multiprocessing import get_context
from multiprocessing.process import BaseProcess

import pytest

LIMIT_S = 60


def start(work: Callable[[], int | None]) -> BaseProcess:
    """Run it in a forked process; what it returns is the exit code."""
    process = get_context("fork").Process(target=lambda: os._exit(work() or 0))
    process.start()
    return process


def wait_for(process: BaseProcess) -> int | None:
    """The exit code."""
    process.join(LIMIT_S)
    if process.exitcode is None:
        process.kill()
        pytest.fail("the process hangs")
    return process.exitcode
