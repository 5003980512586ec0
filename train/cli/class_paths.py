"""Classes written as `package.module:Name`, the form that other commands and YAML files of this project share.

jsonargparse knows only `package.module.Name`. Both forms work, in YAML and on the command line; saved configurations
have the second. Text that is not a class, such as the name of a benchmark or a task, stays as it is.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from networks.named_objects import describe_missing, parse_object_name

CLASS_PATH = "class_path"
GROUPS = ("model", "trainer")
"""Groups whose values name classes, as in `backbone: package.module:Name`."""

_MISSING_MODULE = re.compile(r"No module named '([\w.]+)'")
_CLASS_IN_FILE = re.compile(r"Unexpected import path format: \S+\.py:\w+")
_OPTION = re.compile(rf"--(?:(?:{'|'.join(GROUPS)})\.\w+|\S+\.{CLASS_PATH})\+?")


def dotted(value: Any) -> Any:
    """Write `package.module:Name` as `package.module.Name`; any other value is returned as it is."""
    name = parse_object_name(value) if isinstance(value, str) else None
    return value if name is None or name.module.endswith(".py") else f"{name.module}.{name.attribute}"


def dotted_in_values(loaded: Any) -> Any:
    """Write all classes in values from YAML with dots.

    Args:
        loaded: A whole configuration, or a single value of it.

    Returns:
        A copy with dots in each `class_path`, and in values and list items directly in one of `GROUPS`.
    """
    if isinstance(loaded, Mapping):
        return {key: _dotted_entry(str(key), value) for key, value in loaded.items()}
    if isinstance(loaded, list):
        return [dotted_in_values(item) for item in loaded]
    return loaded


def dotted_in_arguments(arguments: Sequence[str]) -> list[str]:
    """Write all classes on a command line with dots.

    Args:
        arguments: Command line, with options as `--option value` or `--option=value`.

    Returns:
        A copy with dots in the values of options for a `class_path`, and of options directly in one of `GROUPS`.
    """
    result: list[str] = []
    for argument in arguments:
        option, equals, value = argument.partition("=")
        if result and _OPTION.fullmatch(result[-1]):
            result.append(dotted(argument))
        elif equals and _OPTION.fullmatch(option):
            result.append(f"{option}={dotted(value)}")
        else:
            result.append(argument)
    return result


def explain_missing(message: str) -> str:
    """Explain in an error of jsonargparse how the module of a class is found.

    Args:
        message: An error about anything.

    Returns:
        The message, with the folders where Python looked for a module in place of "No module named".
    """
    message = _MISSING_MODULE.sub(lambda match: describe_missing(match[1]), message)
    return _CLASS_IN_FILE.sub(
        lambda match: (
            f"{match[0]}: write package.module:Class, with the folder of the file in PYTHONPATH, since a checkpoint "
            "cannot rebuild a class of a file"
        ),
        message,
    )


def _dotted_entry(key: str, value: Any) -> Any:
    if key == CLASS_PATH or key.endswith(f".{CLASS_PATH}"):
        return dotted(value)
    group, _, name = key.partition(".")
    if group in GROUPS and name and "." not in name:  # written as `model.backbone: ...`
        return _dotted_names(value)
    if key in GROUPS and isinstance(value, Mapping):
        return {inner: _dotted_names(each) for inner, each in value.items()}
    return dotted_in_values(value)


def _dotted_names(value: Any) -> Any:
    """Convert a value one level inside a group (`model`, `trainer`): a class path, a list of them, or another value."""
    inside = dotted_in_values(value)
    return [dotted(item) for item in inside] if isinstance(inside, list) else dotted(inside)
