"""Errors of the user's: told in one line."""

from networks.installation import InstallationError
from networks.sources import SourceError
from networks.weights import CheckpointError


class CommandError(ValueError):
    """Something the user asked for cannot be done; the message says what and why."""


USER_ERRORS = (CommandError, CheckpointError, SourceError, InstallationError, OSError)
