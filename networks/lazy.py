"""Packages whose public names are imported when they are first used (PEP 562), so that `--help` is quick."""

import importlib
import sys
from collections.abc import Callable, Mapping
from typing import Any


def lazy_names(package: str, homes: Mapping[str, str]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Make the module functions `__getattr__` and `__dir__` of a package.

    A public name must not be that of a module in the package: importing that module would put it in the name's place.

    Args:
        package: The package's `__name__`.
        homes: For each public name the module that defines it.

    Returns:
        `__getattr__`, which imports a name's module and keeps the name in the package, and `__dir__`.
    """
    namespace = vars(sys.modules[package])

    def get(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        namespace[name] = getattr(importlib.import_module(homes[name]), name)
        return namespace[name]

    def names() -> list[str]:
        return sorted({*namespace, *homes})

    return get, names
