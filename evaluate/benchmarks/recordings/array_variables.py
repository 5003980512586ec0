"""What a file with several arrays holds: numbers and texts by name, read when they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from evaluate.benchmarks.problems import BenchmarkError

NUMBERS = "fiub"
_CANNOT_BE_READ = "is no array of numbers or texts; save a table or strings of MATLAB as cellstr(...) and numbers"


@dataclass(frozen=True)
class Variable:
    """An array in a file.

    Attributes:
        is_number: Whether it holds numbers.
        read: Reads it, with axes as the file's software shows them; texts as an array of strings.
    """

    is_number: bool
    read: Callable[[], np.ndarray]


Variables = Mapping[str, Variable]
"""The arrays of a file by name; fields of a structure are named `NAME.FIELD`."""


def variable_of(array: np.ndarray) -> Variable:
    """An array that is in memory: numbers, texts, or cells with one text or number each."""
    return Variable(array.dtype.kind in NUMBERS, lambda: array)


def texts_of(variable: Variable, where: str) -> list[str]:
    """Read a list of names: texts, or whole numbers such as those of voxels.

    Args:
        variable: The array.
        where: File and name of the array, for messages.

    Returns:
        The names in their order.

    Raises:
        BenchmarkError: It holds something else.
    """
    return [_text(value, f"{where}, entry {place}") for place, value in enumerate(variable.read().ravel(), start=1)]


def _text(value: object, where: str) -> str:
    while isinstance(value, np.ndarray):  # a cell of MATLAB
        if value.size != 1:
            raise BenchmarkError(f"{where}: expected one name, got {value.size} values")
        value = value.ravel()[0]
    if isinstance(value, bytes):
        try:
            return value.decode().strip()
        except UnicodeDecodeError as error:
            raise BenchmarkError(f"{where}: is not UTF-8") from error
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, int | float | np.integer | np.floating) and float(value).is_integer():
        return str(int(value))
    raise BenchmarkError(f"{where}: expected a name or a whole number, got {value!r}, which {_CANNOT_BE_READ}")
