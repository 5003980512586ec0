"""`cochlearn COMMAND`: the commands of all packages under one name.

A command is written by its name (`cochlearn fit`) or after its package (`cochlearn train fit`), as after `python -m`.
Two packages may have a command of the same name, such as `check`: then the package is needed.
"""

import functools
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import NamedTuple

from networks.commands.dispatch import EXIT_USER_ERROR, purpose_of, report_error, unknown_command
from networks.commands.program import CONSOLE_SCRIPT, SHARED_NAMES
from networks.installation import PROJECT, InstallationError, check_evaluate

HELP = ("-h", "--help")


class Package(NamedTuple):
    """A package with commands.

    Attributes:
        description: What it is for.
        commands: Its commands: the purpose of each or, as `module:class`, its class.
        run: Runs one, given the command line without the program's name.
    """

    description: str
    commands: Mapping[str, str]
    run: Callable[[list[str]], int]


@functools.cache
def packages() -> dict[str, Package]:
    """Return the packages, in the order in which they are used.

    Raises:
        InstallationError: `evaluate` is damaged.
    """
    check_evaluate()  # before it is imported
    import datamodules.__main__ as data
    import evaluate.__main__ as evaluation
    import networks.__main__ as nets
    import train.__main__ as training

    def train(arguments: list[str]) -> int:
        sys.argv[1:] = arguments  # Lightning reads it, and repeats it to start further processes
        training.main()
        return 0

    return {
        "datamodules": Package(data.DESCRIPTION, data.COMMANDS, data.main),
        "train": Package(training.DESCRIPTION, training.COMMANDS, train),
        "evaluate": Package(evaluation.DESCRIPTION, evaluation.COMMANDS, evaluation.main),
        "networks": Package(nets.DESCRIPTION, nets.COMMANDS, nets.main),
    }


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: Command line without the program's name; None means `sys.argv`.

    Returns:
        Exit code, as of `networks.commands.dispatch`.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    first = words[0] if words else HELP[0]
    try:
        having = packages_with(first)
        if first in HELP:
            return _show(overview())
    except InstallationError as error:
        report_error(str(error))
        return EXIT_USER_ERROR
    if first == "--version":
        return _show(_version())
    if first in packages():
        return packages()[first].run(words[1:])
    if len(having) == 1:
        return packages()[having[0]].run(words)
    report_error(_several(first, having) if having else _unknown(first))
    return EXIT_USER_ERROR


def packages_with(command: str) -> list[str]:
    """Find the packages that have a command of this name."""
    return [name for name, package in packages().items() if command in package.commands]


def overview() -> str:
    """List all commands, in a line each."""
    lines = [f"usage: {CONSOLE_SCRIPT} COMMAND ...   ({CONSOLE_SCRIPT} COMMAND --help lists the options of one)"]
    for name, package in packages().items():
        lines += ["", f"{package.description} ({name})"]
        for command, target in package.commands.items():
            shown = command if command not in SHARED_NAMES else f"{name} {command}"
            lines.append(f"  {shown:<18}  {purpose_of(target)}")
    return "\n".join(lines)


def _show(text: str) -> int:
    sys.stdout.write(f"{text}\n")
    return 0


def _version() -> str:
    try:
        return f"{PROJECT} {version(PROJECT)}"
    except PackageNotFoundError:
        return f"{PROJECT} (not installed)"


def _several(command: str, having: Sequence[str]) -> str:
    each = [
        f"`{CONSOLE_SCRIPT} {package} {command}` ({purpose_of(packages()[package].commands[command]).rstrip('.')})"
        for package in having
    ]
    return f"there are {len(each)} commands {command}: {' and '.join(each)}"


def _unknown(command: str) -> str:
    every = [*packages(), *(name for package in packages().values() for name in package.commands)]
    return unknown_command(command, every, program=CONSOLE_SCRIPT)
