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

- `python -m networks summary my_models:TwoLayers` shows its stages;
- `{class_path: my_models:TwoLayers, init_args: {num_units: 512}}` describes it in a file (`networks.build`);
- `python -m evaluate score my_models:make_network` scores what a function `make_network()` returns;
- `networks.external_network("my_models:make_network", weights)` gives that function weights.
"""

import hashlib
import importlib
import importlib.util
import re
import sys
import traceback
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from networks.installation import InstallationError

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
        ValueError: The name has an unexpected format, the module or object does not exist, or the module raises an
            error.
            The message lists what the module defines, or says where the error is.
    """
    parsed = name if isinstance(name, ObjectName) else parse_object_name(name)
    if parsed is None:
        raise ValueError(f"expected package.module:name or path/file.py:name, got {name!r}")
    module = _module(parsed.module)
    try:
        return getattr(module, parsed.attribute)
    except AttributeError:
        own = [key for key, value in vars(module).items() if not key.startswith("_") and _is_defined_in(module, value)]
        found = f"it defines {', '.join(own) or 'nothing'}"
        raise ValueError(f"{parsed.module} does not define {parsed.attribute!r}; {found}") from None


def _module(name: str) -> ModuleType:
    if not name.endswith(".py"):
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError as error:
            raise ValueError(
                f"module {name!r} is not found ({error}); is it installed, or is its folder the working directory?"
            ) from error
        except Exception as error:
            raise _explained(name, error) from error
    path = Path(name).resolve()
    if not path.is_file():
        raise ValueError(f"{name}: no such file")
    # The folder is part of the name: files of the same name in two folders are two modules.
    unique = f"{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"
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
        if isinstance(error, Exception):
            raise _explained(name, error) from error
        raise
    return module


def _is_defined_in(module: ModuleType, value: Any) -> bool:
    """Whether a module's value is its own rather than imported."""
    return not isinstance(value, ModuleType) and getattr(value, "__module__", module.__name__) == module.__name__


def _explained(name: str, error: Exception) -> Exception:
    """An error of a user's module in one line: what, in which file and line. Errors of the installation stay as is."""
    if isinstance(error, InstallationError):
        return error
    frames = traceback.extract_tb(error.__traceback__)
    # The last frame outside this file and the import system is where the user looks.
    own = [frame for frame in frames if frame.filename != __file__ and "importlib" not in frame.filename]
    where = f" ({Path(own[-1].filename).name}, line {own[-1].lineno})" if own else ""
    return ValueError(f"{name} cannot be imported: {type(error).__name__}: {error}{where}")
