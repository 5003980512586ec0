"""The commands of `python -m train`."""

import argparse
from collections.abc import Sequence

COMMANDS = {
    "fit": "Train a network, or resume a run.",
    "validate": "Compute the validation metrics of a checkpoint.",
    "test": "Compute the metrics of a checkpoint on the test data.",
    "show": "Write a few mixtures as training hears them.",
}
"""What each command does. `show` is a class of its own; the others are Lightning's."""

DESCRIPTION = "Train networks, and watch how well they predict brain responses."


def check_command(arguments: Sequence[str]) -> None:
    """Show the overview if there is no command, and an error for an unknown one; otherwise do nothing.

    Args:
        arguments: Command line without the program's name.

    Raises:
        SystemExit: After the overview or an error.
    """
    first = arguments[0] if arguments else "--help"
    if first in COMMANDS or (first.startswith("-") and first not in ("-h", "--help")):
        return
    parser = argparse.ArgumentParser(prog="python -m train", description=DESCRIPTION)
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, purpose in COMMANDS.items():
        subparsers.add_parser(name, help=purpose)
    parser.parse_args(arguments)
