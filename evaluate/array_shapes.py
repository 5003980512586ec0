"""Short representations of values that hold large arrays."""

from dataclasses import fields
from typing import Any

import numpy as np

_MAX_ITEMS = 8


def show_shapes(value: Any) -> str:
    """Represent a dataclass with the shapes of its arrays, not their numbers; to be used as its `__repr__`."""
    parts = (f"{field.name}={_short(getattr(value, field.name))}" for field in fields(value) if field.repr)
    return f"{type(value).__name__}({', '.join(parts)})"


def _short(part: Any) -> str:
    if shape := getattr(part, "shape", ()):  # an array, a tensor or a table
        return f"{'array' if isinstance(part, np.ndarray) else type(part).__name__}{tuple(shape)}"
    if isinstance(part, tuple | list | dict) and len(part) > _MAX_ITEMS:
        return f"{type(part).__name__} of {len(part)}"
    return repr(part)
