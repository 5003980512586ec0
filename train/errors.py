"""Errors of users: reported in one line, without a traceback."""


class TrainingError(ValueError):
    """Something that cannot be trained, or not from where a run would resume; the message says what to do."""


def user_errors() -> tuple[type[Exception], ...]:
    """All of them; imported when a command runs, not for its help."""
    from datamodules.audio import AudioError
    from datamodules.batches.mixing import MixingError
    from datamodules.batches.order import DataSettingsError
    from datamodules.shards.index import ShardError
    from datamodules.tasks import TaskError
    from evaluate.benchmarks import BenchmarkError
    from evaluate.features.activations import StageError
    from networks import CheckpointError
    from networks.installation import InstallationError
    from train.learning.non_finite import NonFiniteLossError
    from train.learning.schedules import ScheduleError
    from train.run.checkpoint_writer import CheckpointWriteError
    from train.run.run_directory import RunDirectoryError

    return (
        TrainingError,
        AudioError,
        MixingError,
        DataSettingsError,
        ShardError,
        TaskError,
        BenchmarkError,
        StageError,
        CheckpointError,
        InstallationError,
        NonFiniteLossError,
        ScheduleError,
        CheckpointWriteError,
        RunDirectoryError,
    )
