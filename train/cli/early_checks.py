"""What is checked on a command line before torch and Lightning are imported, which takes seconds.

Only the options `--config`, `--run_dir` and `--resume` are read here, in the order in which the parser reads them. What
is not understood is left to the parser, which checks everything again.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from train.cli.recipe_files import BASE, installed_recipe
from train.run.checkpoints.checkpoint_selection import check_new

DEFAULT_RUN_DIR = "runs/default"
CONFIG_OPTIONS = ("--config", "-c")
"""Options that name a configuration."""
_ONLY_SHOWS = ("--print_config", "--help", "-h")


def check_start(arguments: Sequence[str]) -> None:
    """Check that `fit` would not start in the directory of another run.

    Args:
        arguments: Command line without the program's name.

    Raises:
        RunDirectoryError: The directory holds a run.
    """
    if arguments[:1] != ["fit"] or any(argument.startswith(_ONLY_SHOWS) for argument in arguments):
        return
    try:
        values = values_of(arguments[1:])
    except (OSError, ValueError, yaml.YAMLError):  # the parser says what is wrong
        return
    run_dir, resume = values.get("run_dir", DEFAULT_RUN_DIR), values.get("resume", False)
    if resume is False and isinstance(run_dir, str):
        check_new(run_dir)


def values_of(arguments: Sequence[str]) -> dict[str, Any]:
    """Read `run_dir` and `resume` from options and the configurations that they name; later ones win.

    Args:
        arguments: Command line after the command.

    Raises:
        OSError: A file cannot be read.
        ValueError: A file is not a configuration.
        yaml.YAMLError: A value or a file is not YAML.
    """
    values: dict[str, Any] = {}
    for option, value in options_in(arguments):
        if option in CONFIG_OPTIONS:
            values |= _values_in(value, Path())
        elif option == "--run_dir":
            values["run_dir"] = value
        elif option == "--resume":
            values["resume"] = yaml.safe_load(value)
    return values


def options_in(arguments: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield options with their values, which are written as `--option value` or `--option=value`."""
    for place, argument in enumerate(arguments):
        name, equals, value = argument.partition("=")
        if not name.startswith("-"):
            continue
        if equals:
            yield name, value
        elif place + 1 < len(arguments):
            yield name, arguments[place + 1]


def _values_in(name: str, folder: Path) -> dict[str, Any]:
    """Values of a configuration, and of the one that it builds on."""
    file = folder / name
    found = file if file.is_file() else installed_recipe(name)
    loaded = None if found is None else yaml.safe_load(found.read_text(encoding="utf-8"))
    if found is None or not isinstance(loaded, Mapping):
        raise ValueError(f"{name} is not a configuration")
    values = _values_in(loaded[BASE], found.parent) if isinstance(loaded.get(BASE), str) else {}
    return values | {key: loaded[key] for key in ("run_dir", "resume") if key in loaded}
