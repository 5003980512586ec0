"""Errors of the user's: told in one line."""


class CommandError(ValueError):
    """Something the user asked for cannot be done; the message says what and why."""


def user_errors() -> tuple[type[Exception], ...]:
    """All of them; imported when a command runs, not for its help."""
    from networks.installation import InstallationError
    from networks.weights.source_names import SourceError
    from networks.weights.strict import CheckpointError

    return (CommandError, CheckpointError, SourceError, InstallationError, OSError)
