"""Packages whose public names are imported on first use (PEP 562), so that `--help` is fast."""

import importlib
import sys
from collections.abc import Callable, Mapping
from typing import Any


def lazy_names(package: str, homes: Mapping[str, str]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Make the module functions `__getattr__` and `__dir__` of a package.

    A public name must not be the name of a module in the package: importing that module would replace it.

    Args:
        package: `__name__` of the package.
        homes: Module that defines each public name.

    Returns:
        `__getattr__`, which imports the module of a name and keeps the name in the package, and `__dir__`.
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
