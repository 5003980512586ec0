"""The parser of the command line, which reports a mistake in a line or two."""

import difflib
import re
import sys
from collections.abc import Sequence
from typing import Any, NoReturn, Union, get_args

import pytorch_lightning as pl
from jsonargparse import ActionConfigFile, Namespace
from pytorch_lightning.cli import LightningArgumentParser

from train.cli.class_paths import dotted_in_arguments
from train.cli.recipes import RecipeFile
from train.run.lightning_internals import failed_parser

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

    def add_argument(self, *args: Any, **kwargs: Any) -> Any:
        """Add an argument; configuration files may be named as installed recipes."""
        if kwargs.get("action") is ActionConfigFile:
            kwargs |= {"action": RecipeFile, "help": "path of a configuration file, or name of an installed recipe"}
        return super().add_argument(*args, **kwargs)

    def parse_args(  # type: ignore[override]  # as jsonargparse's own
        self, args: Sequence[str] | None = None, *further: Any, **settings: Any
    ) -> Namespace:
        """Parse a command line; classes may be written as `package.module:Name`."""
        return super().parse_args(dotted_in_arguments(sys.argv[1:] if args is None else args), *further, **settings)

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Report an error, suggest the option that may have been meant, and exit with status 2."""
        if match := _UNKNOWN_OPTION.search(message):
            options = [f"--{name}" for name in failed_parser(ex, self).get_defaults().keys(branches=True)]
            near = difflib.get_close_matches(match[1], options, n=1)
            message += f" (did you mean {near[0]}?)" if near else ""
        super().error(message, ex)

    def print_usage(self, file: Any = None) -> None:
        """Print the usage, but not next to errors: `--help` shows it."""
        if file is not sys.stderr:
            super().print_usage(file)
