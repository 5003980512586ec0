"""Errors of benchmark data, told one by one or all at once."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

NUM_SHOWN = 3
"""How many offending names an error message shows before it says how many more there are."""

_Result = TypeVar("_Result")


class BenchmarkError(ValueError):
    """Benchmark data that are missing, broken or contradict each other.

    Args:
        message: What is wrong, and where.
        problems: All that is wrong, where it is more than what the message says.

    Attributes:
        problems: All that is wrong, one text each.
    """

    def __init__(self, message: str, problems: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.problems = tuple(problems) or (message,)


class Problems:
    """Collects what is wrong with some data, so that all of it can be told at once.

    Attributes:
        found: What is wrong so far, one text each.
    """

    def __init__(self) -> None:
        self.found: list[str] = []

    @contextmanager
    def collected(self) -> Iterator[None]:
        """Note the `BenchmarkError` of a block of work, if any, and go on after the block."""
        try:
            yield
        except BenchmarkError as error:
            self.found += error.problems

    def attempt(self, work: Callable[..., _Result], *args: Any, **kwargs: Any) -> _Result | None:
        """Give what a function gives; None where it raised a `BenchmarkError`, which is noted."""
        with self.collected():
            return work(*args, **kwargs)
        return None

    def raise_any(self) -> None:
        """Raise a `BenchmarkError` if anything was found: its message is the first, `problems` are all."""
        problems = list(dict.fromkeys(self.found))
        if len(problems) > 1:
            more = f"{len(problems) - 1} more problem{'s' if len(problems) > 2 else ''}"
            raise BenchmarkError(f"{problems[0]} (and {more}: `python -m evaluate check` lists all)", problems)
        if problems:
            raise BenchmarkError(problems[0])


def shorten(names: Sequence[object], num_shown: int = NUM_SHOWN) -> str:
    """Join names for an error message: the first few, then how many more there are."""
    shown = ", ".join(repr(str(name)) for name in names[:num_shown])
    hidden = len(names) - num_shown
    return f"{shown} and {hidden} more" if hidden > 0 else shown
