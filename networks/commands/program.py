"""How users start a command, for help and messages: `cochlearn COMMAND`, or `python -m PACKAGE COMMAND` if they did."""

import sys
from pathlib import Path

CONSOLE_SCRIPT = "cochlearn"

SHARED_NAMES = ("check", "convert")
"""Names of commands that two packages have: `cochlearn` needs the package, too."""


PACKAGES = ("train", "evaluate", "datamodules", "networks")


def is_console_script(started_as: str | None = None) -> bool:
    """Whether to write commands as `cochlearn`, which is for all but those who started `python -m PACKAGE`.

    Args:
        started_as: Name of the program; None for that of this process.
    """
    path = Path((sys.argv or [""])[0] if started_as is None else started_as)
    return not (path.name == "__main__.py" and path.parent.name in PACKAGES)


def module_of(package: str) -> str:
    """Name the module that torchrun starts for commands of a package, in the way in which this process was started."""
    return CONSOLE_SCRIPT if is_console_script() else package


def program(package: str, command: str = "") -> str:
    """Write a command in the way in which the running one was started; in other programs, as `cochlearn`.

    Args:
        package: Package of the command.
        command: Its name, and possibly arguments; "" for the package as a whole.

    Returns:
        `cochlearn report`, `cochlearn evaluate check` or `python -m evaluate report`.
    """
    is_script = is_console_script()
    name = command.partition(" ")[0]
    words = [CONSOLE_SCRIPT] if is_script else ["python -m"]
    if not is_script or not name or name in SHARED_NAMES:
        words.append(package)
    return " ".join([*words, command]).rstrip()
