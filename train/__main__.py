"""The command `python -m train COMMAND`, such as `python -m train fit --config configs/NAME.yaml`."""

import sys
import time
from typing import NoReturn

from networks.installation import InstallationError, check_evaluate
from train.cli.commands import check_command
from train.display.quiet import rank

FIRST_RANK_REPORTS_WITHIN_S = 3.0
"""The other processes wait this long before they report an error."""


def main() -> None:
    """Run one command. Errors that users can fix are reported in one line, without a traceback."""
    arguments = sys.argv[1:]
    check_command(arguments)
    try:
        check_evaluate()  # before what imports it
    except InstallationError as error:
        _exit(str(error))
    if arguments[0] == "show":
        _show(arguments[1:])
    else:
        _train()


def _show(arguments: list[str]) -> None:
    from networks.commands.dispatch import parse_command
    from train.cli.show import Show
    from train.errors import user_errors

    command = parse_command(Show, arguments, program="python -m train show")
    try:
        command.run()
    except user_errors() as error:
        _exit(str(error))


def _train() -> None:
    from pytorch_lightning.utilities.exceptions import SIGTERMException

    from train.cli.command_line import TrainCLI
    from train.cli.failures import explain, ignore_children
    from train.display.quiet import leave_out_noise
    from train.errors import user_errors
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
    Console(stderr=True).print(f"error: {message}", style="red", markup=False, soft_wrap=True)
    sys.exit(status)


if __name__ == "__main__":
    main()
