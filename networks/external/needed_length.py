"""How long the sounds of a module must be, for errors about sounds that are too short."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from networks.text.durations import in_seconds
from networks.user_code import described

FAILURES = (RuntimeError, ValueError, IndexError, TypeError, AssertionError)
"""What modules raise for sounds of a length that they do not take."""
LONGEST_TRIED_S = 10.0


@contextmanager
def explained_length(accepts: Callable[[int], bool], num_samples: int, sample_rate_hz: int) -> Iterator[None]:
    """Explain the error of a module that fails because its sounds are too short; other errors pass as they are.

    Args:
        accepts: Whether the module hears sounds of a number of samples.
        num_samples: Samples of the sounds.
        sample_rate_hz: Their sample rate in Hz.

    Raises:
        ValueError: Longer sounds would be heard; the message says how long they must be.
    """
    try:
        yield
    except FAILURES as error:
        needed = None if accepts(num_samples) else _shortest(accepts, num_samples, sample_rate_hz)
        if needed is None:
            raise
        raise ValueError(
            f"expected num_samples of at least {needed} ({in_seconds(needed, sample_rate_hz)}), got {num_samples} "
            f"({in_seconds(num_samples, sample_rate_hz)}): the network does not hear shorter sounds, {described(error)}"
        ) from error


def _shortest(accepts: Callable[[int], bool], num_samples: int, sample_rate_hz: int) -> int | None:
    """The fewest samples that a module hears, above a number that it does not; None if it hears none of any length."""
    low, high = num_samples, 2 * max(num_samples, 1)
    while not accepts(high):
        low, high = high, 2 * high
        if high > LONGEST_TRIED_S * sample_rate_hz:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if accepts(middle) else (middle, high)
    return high
