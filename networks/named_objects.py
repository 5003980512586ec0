"""Objects that users name: `package.module:name` or `path/file.py:name`, on a command line or in a YAML.

The one home of this form. Networks, benchmarks, metrics, corpus layouts and tasks of users are all found by it.
"""

import hashlib
import importlib
import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

_FORM = re.compile(r"(?P<module>[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*|.+\.py):(?P<attribute>[A-Za-z_]\w*)")


class ObjectName(NamedTuple):
    """Where an object is defined.

    Attributes:
        module: Importable module, or path of a Python file.
        attribute: Name of the object in that module.
    """

    module: str
    attribute: str

    def __str__(self) -> str:
        return f"{self.module}:{self.attribute}"


def parse_object_name(name: str) -> ObjectName | None:
    """Parse `package.module:name` or `path/file.py:name` without importing anything; None for any other form."""
    match = _FORM.fullmatch(name)
    return None if match is None else ObjectName(match["module"], match["attribute"])


def load_object(name: str | ObjectName) -> Any:
    """Import an object by its name. This runs the code of the module that defines it.

    Args:
        name: `package.module:name` or `path/file.py:name`.

    Returns:
        The object.

    Raises:
        ValueError: The name has another form, or the module or the object does not exist; lists what the module has.
    """
    parsed = name if isinstance(name, ObjectName) else parse_object_name(name)
    if parsed is None:
        raise ValueError(f"expected package.module:name or path/file.py:name, got {name!r}")
    module = _module(parsed.module)
    try:
        return getattr(module, parsed.attribute)
    except AttributeError:
        names = ", ".join(key for key in vars(module) if not key.startswith("_"))
        found = f"it defines {names or 'nothing'}"
        raise ValueError(f"{parsed.module} does not define {parsed.attribute!r}; {found}") from None


def _module(name: str) -> ModuleType:
    if not name.endswith(".py"):
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError as error:
            raise ValueError(
                f"module {name!r} is not found ({error}); is it installed, or is its folder the working directory?"
            ) from error
    path = Path(name).resolve()
    if not path.is_file():
        raise ValueError(f"{name}: no such file")
    # A name of its own: files of the same name in two folders are two modules.
    unique = f"{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"
    if unique in sys.modules:
        return sys.modules[unique]
    spec = importlib.util.spec_from_file_location(unique, path)
    if spec is None or spec.loader is None:
        raise ValueError(f"{name}: expected a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[unique] = module  # where pickling, dataclasses and the fingerprint of a network look for it
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[unique]
        raise
    return module
