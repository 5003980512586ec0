"""Options of which only one of two can hold: the last one that is set wins, and turns the other off.

A recipe sets `data.global_batch_size`; `--data.batch_size 32` after it, or in a file that builds on it, replaces that.
Two that are set in one file contradict each other: they stay as they are, and what uses them reports an error.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import yaml
from jsonargparse import Namespace

OFF: dict[str, Any] = {
    "data.batch_size": None,
    "data.global_batch_size": None,
    "model.lr_scheduler": None,
    "schedule.drop_every": None,
    "schedule.warm_up": 0.0,
    "schedule.cosine": False,
}
"""Options that have alternatives, with the value that means that they are not used."""

_PAIRS = (
    ("data.batch_size", "data.global_batch_size"),
    ("model.lr_scheduler", "schedule.drop_every"),
    ("model.lr_scheduler", "schedule.warm_up"),
    ("model.lr_scheduler", "schedule.cosine"),
    ("schedule.cosine", "schedule.drop_every"),
)


def alternatives_of(option: str) -> list[str]:
    """Return the options that cannot hold together with this one, which is written as `group.name`."""
    return [other for pair in _PAIRS if option in pair for other in pair if other != option]


def replaced_in_values(loaded: Mapping[Any, Any]) -> dict[Any, Any]:
    """Turn off the alternatives of what a configuration sets, so that it replaces those of an earlier one.

    Args:
        loaded: Content of a file, with options in groups or written as `group.name`.

    Returns:
        A copy with the values of `OFF` for alternatives that are not mentioned in it.
    """
    result = {key: dict(value) if isinstance(value, Mapping) else value for key, value in loaded.items()}
    mentioned = dict(_options_in(loaded))
    for option in _replaced_by(mentioned):
        group, _, name = option.partition(".")
        if option in mentioned:
            continue
        if isinstance(values := result.setdefault(group, {}), dict):
            values[name] = OFF[option]
    return result


def replaced_in_arguments(arguments: Sequence[str]) -> list[str]:
    """Turn off the alternatives of each option on a command line, right after it.

    Args:
        arguments: Command line, with options as `--option value` or `--option=value`.
    """
    result: list[str] = []
    option = ""
    for argument in arguments:
        result.append(argument)
        name, equals, value = argument.partition("=")
        if not equals:
            name, value = option, argument
        option = argument
        if name.startswith("--"):
            replaced = _replaced_by({name.removeprefix("--"): _loaded(value)})
            result += [f"--{other}={yaml.safe_dump(OFF[other]).split()[0]}" for other in replaced]
    return result


def replaced_in(values: Namespace) -> list[str]:
    """List the options that are off because of another one: they need not be written."""
    mentioned = {option: values[option] for option in OFF if option in values}
    return [other for other in _replaced_by(mentioned) if other in mentioned and mentioned[other] == OFF[other]]


def _replaced_by(values: Mapping[str, Any]) -> Iterable[str]:
    used = [option for option, value in values.items() if option in OFF and value != OFF[option]]
    return dict.fromkeys(other for option in used for other in alternatives_of(option))


def _options_in(loaded: Mapping[Any, Any]) -> Iterator[tuple[str, Any]]:
    for key, value in loaded.items():
        if key in OFF:
            yield key, value
        elif isinstance(value, Mapping):
            yield from ((f"{key}.{name}", inner) for name, inner in value.items() if f"{key}.{name}" in OFF)


def _loaded(value: str) -> Any:
    try:
        return yaml.safe_load(value)
    except yaml.YAMLError:
        return value
