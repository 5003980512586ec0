"""The command `cochlearn`, also as `python -m cochlearn`: every command of this project, from any folder.

The packages of this project have common names: a user's own `train.py` in the working directory, a folder `networks`
on `PYTHONPATH` or Hugging Face's `evaluate` hides them from `python -m train`. Importing this module gives the packages
next to this file precedence, in this process and in those that it starts, which import this module first, too.
"""

import os
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType

PACKAGES = ("configs", "datamodules", "evaluate", "networks", "train")
"""Packages of this project."""

_FOLDER = str(Path(__file__).resolve().parent)


class _OwnPackages:
    """Finds the packages of this project next to this file, before anything on `sys.path`."""

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:
        """Find one of `PACKAGES`; None for any other module, and where it is missing."""
        return PathFinder.find_spec(name, [_FOLDER], target) if name in PACKAGES else None


def _find_own_packages_first() -> None:
    if not any(type(finder).__name__ == _OwnPackages.__name__ for finder in sys.meta_path):
        sys.meta_path.insert(0, _OwnPackages())


def _find_modules_of_the_working_directory() -> None:
    """Let users name objects of modules in the working directory, which no other module is replaced by."""
    if sys.flags.safe_path:
        return
    try:
        here = os.getcwd()
    except OSError:  # it was removed
        return
    if __name__ == "__main__" and sys.path[:1] in ([""], [here]):  # `python -m` has put it first
        del sys.path[0]
    if here not in sys.path:
        sys.path.append(here)


def main() -> int:
    """Run one command; see `train.cli.all_commands`."""
    _find_modules_of_the_working_directory()
    from train.cli.all_commands import run

    return run()


_find_own_packages_first()

if __name__ == "__main__":
    sys.exit(main())
