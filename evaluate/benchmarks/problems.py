"""Errors in benchmark data, reported one by one or all together."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from networks.commands.program import program
from networks.text.wording import counted
from networks.user_error import UserError

NUM_SHOWN = 3
"""Number of names that an error message lists before it gives the number of the others."""

_Result = TypeVar("_Result")


class BenchmarkError(UserError):
    """Benchmark data that are missing, damaged or inconsistent.

    Args:
        message: What is wrong, and where.
        problems: All problems, if there are more than the message says.

    Attributes:
        problems: All problems, one text each.
    """

    def __init__(self, message: str, problems: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.problems = tuple(problems) or (message,)


class LoosePartsError(BenchmarkError):
    """Recordings in separate files, which are no benchmark yet.

    Args:
        message: What to do.
        folder: Where the files are.
    """

    def __init__(self, message: str, folder: Path) -> None:
        super().__init__(message)
        self.folder = folder


class Problems:
    """Collects problems of some data, to report all of them together.

    Attributes:
        found: The problems found so far, one text each.
    """

    def __init__(self) -> None:
        self.found: list[str] = []

    @contextmanager
    def collected(self) -> Iterator[None]:
        """Collect the `BenchmarkError` that a block raises, if any, and continue after the block."""
        try:
            yield
        except BenchmarkError as error:
            self.found += error.problems

    def attempt(self, work: Callable[..., _Result], *args: Any, **kwargs: Any) -> _Result | None:
        """Return the result of a function; None if it raises a `BenchmarkError`, which is collected."""
        with self.collected():
            return work(*args, **kwargs)
        return None

    def raise_any(self) -> None:
        """Raise a `BenchmarkError` if there are problems: its message has the first, its `problems` all."""
        problems = list(dict.fromkeys(self.found))
        if len(problems) > 1:
            more = counted(len(problems) - 1, "more problem")
            raise BenchmarkError(f"{problems[0]} (and {more}: `{program('evaluate', 'check')}` lists all)", problems)
        if problems:
            raise BenchmarkError(problems[0])


def shorten(names: Sequence[object], num_shown: int = NUM_SHOWN) -> str:
    """Join names for an error message: the first few, then the number of the others."""
    shown = ", ".join(repr(str(name)) for name in names[:num_shown])
    hidden = len(names) - num_shown
    return f"{shown} and {hidden} more" if hidden > 0 else shown
