"""Modules that record how they were made, so that a checkpoint can rebuild them."""

import functools
import inspect
import sys
from typing import Any

from torch import nn

import networks
from networks.named_objects import ObjectName, importable_name, load_object, parse_object_name

Description = dict[str, Any]
"""`{"class_path": "package.module.Class", "init_args": {...}}`, plain Python values, as in YAML.

A file written by hand may also name the class as `package.module:Class`.
"""


class Described(nn.Module):
    """A module that records the arguments of its construction.

    Base class of networks, backbones and front ends, for your own too. Checkpoints can rebuild such modules. Arguments
    must be plain Python values or other `Described` modules.
    """

    init_args: dict[str, Any]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "__init__" in cls.__dict__:
            cls.__init__ = _recording(cls.__init__)  # type: ignore[method-assign]

    def description(self) -> Description:
        """Describe how to make this module again, without its weights."""
        cls = type(self)
        init_args = {name: _plain(value) for name, value in self.__dict__["init_args"].items()}
        return {"class_path": f"{cls.__module__}.{cls.__qualname__}", "init_args": init_args}


def _recording(init: Any) -> Any:
    signature = inspect.signature(init)

    @functools.wraps(init)
    def wrapped(self: Described, *args: Any, **kwargs: Any) -> None:
        # The outermost constructor is the one to call again. Those of base classes run inside it.
        if "init_args" not in self.__dict__:
            bound = signature.bind(self, *args, **kwargs)
            bound.apply_defaults()
            arguments = dict(list(bound.arguments.items())[1:])
            for parameter in signature.parameters.values():
                if parameter.kind is inspect.Parameter.VAR_KEYWORD:
                    arguments.update(arguments.pop(parameter.name))
            # Bypass nn.Module, which is not initialised yet and would register modules twice.
            self.__dict__["init_args"] = arguments
        init(self, *args, **kwargs)

    return wrapped


def _plain(value: Any) -> Any:
    if isinstance(value, Described):
        return value.description()
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise TypeError(
        f"expected plain values or Described modules as constructor arguments, got {type(value).__name__}; "
        "such a module cannot be rebuilt from a checkpoint"
    )


def build(description: Description) -> Any:
    """Make the module of a description, with new weights.

    Only subclasses of `Described` are made, so that a checkpoint from elsewhere cannot call anything else.

    Args:
        description: Result of `Described.description`, or the same written by hand.

    Returns:
        The module.

    Raises:
        ValueError: If the class is not found, is not derived from `Described`, or does not accept its arguments.
    """
    if not isinstance(description, dict) or not isinstance(description.get("class_path", ""), str):
        raise ValueError(f"expected a description with class_path and init_args, got {type(description).__name__}")
    path = description.get("class_path", "")
    _check_module(path)
    try:
        cls = _find_class(path)
    except ValueError as error:
        raise ValueError(f"expected the class of a network, got {path!r}: {error}") from error
    if not (isinstance(cls, type) and issubclass(cls, Described)):
        raise ValueError(f"expected a class derived from networks.Described, got {path!r}")
    init_args = {name: _built(value) for name, value in description.get("init_args", {}).items()}
    try:
        return cls(**init_args)
    except TypeError as error:
        raise ValueError(f"{path} does not take the arguments it was made with: {error}") from error


def _find_class(path: str) -> Any:
    """Import a class by its path. A class of this package that has moved since is found by its public name."""
    named = parse_object_name(path)
    if named is not None:
        if named.module.endswith(".py"):
            # A description may come from somebody else's checkpoint, which must not choose a file to run.
            raise ValueError("write package.module:Class, not a file: a checkpoint cannot rebuild a class in a file")
        return load_object(named)
    module, _, class_name = path.rpartition(".")
    if not module:
        raise ValueError("expected package.module.Class")
    try:
        return load_object(ObjectName(importable_name(module), class_name))
    except ValueError as error:
        if module == "__main__":
            raise ValueError(
                "the class was defined in a program or notebook. Load the checkpoint in one that defines it, or define "
                "it in a file of its own, such as my_models.py, and import it from there before training"
            ) from error
        if not module.startswith("networks.") or not hasattr(networks, class_name):
            raise
    return getattr(networks, class_name)


def _check_module(path: str) -> None:
    """Check that a description names no module whose import alone does something: it may be somebody else's."""
    first, *others = path.replace(":", ".").split(".")
    # A package runs its command as its `__main__` is imported; `antigravity` of the standard library opens a browser.
    if "__main__" in others or (first in sys.stdlib_module_names and first != "__main__"):
        raise ValueError(
            f"expected a class derived from networks.Described, got {path!r}: no network is defined in Python's "
            "standard library or in the command of a package"
        )


def _built(value: Any) -> Any:
    if isinstance(value, dict):
        if set(value) == {"class_path", "init_args"}:
            return build(value)
        return {key: _built(item) for key, item in value.items()}
    return value
