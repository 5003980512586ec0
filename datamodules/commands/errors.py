"""Errors of the user, which commands report in one line."""


def user_errors() -> tuple[type[Exception], ...]:
    """Return all exception types that count as user errors. Imported lazily so that `--help` stays fast."""
    from datamodules.audio import AudioError
    from datamodules.batches.settings_error import DataSettingsError
    from datamodules.building.build_report import BuildError
    from datamodules.inspection.places import PlaceError
    from datamodules.manifests.manifest import ManifestError
    from datamodules.shards.index import ShardError
    from datamodules.tables import TextTableError
    from datamodules.tasks import TaskError
    from datamodules.text_files import TextFileError
    from networks.installation import InstallationError

    return (
        AudioError,
        BuildError,
        DataSettingsError,
        ManifestError,
        PlaceError,
        ShardError,
        TextTableError,
        TaskError,
        TextFileError,
        InstallationError,
        OSError,
    )
