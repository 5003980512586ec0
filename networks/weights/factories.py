"""Networks that a user's own code makes: `package.module:function` and `file.py:function`."""

import hashlib
import importlib
import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple, Protocol, runtime_checkable

import torch
from torch import nn

_NAME = re.compile(r"(?P<module>[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*|.+\.py):(?P<factory>[A-Za-z_]\w*)")


@runtime_checkable
class Scorable(Protocol):
    """What a network needs to be scored, beside being a module; :class:`networks.StagedNetwork` has it."""

    stages: Any
    sample_rate_hz: Any
    num_samples: Any

    def stage_modules(self) -> dict[str, nn.Module]:
        """Stage name -> submodule."""
        ...


class FactoryName(NamedTuple):
    """A function or class that makes a network when called without arguments.

    Attributes:
        module: an importable module, or the path of a Python file.
        factory: its name in there.
    """

    module: str
    factory: str


def parse_factory(name: str) -> FactoryName | None:
    """Read ``package.module:factory`` or ``path/file.py:factory``; nothing is imported.

    Args:
        name: what a user wrote.

    Returns:
        The parts; None where it has another form.
    """
    match = _NAME.fullmatch(name)
    return None if match is None else FactoryName(match["module"], match["factory"])


def make_network(name: FactoryName, *, seed: int = 0) -> nn.Module:
    """Import a module and call its factory: this runs the code of whoever wrote it.

    Args:
        name: of :func:`parse_factory`.
        seed: of PyTorch's random numbers within the factory, so that an untrained network is the same every time.
            Outside of it they are left as they were.

    Returns:
        The network, in evaluation mode.

    Raises:
        ValueError: if the module or factory is not found, or what it makes cannot be scored.
    """
    module = _module(name.module)
    factory = getattr(module, name.factory, None)
    if not callable(factory):
        names = ", ".join(key for key, value in vars(module).items() if callable(value) and not key.startswith("_"))
        raise ValueError(f"{name.module} has no function or class {name.factory!r}; it has {names or 'none'}")
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        network = factory()
    if not isinstance(network, nn.Module) or not isinstance(network, Scorable):
        raise ValueError(
            f"expected {name.module}:{name.factory} to make a network with stages, sample_rate_hz, num_samples and "
            f"stage_modules(), got a {type(network).__name__}; networks.StagedNetwork gives these to any module"
        )
    return network.eval()


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
