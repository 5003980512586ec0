"""Errors in code that users wrote, in one line: what was raised, in which file and line."""

import os
import sysconfig
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from networks.installation import InstallationError

MAX_MESSAGE_CHARACTERS = 300

_PROJECT = Path(__file__).resolve().parents[1]
_OURS = tuple(f"{_PROJECT / name}{os.sep}" for name in ("networks", "datamodules", "evaluate", "train"))
_STANDARD_LIBRARY = sysconfig.get_path("stdlib") + os.sep
_INSTALLED = ("site-packages", "dist-packages")


@contextmanager
def user_code(
    what: str, *, raises: type[Exception] = ValueError, passes: tuple[type[Exception], ...] = ()
) -> Iterator[None]:
    """Turn whatever a user's code raises into one type of error, whose message says what was raised and where.

    Args:
        what: What is called, such as "my_benchmarks.py:tones".
        raises: Type of the error to raise.
        passes: Types of errors to pass on as they are, in addition to those of the installation.
    """
    try:
        yield
    except (Exception, SystemExit) as error:
        if isinstance(error, (*passes, InstallationError)):
            raise
        raise raises(f"{what} raised {described(error)}") from error


def described(error: BaseException) -> str:
    """Describe an error in one line: type, message, and the last place in a user's code, as file and line."""
    message = " ".join(str(error).split())
    if len(message) > MAX_MESSAGE_CHARACTERS:
        message = f"{message[:MAX_MESSAGE_CHARACTERS]} ..."
    name = type(error).__name__
    return f"{name}: {message}{place_of(error)}" if message else f"{name}{place_of(error)}"


def shown_path(path: str | Path) -> str:
    """Shorten a path inside the working directory to its path from there."""
    path = Path(path)
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def kind_of(value: Any) -> str:
    """Name what a value is, with an article: "a Linear", "an int", "a class Encoder"."""
    name = f"class {value.__name__}" if isinstance(value, type) else type(value).__name__
    return f"{'an' if name[0].lower() in 'aeiou' else 'a'} {name}"


def place_of(error: BaseException) -> str:
    """Say where a user should look: the last frame that is in no library, else the last one outside this project.

    Args:
        error: An error that was raised.

    Returns:
        " (file.py, line 12)", or "" if nothing outside this project is in its traceback.
    """
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith("<")]
    others = [frame for frame in frames if not frame.filename.startswith(_OURS) and "importlib" not in frame.filename]
    found = [frame for frame in others if not is_library(frame.filename)] or others
    return f" ({shown_path(found[-1].filename)}, line {found[-1].lineno})" if found else ""


def is_library(file: str) -> bool:
    """Whether a file is one of Python's standard library or of an installed package."""
    return file.startswith(_STANDARD_LIBRARY) or any(part in _INSTALLED for part in Path(file).parts)
