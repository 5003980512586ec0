"""Objects that users name as `package.module:name` or `path/file.py:name`, on a command line or in YAML.

This is how all extensions are found: networks, backbones, front ends, benchmarks, metrics, corpus layouts and tasks.
With this class in `my_models.py` in the working directory or in an installed package:

```python
class TwoLayers(networks.Backbone):
    stages = ("relu0", "relu1")

    def __init__(self, *, num_units: int = 256) -> None:
        super().__init__()
        self.layer0, self.relu0 = nn.LazyLinear(num_units), nn.ReLU()
        self.layer1, self.relu1 = nn.Linear(num_units, num_units), nn.ReLU()

    def forward(self, cochleagram: Tensor) -> Tensor:  # (B, F, N) -> (B, D)
        return self.relu1(self.layer1(self.relu0(self.layer0(cochleagram.flatten(1)))))
```

- `cochlearn summary my_models:TwoLayers` shows its stages;
- `{class_path: my_models:TwoLayers, init_args: {num_units: 512}}` describes it in a file (`networks.build`);
- `cochlearn score my_models:make_network` scores what a function `make_network()` returns;
- `networks.external_network("my_models:make_network", weights)` gives that function weights.

Modules are found where Python finds them: installed packages, the folders of `PYTHONPATH` and the working directory.
"""

import functools
import hashlib
import importlib
import importlib.util
import inspect
import os
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from networks.files.relative_paths import where_looked
from networks.installation import InstallationError
from networks.user_code import described, kind_of, shown_path, user_code

_FORM = re.compile(r"(?P<module>[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*|.+\.py):(?P<attribute>[A-Za-z_]\w*)")
_NUM_DIGITS = 8
_MODULE_OF_FILE = re.compile(rf"(?P<stem>\w+)_[0-9a-f]{{{_NUM_DIGITS}}}")


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
        ValueError: The name has an unexpected format, the module or object does not exist, or the module raises an
            error. The message lists what the module defines, says where the error is, or how Python finds the module.
    """
    parsed = name if isinstance(name, ObjectName) else parse_object_name(name)
    if parsed is None:
        raise ValueError(f"expected package.module:name or path/file.py:name, got {name!r}")
    module = _module(parsed.module)
    try:
        return getattr(module, parsed.attribute)
    except AttributeError:
        known = ", ".join(_names_in(module)) or "nothing"
        raise ValueError(f"{parsed.module} does not define {parsed.attribute!r}; it defines {known}") from None


def make_object(
    name: str | ObjectName,
    is_wanted: Callable[[Any], bool],
    *,
    expected: str,
    passes: tuple[type[Exception], ...] = (),
) -> Any:
    """Load an object, or call the function of that name and return what it makes.

    Args:
        name: `package.module:name` or `path/file.py:name` of an object, or of a function or class that makes one when
            it is called without arguments.
        is_wanted: Whether an object is of the right kind.
        expected: What is expected, for errors, such as "an evaluate.Benchmark".
        passes: Types of errors of the function to pass on as they are.

    Returns:
        The object.

    Raises:
        ValueError: See `load_object`; or the function needs arguments, raises an error, or returns something else. The
            caller says which name it was.
    """
    found = load_object(name)
    if not isinstance(found, type) and is_wanted(found):
        return found
    if not (isinstance(found, type | functools.partial) or inspect.isroutine(found)):
        raise ValueError(f"expected {expected} or a function that returns one, got {kind_of(found)}")
    if needed := _needed_arguments(found):
        raise ValueError(
            f"expected {expected} or a function without arguments that returns one, but this one needs "
            f"{', '.join(needed)}: give them defaults, or name a function that calls it"
        )
    with user_code("calling it", passes=passes):
        made = found()
    if not is_wanted(made):
        raise ValueError(
            f"expected {expected} or a function that returns one, got a function that returns {kind_of(made)}"
        )
    return made


def importable_name(module: str) -> str:
    """Name a module as it is imported elsewhere, if it was loaded from a file in the process that named it.

    Args:
        module: `__module__` of a class, such as "my_models_1e8ab054" for one of my_models.py.

    Returns:
        The name of the file without its folder, such as "my_models"; any other name as it is, and that of a file that
        this process has loaded.
    """
    match = _MODULE_OF_FILE.fullmatch(module)
    if match is None or module in sys.modules or importlib.util.find_spec(module) is not None:
        return module
    return match["stem"]


def describe_missing(module: str) -> str:
    """Say that a module is not found, where Python looked for it, and how it finds it.

    Args:
        module: Name of the module, or of the package in it that is missing.

    Returns:
        The message of an error.
    """
    top = module.partition(".")[0]
    path = next(_places_of(top), None)
    if path is None:
        advice = f"set PYTHONPATH to the folder that holds {top}.py (`PYTHONPATH=FOLDER` before the command)"
    else:
        advice = f"{shown_path(path)} exists, so set PYTHONPATH={path.parent}"
    return (
        f"module {module!r} is not found: {advice}, or start in that folder (it is not installed, not in the working "
        f"directory {Path.cwd()}, and not in PYTHONPATH, which is {os.environ.get('PYTHONPATH') or 'not set'})"
    )


def _places_of(module: str, *folders: Path) -> Iterator[Path]:
    """Find the file or package of a module in folders, then above and directly below the working directory."""
    here = Path.cwd()
    for folder in (*folders, *here.parents, *sorted(path for path in here.iterdir() if path.is_dir())):
        for path in (folder / f"{module}.py", folder / module / "__init__.py"):
            if path.is_file():
                yield folder / path.relative_to(folder).parts[0]


def _module(name: str) -> ModuleType:
    return _module_of_file(name) if name.endswith(".py") else _importable_module(name)


def _importable_module(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if not f"{name}.".startswith(f"{error.name}."):  # but a module that it imports
            raise _explained(name, error) from error
        is_top = error.name == name.partition(".")[0]
        raise ValueError(describe_missing(name) if is_top else f"module {name!r} is not found ({error})") from error
    except (Exception, SystemExit) as error:
        raise _explained(name, error) from error


def _module_of_file(name: str) -> ModuleType:
    path = Path(name).resolve()
    if not path.is_file():
        raise ValueError(f"{name}: no such file{where_looked(name)}")
    # The folder is part of the name: files of the same name in two folders are two modules.
    unique = f"{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:_NUM_DIGITS]}"
    if unique in sys.modules:
        return sys.modules[unique]
    spec = importlib.util.spec_from_file_location(unique, path)
    if spec is None or spec.loader is None:
        raise ValueError(f"{name}: expected a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[unique] = module  # needed by pickle, dataclasses and the fingerprint of a network
    try:
        spec.loader.exec_module(module)
    except BaseException as error:
        del sys.modules[unique]
        if isinstance(error, (Exception, SystemExit)):
            raise _explained(name, error, path.parent) from error
        raise
    return module


def _names_in(module: ModuleType) -> list[str]:
    """List the public names of a module: those it declares, or its values, not imported classes and functions."""
    if hasattr(module, "__all__"):
        return list(module.__all__)
    return [
        name
        for name, value in vars(module).items()
        if not name.startswith("_")
        and not isinstance(value, ModuleType)
        and not (_is_definition(value) and value.__module__ != module.__name__)
    ]


def _is_definition(value: object) -> bool:
    """Whether a value knows the module that defines it; that of an instance is that of its class."""
    return isinstance(value, type) or inspect.isroutine(value)


def _explained(name: str, error: BaseException, *folders: Path) -> Exception:
    """Explain an error of a user's module in one line. Errors of the installation stay as they are."""
    if isinstance(error, InstallationError):
        return error
    advice = ""
    if isinstance(error, SystemExit):
        advice = '; put what the file does as a program under `if __name__ == "__main__":`'
    elif isinstance(error, ModuleNotFoundError):
        missing = (error.name or "").partition(".")[0]
        if path := next(_places_of(missing, *folders), None):
            advice = f"; {shown_path(path)} exists: set PYTHONPATH={path.parent}"
    return ValueError(f"{name} cannot be imported: {described(error)}{advice}")


def _needed_arguments(function: Callable[..., Any]) -> list[str]:
    """Names of the arguments of a function that have no default."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # some functions that are written in C
        return []
    optional = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return [each.name for each in parameters if each.default is each.empty and each.kind not in optional]
