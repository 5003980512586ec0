"""User errors, which are reported in one line."""


def user_errors() -> tuple[type[Exception], ...]:
    """Return all user errors. They are imported when a command runs, not for its help."""
    from networks.installation import InstallationError
    from networks.weights.source_names import SourceError
    from networks.weights.strict import CheckpointError

    return (CheckpointError, SourceError, InstallationError, OSError)
