"""User errors, which are reported in one line, without a traceback."""


def user_errors() -> tuple[type[Exception], ...]:
    """Return all exception types that count as user errors. Imported lazily so that `--help` stays fast."""
    from datamodules.audio import AudioError
    from datamodules.batches.mixing import MixingError
    from datamodules.batches.settings_error import DataSettingsError
    from datamodules.shards.index import ShardError
    from datamodules.tasks import TaskError
    from evaluate.benchmarks import BenchmarkError
    from evaluate.features.recording import StageError
    from evaluate.metrics import MetricError
    from networks import CheckpointError
    from networks.files.strict_yaml import StrictYamlError
    from networks.installation import InstallationError
    from train.errors import TrainingError
    from train.learning.non_finite import NonFiniteLossError
    from train.learning.schedules import ScheduleError
    from train.run.checkpoints.checkpoint_writer import CheckpointWriteError
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
        MetricError,
        CheckpointError,
        InstallationError,
        StrictYamlError,
        NonFiniteLossError,
        ScheduleError,
        CheckpointWriteError,
        RunDirectoryError,
    )
