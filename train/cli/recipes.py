"""Configuration files that build on another one, and change single values of it."""

import argparse
from pathlib import Path
from typing import Any

import jsonargparse
import yaml
from jsonargparse.typing import Path_fr

from networks.files.strict_yaml import check_yaml, decode
from train.cli.alternatives import replaced_in_values
from train.cli.class_paths import dotted_in_values
from train.cli.recipe_files import BASE, YAML_SUFFIXES, installed_recipe, similar_configuration
from train.run.lightning_internals import read_files_with

PARSER_MODE = "recipe"
"""Name of the loader in jsonargparse."""


def load_recipe(text: str) -> Any:
    """Read YAML. In a file that builds on another one (`config: OTHER.yaml`), each value of a group is set separately.

    jsonargparse reads the other file itself, but replaces groups as a whole: `trainer: {max_epochs: 3}` would drop the
    gradient clipping of the other file. Here it means `trainer.max_epochs: 3`. Values within a group (a class with its
    arguments, a list, a dictionary) are replaced as a whole.

    Args:
        text: Content of a file, or a value from the command line.

    Returns:
        The loaded values.

    Raises:
        StrictYamlError: YAML that does not mean what it looks like.
    """
    loaded = jsonargparse.get_loader("yaml")(text)
    if isinstance(loaded, dict | list):
        check_yaml(text, "this value", has_any_keys=True)  # the keys of files are checked as they are read
    loaded = dotted_in_values(loaded)
    if isinstance(loaded, dict):
        loaded = replaced_in_values(loaded)
    if not (isinstance(loaded, dict) and isinstance(loaded.get(BASE), str)):
        return loaded
    loaded = {BASE: find_recipe(loaded.pop(BASE)), **loaded}
    single: dict[str, Any] = {}
    for group, values in loaded.items():
        if isinstance(values, dict) and "class_path" not in values:
            single |= {f"{group}.{name}": value for name, value in values.items()}
        else:
            single[group] = values
    return single


def read_configuration(path: Path) -> str:
    """Read a file that jsonargparse asks for; of YAML, check that it means what it looks like.

    Args:
        path: The file, with UTF-8 or UTF-16 text.

    Returns:
        Its text.

    Raises:
        StrictYamlError: It is something else; the message names the file.
    """
    text = decode(path.read_bytes(), str(path))
    if path.suffix in YAML_SUFFIXES:
        check_yaml(text, str(path))
    return text


def find_recipe(name: str) -> str:
    """Find a configuration: a file or, if it does not exist, a recipe that is installed with this package.

    Args:
        name: Path, relative to the file that contains it or to the working directory; for an installed recipe, its name
            with or without its folder, such as `configs/demo.yaml`.

    Returns:
        Path of the file; `name` itself if that exists, or if nothing is found.
    """
    try:
        Path_fr(name)
    except TypeError:
        return str(installed_recipe(name) or name)
    return name


class RecipeFile(jsonargparse.ActionConfigFile):
    """Argument for a configuration file, which also finds installed recipes by name."""

    def __call__(self, parser: Any, cfg: Any, values: Any, option_string: str | None = None) -> None:
        """Read the file.

        Raises:
            ArgumentError: It does not exist, but a file or a recipe has a similar name.
        """
        path = find_recipe(values)
        if path == values and (near := similar_configuration(path)) is not None and not Path(path).exists():
            raise argparse.ArgumentError(self, f"there is no file or recipe {path} (did you mean {near}?)")
        super().__call__(parser, cfg, path, option_string)


def register_recipes() -> None:
    """Register the loader as a parser mode, and how files are read."""
    read_files_with(read_configuration)
    jsonargparse.set_loader(PARSER_MODE, load_recipe, exceptions=(yaml.YAMLError,))
