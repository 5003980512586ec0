"""Read a pickle without running it.

A pickle is a program: `pickle.loads` imports the functions that it names and calls them. This module steps through the
instructions with `pickletools` and turns every "call f(x)" into a record `Call(f, x)`. It contains no code that could
import or call anything, whatever is in the file. `published.pickled_tables` makes tables from these records.
"""

import pickletools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from evaluate.benchmarks.problems import BenchmarkError


@dataclass(frozen=True)
class Global:
    """A class or function that a pickle names.

    Attributes:
        kind: Its kind, from the reader's list of known names.
        name: Its module and name in the pickle.
    """

    kind: str
    name: str


@dataclass(eq=False)
class Call:
    """An object that a pickle would have created by a call.

    Attributes:
        function: Class or function to call.
        arguments: Arguments of the call.
        state: Argument of `__setstate__`; None if it would not be called.
    """

    function: Global
    arguments: tuple[Any, ...]
    state: Any = None


def read_records(content: bytes, source: str, known: Mapping[tuple[str, str], str]) -> Any:
    """Step through a pickle and return its content as records.

    Args:
        content: The pickle, of protocol 2 or later.
        source: Its file, for messages.
        known: Kind of every class and function that may occur, by (module, name).

    Returns:
        Plain values, lists, tuples and dictionaries of them, `Global` and `Call`.

    Raises:
        BenchmarkError: The pickle names another class or function, is truncated, or uses instructions that tables do
            not need; the message gives the file and the name or instruction.
    """
    machine = _Machine(source, known)
    try:
        for opcode, argument, _ in pickletools.genops(content):
            machine.step(opcode.name, argument)
    except BenchmarkError:
        raise
    except (ValueError, IndexError, KeyError, TypeError, AttributeError, OverflowError, MemoryError) as error:
        raise BenchmarkError(f"{source} is cut short or damaged: {error or type(error).__name__}") from error
    return machine.result


_MARK = object()
_VALUES = frozenset(
    (
        *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
        *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"),
        *("UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"),
    )
)
_MAKERS: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_LIST": list,
    "EMPTY_DICT": dict,
    "EMPTY_TUPLE": tuple,
    "MARK": lambda: _MARK,
}
_SHORT_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_PUTS = frozenset(("PUT", "BINPUT", "LONG_BINPUT"))
_GETS = frozenset(("GET", "BINGET", "LONG_BINGET"))
_NOTHING = frozenset(("PROTO", "FRAME"))


class _Machine:
    """The stack and memo that the instructions of a pickle work on."""

    def __init__(self, source: str, known: Mapping[tuple[str, str], str]) -> None:
        self.result: Any = None
        self._source = source
        self._known = known
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}
        self._others: dict[str, Callable[[], None]] = {
            "TUPLE": lambda: self._stack.append(tuple(self._above_mark())),
            "LIST": lambda: self._stack.append(self._above_mark()),
            "APPEND": lambda: self._extend([self._stack.pop()]),
            "APPENDS": lambda: self._extend(self._above_mark()),
            "SETITEM": lambda: self._set_items(self._popped(2)),
            "SETITEMS": lambda: self._set_items(self._above_mark()),
            "STACK_GLOBAL": lambda: self._name(*self._popped(2)),
            "REDUCE": self._call,
            "NEWOBJ": self._call,
            "BUILD": self._build,
            "STOP": self._stop,
        }

    def step(self, name: str, argument: Any) -> None:
        """Process one instruction."""
        if name in _VALUES:
            self._stack.append(argument)
        elif name in _GETS:
            self._stack.append(self._memo[int(argument)])
        elif name == "MEMOIZE":
            self._memo[len(self._memo)] = self._stack[-1]
        elif name in _PUTS:
            self._memo[int(argument)] = self._stack[-1]
        elif name in _MAKERS:
            self._stack.append(_MAKERS[name]())
        elif name in _SHORT_TUPLES:
            self._stack.append(tuple(self._popped(_SHORT_TUPLES[name])))
        elif name == "GLOBAL":
            self._name(*argument.split(" ", 1))
        elif name in self._others:
            self._others[name]()
        elif name not in _NOTHING:
            self._refuse(f"uses the pickle instruction {name}")

    def _refuse(self, what: str) -> None:
        raise BenchmarkError(
            f"{self._source}: this pickle {what}, which a table with plain columns of numbers and texts does not "
            "need. Nothing in it was run; do not open it with pandas or pickle unless you trust its source"
        )

    def _name(self, module: Any, name: Any) -> None:
        if (module, name) not in self._known:
            self._refuse(f"asks for {module}.{name}")
        self._stack.append(Global(self._known[module, name], f"{module}.{name}"))

    def _call(self) -> None:
        function, arguments = self._popped(2)
        if not isinstance(function, Global) or not isinstance(arguments, tuple):
            self._refuse(f"calls a {type(function).__name__}")
        self._stack.append(Call(function, arguments))

    def _build(self) -> None:
        made, state = self._stack[-2], self._stack.pop()
        if not isinstance(made, Call) or made.state is not None:
            self._refuse(f"sets the state of a {type(made).__name__}")
        made.state = state

    def _stop(self) -> None:
        self.result = self._stack.pop()
        if self._stack:
            raise ValueError(f"{len(self._stack)} values are left over")

    def _extend(self, values: list[Any]) -> None:
        if not isinstance(self._stack[-1], list):
            self._refuse(f"appends to a {type(self._stack[-1]).__name__}")
        self._stack[-1].extend(values)

    def _set_items(self, values: list[Any]) -> None:
        if not isinstance(self._stack[-1], dict):
            self._refuse(f"sets items of a {type(self._stack[-1]).__name__}")
        self._stack[-1].update(zip(values[::2], values[1::2], strict=True))

    def _popped(self, count: int) -> list[Any]:
        """Pop the last values, which must all be above the last mark."""
        values = self._stack[-count:]
        if len(values) < count or any(value is _MARK for value in values):
            raise ValueError("its stack runs empty")
        del self._stack[-count:]
        return values

    def _above_mark(self) -> list[Any]:
        position = len(self._stack) - 1
        while position >= 0 and self._stack[position] is not _MARK:
            position -= 1
        if position < 0:
            raise ValueError("a mark is missing")
        values = self._stack[position + 1 :]
        del self._stack[position:]
        return values
