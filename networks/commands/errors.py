"""User errors, which are reported in one line."""


def user_errors() -> tuple[type[Exception], ...]:
    """Return all exception types that count as user errors. Imported lazily so that `--help` stays fast."""
    from networks.installation import InstallationError
    from networks.weights.source_names import SourceError
    from networks.weights.strict import CheckpointError

    return (CheckpointError, SourceError, InstallationError, OSError)
