"""Networks that could not be scored, and why, in one line."""

from typing import NamedTuple

MAX_REASON_CHARACTERS = 500


class Failure(NamedTuple):
    """A network that could not be scored.

    Attributes:
        source: The network.
        reason: Why, in one line.
    """

    source: str
    reason: str


def one_line(error: BaseException) -> str:
    """Shorten an error to one line.

    Args:
        error: Any exception. The messages of PyTorch can be pages long.

    Returns:
        The first line of its message, preceded by its type unless it is an `OSError` or a `ValueError`.
    """
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    message = lines[0] if lines else ""
    if len(message) > MAX_REASON_CHARACTERS:
        message = f"{message[:MAX_REASON_CHARACTERS]} ..."
    if isinstance(error, (OSError, ValueError)) and message:
        return message
    return f"{type(error).__name__}: {message}" if message else type(error).__name__
