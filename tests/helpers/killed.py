"""Killing the own process at a chosen moment, for work in forked processes."""

import os
import signal
from types import ModuleType, SimpleNamespace
from typing import Literal


def die() -> None:
    """As by `kill -9`."""
    os.kill(os.getpid(), signal.SIGKILL)


def die_at_write(
    module: ModuleType, number: int, moment: Literal["half", "before", "after"], *, name_ends: str = ""
) -> None:
    """Die at the n-th file that a module writes and then renames.

    Args:
        module: the module; it renames with `os.replace`.
        number: n, from 1.
        moment: when half of the file is on the disk, or just before or after it gets its name.
        name_ends: count only files whose name ends like this.
    """
    replace, count = os.replace, [0]

    def replace_or_die(source, target):
        count[0] += str(target).endswith(name_ends)
        is_moment = count[0] == number and str(target).endswith(name_ends)
        if is_moment and moment == "half":
            os.truncate(source, os.path.getsize(source) // 2)
        if is_moment and moment != "after":
            die()
        replace(source, target)
        if is_moment:
            die()

    module.os = SimpleNamespace(**vars(os) | {"replace": replace_or_die})
