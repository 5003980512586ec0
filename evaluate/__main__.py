"""The command `python -m evaluate COMMAND ...`."""

import argparse
import importlib
import os
import sys
from collections.abc import Sequence

from rich.console import Console

COMMANDS = {
    "score": ("evaluate.commands.score", "score networks against benchmarks"),
    "watch": ("evaluate.commands.watch", "score checkpoints of a run while it trains"),
    "report": ("evaluate.commands.report", "write a page and figures from the scores of runs"),
    "probe": ("evaluate.commands.probe", "tell labelled sounds apart by a stage's activations (transfer check)"),
    "check": ("evaluate.commands.check", "say what is in benchmarks and what is wrong with them"),
    "convert": ("evaluate.commands.convert", "write a benchmark or loose files in the format for own recordings"),
    "fetch": ("evaluate.commands.fetch", "download the public release of brain responses"),
}
"""For each command the module with `add_arguments(parser)` and `run(args)`, imported when it is needed."""

EXIT_USER_ERROR = 2
EXIT_INTERRUPTED = 130
"""As shells have it: 128 and the number of the signal."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: Command line without the program's name; None means `sys.argv`.

    Returns:
        Exit code: 0; 1 where a command finished in part; 2 for an error of the user's, which is told in one line.
    """
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    chosen = next((argument for argument in arguments if not argument.startswith("-")), None)
    parser = argparse.ArgumentParser(
        prog="python -m evaluate", description="Compare the stages of networks with brain responses to sound."
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (module, help_text) in COMMANDS.items():
        command = commands.add_parser(name, help=help_text, description=help_text)
        if name == chosen:
            implementation = importlib.import_module(module)
            implementation.add_arguments(command)
    args = parser.parse_args(arguments)

    from evaluate.commands.errors import USER_ERRORS

    try:
        return implementation.run(args) or 0
    except USER_ERRORS as error:
        tell_error(str(error))
        return EXIT_USER_ERROR
    except KeyboardInterrupt:
        tell_error("interrupted")
        return EXIT_INTERRUPTED


def tell_error(message: str) -> None:
    """Print an error in one line on the error stream; of several processes, the first speaks for all."""
    if os.environ.get("RANK", "0") == "0":
        line = " ".join(f"error: {message}".split())
        Console(stderr=True, soft_wrap=True).print(line, style="red", markup=False, highlight=False)


if __name__ == "__main__":
    sys.exit(main())
