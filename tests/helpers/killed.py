"""Killing the own process at a chosen moment, for work in forked processes."""

import os
import signal
from types import ModuleType
from typing import Literal


def die() -> None:
    """As by `kill -9`."""
    os.kill(os.getpid(), signal.SIGKILL)


def die_at_write(module: ModuleType, number: int, moment: Literal["half", "before", "after"]) -> None:
    """Die at the n-th file that a module writes and then renames.

    Args:
        module: the module; it writes with `os.fsync` and `os.replace`.
        number: n, from 1.
        moment: when half of the file is on the disk, or just before or after it gets its name.
    """
    replace, count = os.replace, [0]

    class Os:
        fsync = staticmethod(os.fsync)

        @staticmethod
        def replace(source, target):
            count[0] += 1
            if count[0] == number and moment == "half":
                os.truncate(source, os.path.getsize(source) // 2)
            if count[0] == number and moment != "after":
                die()
            replace(source, target)
            if count[0] == number:
                die()

    module.os = Os
