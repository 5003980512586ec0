"""``python -m train fit --config configs/NAME.yaml``: train a network, watch its brain scores."""

import sys

from rich.console import Console

from datamodules.tasks import TaskError
from train.run_directory import RunDirectoryError


def main() -> None:
    """Run the command line; errors that a user can mend are told in one line, without a traceback."""
    from train.command_line import TrainCLI

    try:
        TrainCLI()
    except (RunDirectoryError, TaskError) as error:
        Console(stderr=True).print(f"error: {error}", style="red", markup=False)
        sys.exit(2)


if __name__ == "__main__":
    main()
