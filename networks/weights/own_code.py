"""Code of its author that a network needs: which modules, which files travel with an exported model, how to allow them.

A description names classes by their modules, which Python finds in installed packages, in the working directory and in
the folders of `PYTHONPATH`. Nothing in the folder of a model runs unless a user names that folder there.
"""

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from networks.named_objects import importable_name
from networks.user_code import is_library, shown_path
from networks.weights.run_layout import is_model

_OURS = __name__.partition(".")[0]


def own_modules(description: Any) -> tuple[str, ...]:
    """Name the modules outside this package that define parts of a network.

    Args:
        description: Description of the network, see `networks.description`.

    Returns:
        Their names, each once, in order.
    """
    modules = (_module_of(path) for path in _class_paths(description))
    return tuple(dict.fromkeys(module for module in modules if module.partition(".")[0] != _OURS))


def own_files(description: Any) -> tuple[Path, ...]:
    """Find the files of those modules that are one plain file each, and are not installed.

    Args:
        description: Description of a network that was made in this process.

    Returns:
        The files, in order; those of packages are left out.
    """
    found = [_file_of(module) for module in own_modules(description)]
    return tuple(path for path in found if path is not None)


def how_to_import(description: Any, folder: str | Path) -> str:
    """Say which code of its author a network needs, and what to do so that it is found.

    Args:
        description: Description of the network.
        folder: Folder of the exported model.

    Returns:
        One or two sentences without a full stop at the end; "" if it needs none.
    """
    modules = [importable_name(module) for module in own_modules(description)]
    here = [module for module in modules if (Path(folder) / f"{module}.py").is_file()]
    elsewhere = [module for module in modules if module not in here]
    parts = []
    if here:
        files = ", ".join(f"{module}.py" for module in here)
        parts.append(
            f"the network needs code of its author, {files} in {shown_path(folder)}: read it, because loading the "
            f"network runs it, then allow it with PYTHONPATH={shown_path(folder)}"
        )
    if elsewhere:
        parts.append(
            f"the network needs {', '.join(elsewhere)}, which is not part of the model: install it, or set PYTHONPATH "
            "to the folder that holds it"
        )
    return "; ".join(parts)


def missing_code(description: Any, source: str) -> str:
    """Say what to do about code of its author that an exported model needs and Python does not find.

    Args:
        description: Description of the network.
        source: The folder, or the weights in it.

    Returns:
        See `how_to_import`; "" if all modules are found, or `source` is no exported model.
    """
    if not is_model(source) or all(_is_found(module) for module in own_modules(description)):
        return ""
    return how_to_import(description, source if Path(source).is_dir() else Path(source).parent)


def _is_found(module: str) -> bool:
    top = importable_name(module).partition(".")[0]
    return top in sys.modules or importlib.util.find_spec(top) is not None


def _class_paths(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        path = value.get("class_path")
        if isinstance(path, str):
            yield path
        for each in value.values():
            yield from _class_paths(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _class_paths(each)


def _module_of(class_path: str) -> str:
    return class_path.partition(":")[0] if ":" in class_path else class_path.rpartition(".")[0]


def _file_of(module: str) -> Path | None:
    file = getattr(sys.modules.get(importable_name(module)), "__file__", None)
    if file is None or "." in module or module == "__main__":
        return None
    path = Path(file)
    return path if path.suffix == ".py" and path.stem != "__init__" and not is_library(str(path)) else None
