"""The command `python -m train COMMAND`, such as `python -m train fit --config configs/NAME.yaml`."""

import argparse
import sys
import time
from collections.abc import Sequence
from typing import NoReturn

from networks.installation import InstallationError, check_evaluate
from train.cli.launchers import check_numbers
from train.display.quiet import rank
from train.errors import TrainingError

COMMANDS = {
    "fit": "Train a network, or resume a run.",
    "validate": "Compute the validation metrics of a checkpoint.",
    "test": "Compute the metrics of a checkpoint on the test data.",
    "show": "Write a few mixtures as training hears them.",
}
"""What each command does. `show` is a class of its own; the others are Lightning's."""

DESCRIPTION = "Train networks, and watch how well they predict brain responses."

FIRST_RANK_REPORTS_WITHIN_S = 3.0
"""The other processes wait this long before they report an error."""


def main() -> None:
    """Run one command. Errors that users can fix are reported in one line, without a traceback."""
    arguments = sys.argv[1:]
    _check_command(arguments)
    try:
        check_evaluate()  # before what imports it
    except InstallationError as error:
        _exit(str(error))
    if arguments[0] == "show":
        _show(arguments[1:])
    else:
        _train()


def _check_command(arguments: Sequence[str]) -> None:
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


def _show(arguments: list[str]) -> None:
    from networks.commands.dispatch import parse_command
    from train.cli.show import Show
    from train.cli.user_errors import user_errors

    command = parse_command(Show, arguments, program="python -m train show")
    try:
        command.run()
    except user_errors() as error:
        _exit(str(error))


def _train() -> None:
    try:
        check_numbers()  # before Lightning is imported, which reads them
    except TrainingError as error:
        _exit(str(error))
    from pytorch_lightning.utilities.exceptions import SIGTERMException

    from train.cli.command_line import TrainCLI
    from train.cli.failures import explain, ignore_children
    from train.cli.user_errors import user_errors
    from train.display.quiet import leave_out_noise
    from train.run.stop_signals import EXIT_STOPPED

    leave_out_noise()
    try:
        TrainCLI()
    except user_errors() as error:
        _exit(str(error))
    except SIGTERMException:  # Lightning's, which listens before training begins
        _exit("stopped by SIGTERM before the first step; resume with `--resume true`", status=EXIT_STOPPED)
    except Exception as error:
        ignore_children()
        if (line := explain(error)) is None:
            raise
        _exit(line)


def _exit(message: str, *, status: int = 2) -> NoReturn:
    """Report an error and exit."""
    from rich.console import Console

    if rank() != 0:
        # The first process most likely has the same error. When it ends, torchrun ends this one, too.
        time.sleep(FIRST_RANK_REPORTS_WITHIN_S)
    Console(stderr=True, markup=False, emoji=False).print(f"error: {message}", style="red", soft_wrap=True)
    sys.exit(status)


if __name__ == "__main__":
    main()
