"""What `python -m networks`, `python -m datamodules` and `python -m evaluate` share, also as `cochlearn COMMAND`.

A command is a keyword-only dataclass: its fields are the options, its docstring is the help, `run()` does the work.
Commands that share options inherit them. jsonargparse reads all of it, as it does for `python -m train`.
"""

from __future__ import annotations

import argparse
import dataclasses
import difflib
import importlib
import os
import re
import sys
import types
import typing
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, NoReturn, Protocol, Union

import docstring_parser
from jsonargparse import ArgumentParser, DefaultHelpFormatter
from rich.console import Console
from rich.text import Text

from networks.commands.arguments import printable, why_no_text
from networks.commands.interruption import Terminated
from networks.commands.plain_warnings import plain_warnings
from networks.commands.program import program
from networks.commands.value_errors import find_problem, in_one_line
from networks.installation import InstallationError, check_evaluate
from networks.user_error import UserError

_TARGET = re.compile(r"[\w.]+:\w+")
_ESCAPE, _SHOWN_ESCAPE = "\x1b", "␛"

EXIT_IN_PART = 1
"""Done in part, or problems were found; each command says which."""
EXIT_USER_ERROR = 2
EXIT_INTERRUPTED = 130
EXIT_TERMINATED = 143
"""As in shells: 128 plus the number of the signal."""


class CommandError(UserError):
    """A request of the user that cannot be fulfilled; the message says what and why."""


class Command(Protocol):
    """A command.

    Attributes:
        positionals: Fields that are written without their names, in this order.

    A command may have a property `when_interrupted`, which says what a Ctrl-C leaves and how to resume. It names only
    what is there. For the same after SIGTERM, `run` works in `interruption.stopped_by_sigterm`.
    """

    positionals: ClassVar[tuple[str, ...]] = ()

    def run(self) -> int | None:
        """Do the work and return the exit code; None means 0."""
        ...


class _Parser(ArgumentParser):
    """jsonargparse's parser, whose errors are one line."""

    _shows_usage = True

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Report an error, and exit with status 2."""
        self._shows_usage = find_problem(message) is None
        super().error(in_one_line(message), ex)

    def print_usage(self, file: Any = None) -> None:
        """Print the usage, but not next to an error about one value."""
        if self._shows_usage:
            super().print_usage(file)


class _HelpFormatter(DefaultHelpFormatter, argparse.RawDescriptionHelpFormatter):
    """Types and defaults as jsonargparse shows them, descriptions with their own line breaks."""


class _ListAction(argparse.Action):
    """Collect the items of a list that is given once (`--stages a b`) or in parts (`--stages a --stages b`).

    Unlike argparse's "extend", it replaces the default.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._items: list[Any] = []

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        self._items += values or ()
        setattr(namespace, self.dest, list(self._items))


def dispatch(package: str, description: str, commands: Mapping[str, str], arguments: Sequence[str] | None) -> int:
    """Run one command of a package.

    Args:
        package: Name of the package. Its errors `PACKAGE.commands.errors.user_errors()` are reported in one line, as
            `CommandError` is.
        description: What the package is for, for `--help`.
        commands: Class of each command as `module:class`. Modules are imported when they are needed.
        arguments: Command line without the program's name; None means `sys.argv`.

    Returns:
        Exit code: 0 for success, 1 if a command finished in part or found damage, 2 for a user error, 130 after
        Ctrl-C, 143 after a SIGTERM that the command handles.
    """
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    if (reason := why_no_text(arguments)) is not None:
        report_error(reason)
        return EXIT_USER_ERROR
    name, rest = (arguments[0], arguments[1:]) if arguments else ("", [])
    command: Command | None = None
    try:
        if package == "evaluate":
            check_evaluate()
        if name and not name.startswith("-") and name not in commands:
            report_error(unknown_command(name, commands, program=program(package)))
            return EXIT_USER_ERROR
        if name not in commands:
            _overview(package, description, commands).parse_args(arguments)  # shows help or an error, and exits
        command = parse_command(load_command(commands[name]), rest, program=program(package, name))
        with plain_warnings():
            return command.run() or 0
    except (UserError, InstallationError) as error:
        report_error(str(error))
        return EXIT_USER_ERROR
    except Exception as error:
        # Only now, as it imports torch, which some commands do without.
        if not isinstance(error, importlib.import_module(f"{package}.commands.errors").user_errors()):
            raise
        report_error(str(error))
        return EXIT_USER_ERROR
    except KeyboardInterrupt as stop:
        left = getattr(command, "when_interrupted", "")
        is_terminated = isinstance(stop, Terminated)
        report_error(f"{'stopped by SIGTERM' if is_terminated else 'interrupted'}{f': {left}' if left else ''}")
        return EXIT_TERMINATED if is_terminated else EXIT_INTERRUPTED


def unknown_command(name: str, commands: Iterable[str], *, program: str) -> str:
    """Say that there is no command of a name, and which one may have been meant."""
    near = difflib.get_close_matches(name, list(commands), n=1)
    hint = f" (did you mean {near[0]}?)" if near else ""
    return f"there is no command {name!r}{hint}; `{program} --help` lists all"


def load_command(target: str) -> type[Command]:
    """Import the class of a command, written as `module:class`."""
    module, _, name = target.partition(":")
    found: type[Command] = getattr(importlib.import_module(module), name)
    return found


def purpose_of(target: str) -> str:
    """Say what a command is for, in one line: the first of its class, written as `module:class`, or the text itself."""
    if not _TARGET.fullmatch(target):
        return target
    return " ".join((docstring_parser.parse(load_command(target).__doc__ or "").short_description or "").split())


def parse_command(command: type[Command], arguments: Sequence[str], *, program: str) -> Command:
    """Make a command from its part of the command line.

    Args:
        command: Class of the command.
        arguments: Command line after the command's name.
        program: What the help calls the program.

    Returns:
        The command, ready to run.

    Raises:
        SystemExit: After help or an error was shown.
    """
    return command(**make_parser(command, program=program).parse_args(list(arguments)).as_dict())


def make_parser(command: type[Command], *, program: str) -> ArgumentParser:
    """Declare the options of a command, with the help of its docstrings."""
    parser = _Parser(
        prog=program, description=_description(command), formatter_class=_HelpFormatter, allow_abbrev=False
    )
    help_texts, hints = _field_docs(command), typing.get_type_hints(command)
    fields = {field.name: field for field in dataclasses.fields(command)}  # type: ignore[arg-type]
    for name in (*command.positionals, *(name for name in fields if name not in command.positionals)):
        settings = _settings(fields[name], hints[name], is_positional=name in command.positionals)
        parser.add_argument(
            name if name in command.positionals else f"--{name}", help=help_texts.get(name, ""), **settings
        )
    return parser


def _settings(field: dataclasses.Field[Any], hint: Any, *, is_positional: bool) -> dict[str, Any]:
    """Arguments of `add_argument` for a field."""
    item = _item_type(hint)
    settings: dict[str, Any] = {"type": hint if item is None else item}
    is_required = False
    if field.default_factory is not dataclasses.MISSING:
        settings["default"] = field.default_factory()
    elif field.default is not dataclasses.MISSING:
        settings["default"] = field.default
    else:
        is_required = True
    if is_positional:
        settings["metavar"] = field.name.upper() if item is None else field.name.removesuffix("s").upper()
    elif is_required:
        settings["required"] = True
    if item is not None:
        # jsonargparse only reads lists as `[a,b]`; here they are `--stages a b` or `NETWORK NETWORK ...`.
        settings["nargs"] = "*" if is_positional and not is_required else "+"
        settings |= {} if is_positional else {"action": _ListAction}
    return settings


class _TextConsole(Console):
    """A console that also shows what cannot be sent: the start of a terminal's codes, and bytes that are not UTF-8."""

    def render_str(self, text: str, **settings: Any) -> Text:
        """Make text of a string, such as a cell of a table."""
        return super().render_str(printable(text).replace(_ESCAPE, _SHOWN_ESCAPE), **settings)


def text_console(**settings: Any) -> Console:
    """Make a console on which all text is text: `[left]` is no style, and `:cat:` no emoji.

    Names of users are in nearly everything that is printed, so all consoles of this project are made here.

    Args:
        settings: Further arguments of `rich.console.Console`.

    Returns:
        The console; also cells, titles and bars that are printed to it are text.
    """
    return _TextConsole(markup=False, emoji=False, **settings)


def report_error(message: str) -> None:
    """Print an error in one line to stderr. Of several processes, only the first prints."""
    rank = os.environ.get("RANK", "0").strip()
    if not rank.isdecimal() or int(rank) == 0:
        line = " ".join(f"error: {message}".split())
        text_console(stderr=True, soft_wrap=True).print(line, style="red", highlight=False)


def _overview(package: str, description: str, commands: Mapping[str, str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=program(package), description=description)
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, target in commands.items():
        subparsers.add_parser(name, help=purpose_of(target))
    return parser


def _description(command: type[Command]) -> str:
    parsed = docstring_parser.parse(command.__doc__ or "")
    return "\n\n".join(text for text in (parsed.short_description, parsed.long_description) if text)


def _field_docs(command: type[Command]) -> dict[str, str]:
    """Descriptions of the fields, including those of base classes."""
    return {
        parameter.arg_name: " ".join((parameter.description or "").split())
        for each in reversed(command.__mro__)
        for parameter in docstring_parser.parse(each.__doc__ or "").params
    }


def _item_type(hint: Any) -> Any:
    """Type of the items if a field is a list, or a list or None; otherwise None."""
    if typing.get_origin(hint) in (Union, types.UnionType):
        hint = next((part for part in typing.get_args(hint) if typing.get_origin(part) is list), None)
    return typing.get_args(hint)[0] if typing.get_origin(hint) is list else None
