"""The parser of the command line, which reports a mistake in a line or two."""

import difflib
import re
import sys
from collections.abc import Sequence
from typing import Any, NoReturn, Union, get_args

import pytorch_lightning as pl
from jsonargparse import ActionConfigFile, Namespace
from pytorch_lightning.cli import LightningArgumentParser

from networks.commands.program import program
from networks.commands.value_errors import find_problem, in_one_line
from train.cli.alternatives import replaced_in, replaced_in_arguments
from train.cli.class_paths import dotted_in_arguments, explain_missing
from train.cli.early_checks import CONFIG_OPTIONS, options_in
from train.cli.help_page import help_page
from train.cli.recipes import RecipeFile
from train.run.lightning_internals import failed_parser, parent_of, subcommand_of

_PRINT_SET = re.compile(r"^(--print_config=(?:.*,)?)skip_default\b,?")
NOT_SET = "==not set=="
"""Stands for a run directory while a configuration is printed."""
_TRUTH_VALUE = re.compile(r"Given value type: <class 'bool'>\s*Given value: (\w+)\s*$")
_UNKNOWN_KEY = re.compile(r"does not accept option '([^']+)'")
_UNKNOWN_OPTION = re.compile(r"unrecognized arguments: (?:.*? )??(--[^\s=]+)")


def whole_numbers_first() -> None:
    """Try integers before fractions for options that take both: 1 is one batch, 1.0 is all of them.

    Lightning's annotations have this order, but `typing` shares one object among all unions of the same types, with the
    order of whichever module used it first: a "float, int" in another package turns 1 into 1.0.
    """
    annotations = pl.Trainer.__init__.__annotations__
    for name, annotation in annotations.items():
        if set(get_args(annotation)) == {int, float, type(None)}:
            annotations[name] = Union[int, float, None]  # noqa: UP007 - a union of its own, written in this order


class TrainingParser(LightningArgumentParser):
    """Lightning's parser; for an error, it suggests the nearest option instead of listing hundreds."""

    shows_all_options = False
    """Whether the help is about all options; set by `--help-all`."""

    def add_argument(self, *args: Any, **kwargs: Any) -> Any:
        """Add an argument; configuration files may be named as installed recipes."""
        if kwargs.get("action") is ActionConfigFile:
            kwargs |= {"action": RecipeFile, "help": "path of a configuration file, or name of an installed recipe"}
        return super().add_argument(*args, **kwargs)

    def parse_args(  # type: ignore[override]  # as jsonargparse's own
        self, args: Sequence[str] | None = None, *further: Any, **settings: Any
    ) -> Namespace:
        """Parse a command line.

        Classes may be written as `package.module:Name`, the last of two alternatives wins, and
        `--print_config=skip_default` prints all that was set, also if it equals a default.
        """
        arguments = dotted_in_arguments(sys.argv[1:] if args is None else args)
        if parent_of(self) is None:  # that of a subcommand gets what this one has prepared
            arguments = replaced_in_arguments(arguments)
            is_subcommand = arguments[:1] != [] and not arguments[0].startswith("-")
            self._prints_what_was_set = is_subcommand and any(map(_PRINT_SET.search, arguments))
            if self._prints_what_was_set:
                settings["defaults"] = False
                arguments = [_PRINT_SET.sub(r"\1", argument) for argument in arguments]
                arguments[1:1] = ["--run_dir", NOT_SET]  # other options are computed from it while parsing
        return super().parse_args(arguments, *further, **settings)

    def dump(self, cfg: Namespace, **settings: Any) -> str:
        """Write a configuration as YAML; of one without defaults, only what was set."""
        if getattr(parent_of(self), "_prints_what_was_set", False):
            cfg = cfg.clone()
            for option in replaced_in(cfg):
                del cfg[option]
            if cfg.run_dir == NOT_SET:
                del cfg["run_dir"]
            for group in [
                name for name, value in vars(cfg).items() if isinstance(value, Namespace) and not vars(value)
            ]:
                del cfg[group]
        return super().dump(cfg, **settings)

    def format_help(self, *formatter: Any) -> str:
        """Describe the options that are set most, or all of them after `--help-all`."""
        command = subcommand_of(self)
        if command is None or self.shows_all_options:
            return super().format_help(*formatter)
        return help_page(self, command, program=program("train", command))

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Report an error, suggest the option that may have been meant, and exit with status 2."""
        if not self.exit_on_error:  # of the arguments of a class: the parser of the command line reports it
            super().error(message, ex)
        if match := _UNKNOWN_OPTION.search(message):
            options = [f"--{name}" for name in failed_parser(ex, self).get_defaults().keys(branches=True)]
            near = difflib.get_close_matches(match[1], options, n=1)
            message += f" (did you mean {near[0]}?)" if near else ""
        if match := _UNKNOWN_KEY.search(message):
            options = list(failed_parser(ex, self).get_defaults().keys(branches=True))
            near = difflib.get_close_matches(match[1], options, n=1)
            message += f" (did you mean {near[0]}?)" if near else ""
            message += _files_with(match[1])
        if problem := find_problem(message):
            if match := _TRUTH_VALUE.search(message):
                reason = f"got the truth value {match[1]}, as YAML reads on, off, yes and no; quote a text"
                problem = problem._replace(reason=reason)
            message = f"{problem}{_files_with(problem.option)}"
        super().error(explain_missing(in_one_line(message)), ex)

    def print_usage(self, file: Any = None) -> None:
        """Print the usage, but not next to errors: `--help` shows it."""
        if file is not sys.stderr:
            super().print_usage(file)


def _files_with(option: str) -> str:
    """The end of an error: the configurations that an option is in, unless it is on the command line."""
    files = [value for name, value in options_in(sys.argv[1:]) if name in CONFIG_OPTIONS]
    return f", in {' or '.join(files)}" if files and f"--{option}" not in " ".join(sys.argv) else ""
