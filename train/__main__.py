"""``python -m train fit --config configs/NAME.yaml``: train a network, watch its brain scores."""

import sys
import time
from typing import NoReturn

from networks.installation import InstallationError, check_evaluate
from train.display.quiet import rank

FIRST_SPEAKS_WITHIN_S = 3.0
"""Other processes keep an error to themselves for so long."""


def main() -> None:
    """Run the command line; errors that a user can mend are told in one line, without a traceback."""
    try:
        check_evaluate()  # before what imports it
    except InstallationError as error:
        _tell(str(error))

    from pytorch_lightning.utilities.exceptions import SIGTERMException

    from datamodules.batches.mixing import MixingError
    from datamodules.batches.order import DataSettingsError
    from datamodules.shards.reader import ShardError
    from datamodules.tasks import TaskError
    from evaluate.benchmarks import BenchmarkError
    from evaluate.features.activations import StageError
    from networks import CheckpointError
    from train.cli.command_line import TrainCLI
    from train.cli.errors import TrainingError
    from train.cli.failures import explain, ignore_children
    from train.display.quiet import leave_out_noise
    from train.learning.non_finite import NonFiniteLossError
    from train.learning.schedules import ScheduleError
    from train.run.checkpoint_files import CheckpointWriteError
    from train.run.run_directory import RunDirectoryError
    from train.run.stop_signals import EXIT_STOPPED

    told = (BenchmarkError, CheckpointError, CheckpointWriteError, NonFiniteLossError, RunDirectoryError, ShardError)
    leave_out_noise()
    try:
        TrainCLI()
    except (*told, DataSettingsError, MixingError, ScheduleError, StageError, TaskError, TrainingError) as error:
        _tell(str(error))
    except SIGTERMException:  # Lightning's, which listens before training begins
        _tell("stopped by SIGTERM before the first step; go on with `--resume true`", status=EXIT_STOPPED)
    except Exception as error:
        ignore_children()
        if (line := explain(error)) is None:
            raise
        _tell(line)


def _tell(message: str, *, status: int = 2) -> NoReturn:
    from rich.console import Console

    if rank() != 0:
        # The first process has most likely the same error. When it has ended, torchrun ends this one, too.
        time.sleep(FIRST_SPEAKS_WITHIN_S)
    Console(stderr=True).print(f"error: {message}", style="red", markup=False, soft_wrap=True)
    sys.exit(status)


if __name__ == "__main__":
    main()
