"""What `python -m networks` and `python -m evaluate` share: find a command, run it, tell errors in one line."""

import argparse
import importlib
import os
import sys
from collections.abc import Mapping, Sequence

from rich.console import Console

from networks.installation import InstallationError, check_evaluate

EXIT_USER_ERROR = 2
EXIT_INTERRUPTED = 130
"""As shells have it: 128 and the number of the signal."""


def dispatch(
    package: str, description: str, commands: Mapping[str, tuple[str, str]], arguments: Sequence[str] | None
) -> int:
    """Run one command of a package.

    Args:
        package: its name; `PACKAGE.commands.errors.user_errors()` are the errors that are told in one line.
        description: of the package, for `--help`.
        commands: for each its module, with `add_arguments(parser)` and `run(args)`, imported when it is needed, and
            what it does.
        arguments: command line without the program's name; None means `sys.argv`.

    Returns:
        Exit code: 0; 1 where a command finished in part; 2 for an error of the user's, which is told in one line.
    """
    if package == "evaluate":
        try:
            check_evaluate()
        except InstallationError as error:
            _tell_error(str(error))
            return EXIT_USER_ERROR
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    chosen = next((argument for argument in arguments if not argument.startswith("-")), None)
    parser = argparse.ArgumentParser(prog=f"python -m {package}", description=description)
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (module, help_text) in commands.items():
        command = subparsers.add_parser(name, help=help_text, description=help_text)
        if name == chosen:
            implementation = importlib.import_module(module)
            implementation.add_arguments(command)
    args = parser.parse_args(arguments)
    user_errors = importlib.import_module(f"{package}.commands.errors").user_errors()
    try:
        return implementation.run(args) or 0
    except user_errors as error:
        _tell_error(str(error))
        return EXIT_USER_ERROR
    except KeyboardInterrupt:
        _tell_error("interrupted")
        return EXIT_INTERRUPTED


def _tell_error(message: str) -> None:
    """Print an error in one line on the error stream; of several processes, the first speaks for all."""
    if os.environ.get("RANK", "0") == "0":
        line = " ".join(f"error: {message}".split())
        Console(stderr=True, soft_wrap=True).print(line, style="red", markup=False, highlight=False)
