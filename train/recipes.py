"""Configurations made of few files: one may begin with another's, and change single values of it."""

from typing import Any

import jsonargparse
import yaml

PARSER_MODE = "recipe"
"""Name under which jsonargparse knows the loader."""

BASE = "config"
"""Key that names the file to begin with, relative to the file that it stands in."""


def load_recipe(text: str) -> Any:
    """Read YAML; in a file that begins with another's (``config: OTHER.yaml``), each value of a group is set alone.

    jsonargparse reads the other file by itself, but lets a group that both files have replace that of the other as a
    whole: ``trainer: {max_epochs: 3}`` would drop its gradient clipping. Here it means ``trainer.max_epochs: 3``. What
    is inside a group (a class with its arguments, a list, a dictionary) is replaced as a whole.

    Args:
        text: of a file, or a value of the command line.

    Returns:
        What it holds.
    """
    loaded = jsonargparse.get_loader("yaml")(text)
    if not (isinstance(loaded, dict) and isinstance(loaded.get(BASE), str)):
        return loaded
    single = {BASE: loaded[BASE]}
    for group, values in loaded.items():
        if isinstance(values, dict) and "class_path" not in values:
            single |= {f"{group}.{name}": value for name, value in values.items()}
        else:
            single[group] = values
    return single


def register_recipes() -> None:
    """Make the loader known as a parser mode."""
    jsonargparse.set_loader(PARSER_MODE, load_recipe, exceptions=(yaml.YAMLError,))
