"""The command `python -m train COMMAND`, such as `python -m train fit --config configs/NAME.yaml`."""

import argparse
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, NoReturn

from networks.commands.arguments import why_no_text
from networks.commands.program import program
from networks.installation import InstallationError, check_evaluate
from train.cli.launchers import check_numbers
from train.display.quiet import rank
from train.errors import TrainingError

if TYPE_CHECKING:
    from train.run.console_log import ConsoleLog

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
    if (reason := why_no_text(arguments)) is not None:
        _exit(reason)
    _check_command(arguments)
    try:
        check_evaluate()  # before what imports it
    except InstallationError as error:
        _exit(str(error))
    try:
        if arguments[0] == "show":
            _show(arguments[1:])
        else:
            _train()
    except KeyboardInterrupt:
        _exit_interrupted(arguments[0])
    except SystemExit as stop:
        if isinstance(stop.__context__, KeyboardInterrupt):  # Lightning has cleaned up, and ended the other ranks
            _exit_interrupted(arguments[0])
        raise


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
    if not first.startswith("-"):
        from networks.commands.dispatch import unknown_command

        _exit(unknown_command(first, COMMANDS, program=program("train")))
    parser = argparse.ArgumentParser(prog=program("train"), description=DESCRIPTION)
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, purpose in COMMANDS.items():
        subparsers.add_parser(name, help=purpose)
    parser.parse_args(arguments)


def _show(arguments: list[str]) -> None:
    from networks.commands.dispatch import parse_command
    from train.cli.show import Show
    from train.cli.user_errors import user_errors

    command = parse_command(Show, arguments, program=program("train", "show"))
    try:
        command.run()
    except user_errors() as error:
        _exit(str(error))


def _train() -> None:
    from train.cli.early_checks import check_start
    from train.cli.named_run import with_configuration
    from train.run.run_directory import RunDirectoryError

    try:
        check_numbers()  # before Lightning is imported, which reads them
        sys.argv[1:] = with_configuration(sys.argv[1:])
        check_start(sys.argv[1:])
    except (TrainingError, RunDirectoryError) as error:
        _exit(str(error))
    from train.display.quiet import leave_out_noise
    from train.run.console_log import ConsoleLog

    leave_out_noise()
    with ConsoleLog(is_recording=rank() == 0) as log:
        _run(log)


def _run(log: "ConsoleLog") -> None:
    """Run Lightning's command, and report what users can do about an error."""
    from pytorch_lightning.utilities.exceptions import SIGTERMException

    from train.cli.command_line import TrainCLI
    from train.cli.failures import explain, ignore_children
    from train.cli.user_errors import user_errors
    from train.run.finished import FinishedError
    from train.run.resume_command import how_to_resume
    from train.run.stop_signals import EXIT_STOPPED, StoppedBySignal

    try:
        TrainCLI(log=log)
    except FinishedError as finished:
        if rank() == 0:
            sys.stdout.write(f"{finished}\n")
    except user_errors() as error:
        _exit(str(error))
    except StoppedBySignal as stop:
        # Not logged while the progress is drawn, which would break the command into lines.
        if rank() == 0:
            sys.stdout.flush()
            sys.stderr.write(f"{stop.reason}. Resume with:\n  {how_to_resume()}\n")
        raise
    except SIGTERMException:  # Lightning's, which listens before training begins
        _exit(f"stopped by SIGTERM before the first step. Resume with: {how_to_resume()}", status=EXIT_STOPPED)
    except Exception as error:
        ignore_children()
        if (line := explain(error)) is None:
            raise
        _exit(line)


def _exit_interrupted(command: str) -> NoReturn:
    """Exit after a Ctrl-C outside of training; during training, `train.run.stop_signals` handles it."""
    from networks.commands.dispatch import EXIT_INTERRUPTED, report_error
    from train.run.resume_command import how_to_resume

    if rank() != 0:
        sys.exit(EXIT_INTERRUPTED)
    what_to_do = f"; what is saved is whole. Start or resume the run with: {how_to_resume()}"
    report_error(f"interrupted{what_to_do if command == 'fit' else ''}")
    sys.exit(EXIT_INTERRUPTED)


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
