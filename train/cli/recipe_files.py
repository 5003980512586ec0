"""Which file a configuration is read from: one of the user, or an installed recipe by its name. Quick to import."""

import difflib
from pathlib import Path, PurePath

YAML_SUFFIXES = (".yaml", ".yml")

BASE = "config"
"""Key that names the file to build on, relative to the file that contains it."""

RECIPES = Path(__file__).resolve().parents[2] / "configs"
"""Folder of the recipes that are installed with this package."""

_MAX_NAME = 255


def installed_recipe(name: str) -> Path | None:
    """Find an installed recipe by its name, with or without its folder, such as `configs/demo.yaml`."""
    parts = PurePath(name).parts
    recipe = RECIPES.joinpath(*parts[1:] if parts[:1] == (RECIPES.name,) else parts)
    return recipe if recipe.suffix == ".yaml" and recipe.is_file() else None


def similar_configuration(name: str, folder: Path | None = None) -> str | None:
    """Find the file or recipe that the name of a missing file is most likely to be a misspelling of.

    Args:
        name: What was given, such as `mine.yml` for `mine.yaml`.
        folder: Folder that relative names start from; None is the working directory.

    Returns:
        What to give in its place; None if nothing is similar, or the name is not that of a YAML file.
    """
    path = PurePath(name)
    if path.suffix not in ("", *YAML_SUFFIXES) or "\n" in name or len(name) > _MAX_NAME:  # values, written as YAML
        return None
    place = (folder or Path()) / path.parent
    files = sorted(each.name for suffix in YAML_SUFFIXES for each in place.glob(f"*{suffix}"))
    recipes = sorted(recipe.name for recipe in RECIPES.glob("*.yaml"))
    # A file with the same name and another ending comes first.
    stems = {PurePath(each).stem: each for each in [*reversed(recipes), *reversed(files)]}
    near = difflib.get_close_matches(path.stem, stems, n=1)
    if not near:
        return None
    found = stems[near[0]]
    return str(path.parent / found) if found in files else found
