"""Configurations made of few files: one may begin with another's, and change single values of it."""

from pathlib import Path, PurePath
from typing import Any

import jsonargparse
import yaml
from jsonargparse.typing import Path_fr

from train.cli.class_paths import dotted_in_values

PARSER_MODE = "recipe"
"""Name under which jsonargparse knows the loader."""

BASE = "config"
"""Key that names the file to begin with, relative to the file that it stands in."""


RECIPES = Path(__file__).resolve().parents[2] / "configs"
"""Folder of the recipes that are installed with this package."""


def load_recipe(text: str) -> Any:
    """Read YAML; in a file that begins with another's (`config: OTHER.yaml`), each value of a group is set alone.

    jsonargparse reads the other file by itself, but lets a group that both files have replace that of the other as a
    whole: `trainer: {max_epochs: 3}` would drop its gradient clipping. Here it means `trainer.max_epochs: 3`. What
    is inside a group (a class with its arguments, a list, a dictionary) is replaced as a whole.

    Args:
        text: Of a file, or a value of the command line.

    Returns:
        What it holds.
    """
    loaded = dotted_in_values(jsonargparse.get_loader("yaml")(text))
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


def find_recipe(name: str) -> str:
    """Find a configuration: a file, or if there is none of this name, a recipe that is installed with this package.

    Args:
        name: Path, relative to the file that names it or else to the working directory; for an installed recipe its
            name with or without its folder, as in `configs/demo.yaml`.

    Returns:
        Path of the file; `name` itself if it is found as it stands, or not at all.
    """
    try:
        Path_fr(name)
    except TypeError:
        parts = PurePath(name).parts
        recipe = RECIPES.joinpath(*parts[1:] if parts[:1] == (RECIPES.name,) else parts)
        if recipe.suffix == ".yaml" and recipe.is_file():
            return str(recipe)
    return name


class RecipeFile(jsonargparse.ActionConfigFile):
    """The argument that takes a configuration file; installed recipes are found by their names."""

    def __call__(self, parser: Any, cfg: Any, values: Any, option_string: str | None = None) -> None:
        """Read the file."""
        super().__call__(parser, cfg, find_recipe(values), option_string)


def register_recipes() -> None:
    """Make the loader known as a parser mode."""
    jsonargparse.set_loader(PARSER_MODE, load_recipe, exceptions=(yaml.YAMLError,))
