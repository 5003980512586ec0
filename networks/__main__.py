"""The command `python -m networks COMMAND ...`."""

import argparse
import importlib
import sys
from collections.abc import Sequence

from rich.console import Console

COMMANDS = {
    "calibrate": ("networks.commands.calibrate", "measure how many points the bands of the multirate cochleagram need"),
    "convert": ("networks.commands.convert", "make a checkpoint of this project of published weights"),
    "summary": ("networks.commands.summary", "show a network's stages, parameters, operations and receptive fields"),
}
"""For each command the module with `add_arguments(parser)` and `run(args)`, imported when it is needed."""

EXIT_USER_ERROR = 2
EXIT_INTERRUPTED = 130
"""As shells have it: 128 and the number of the signal."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: command line without the program's name; None means `sys.argv`.

    Returns:
        Exit code: 0; 2 for an error of the user's, which is told in one line.
    """
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    chosen = next((argument for argument in arguments if not argument.startswith("-")), None)
    parser = argparse.ArgumentParser(prog="python -m networks", description="Networks and their weights.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (module, help_text) in COMMANDS.items():
        command = commands.add_parser(name, help=help_text, description=help_text)
        if name == chosen:
            implementation = importlib.import_module(module)
            implementation.add_arguments(command)
    args = parser.parse_args(arguments)

    from networks.commands.errors import USER_ERRORS

    try:
        return implementation.run(args) or 0
    except USER_ERRORS as error:
        tell_error(str(error))
        return EXIT_USER_ERROR
    except KeyboardInterrupt:
        tell_error("interrupted")
        return EXIT_INTERRUPTED


def tell_error(message: str) -> None:
    """Print an error in one line on the error stream."""
    line = " ".join(f"error: {message}".split())
    Console(stderr=True, soft_wrap=True).print(line, style="red", markup=False, highlight=False)


if __name__ == "__main__":
    sys.exit(main())
