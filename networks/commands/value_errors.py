"""Errors of jsonargparse about values, in one plain line: the option, what was expected, what came."""

import ast
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from networks.text.wording import shortened

MAX_VALUE_CHARACTERS = 100

_KEY = re.compile(r'\s*Parser key "([^"]+)":\s*')
_CLASS = re.compile(r"\s*Problem with given class_path '([^']+)':\s*")
_EXPECTED = re.compile(r"Expected an? (?P<type>.+?)\. Got value: (?P<value>.*)", re.DOTALL)
_UNION = "Does not validate against any of the Union subtypes"
_SUBTYPES = re.compile(r"Subtypes: \[(.*)\]\s*$", re.MULTILINE)
_VALUE = re.compile(r".*Given value: (.*)", re.DOTALL)
_ONLY_A_TYPE = re.compile(r"Expected an? (<class |typing\.|[\w.]+\[|None)")
_NOT_A_CLASS = re.compile(r"Expected a dot import path string: (.*)", re.DOTALL)

_NOT_A_PATH = "Expected a path but "

_WORDS = {
    "int": "an integer",
    "float": "a number",
    "bool": "true or false",
    "str": "text",
    "NoneType": "null",
    "list": "a list",
    "tuple": "a list",
    "dict": "a mapping",
}


class ValueProblem(NamedTuple):
    """What is wrong with a value.

    Attributes:
        option: The option, such as "data.batch_size"; of an argument of a class, with `init_args`.
        reason: What was expected and what came, or what a class says about its arguments.
    """

    option: str
    reason: str

    def __str__(self) -> str:
        return f"{self.option}: {self.reason}"


def find_problem(message: str) -> ValueProblem | None:
    """Find in an error of jsonargparse which value is wrong, and why; None if it is about something else.

    Args:
        message: The error, over several lines.

    Returns:
        The problem, in one line.
    """
    found = _KEY.search(message)
    return None if found is None else _problem(message[found.start() :].strip(), [])


def in_one_line(message: str) -> str:
    """Write an error of jsonargparse in one line; one about a value as the option, what was expected and what came."""
    return str(find_problem(message) or " ".join(message.split()))


def said_by_class(message: str) -> str | None:
    """Find what a class said about its arguments, in an error of jsonargparse that it raises as it makes objects.

    Args:
        message: Any error.

    Returns:
        The reason, in one line; None if the error is of another kind.
    """
    return _of_union(message, []).reason if message.startswith(_UNION) else None


def _problem(text: str, path: Sequence[str]) -> ValueProblem:
    """Read a key with what follows it."""
    path = list(path)
    while match := _KEY.match(text) or _CLASS.match(text):
        path.append("init_args" if match.re is _CLASS else match[1])
        text = text[match.end() :]
    if path[-1:] == ["init_args"]:  # the class itself cannot be used
        path.pop()
    if match := _EXPECTED.fullmatch(text.strip()):
        return ValueProblem(".".join(path), _reason([match["type"]], match["value"]))
    if text.startswith(_UNION):
        return _of_union(text, path)
    said = [item for item in _items(text) if not item.startswith(_NOT_A_PATH)] if text.startswith("- ") else []
    if said and not _NOT_A_CLASS.match(said[-1]):
        return _problem(said[-1], path)
    if match := _NOT_A_CLASS.search(text):
        expected = "the name of a class, such as networks.CochCNN9 or my_models:MyClass"
        return ValueProblem(".".join(path), f"expected {expected}, got {_shown(match[1])}")
    return ValueProblem(".".join(path), " ".join(text.split()))


def _of_union(text: str, path: Sequence[str]) -> ValueProblem:
    """Read the error of a value that may have several types: what one of them says, or all that are possible."""
    for item in _items(text):
        if _ONLY_A_TYPE.match(item) or item.startswith(_UNION):
            continue
        return _problem(item, path)
    subtypes, value = _SUBTYPES.search(text), _VALUE.match(text)
    types = list(_split(subtypes[1])) if subtypes else []
    return ValueProblem(".".join(path), _reason(types, value[1] if value else ""))


def _items(text: str) -> Iterator[str]:
    """Yield the errors of the types of a union, each as a block of lines."""
    lines = (text.partition("Errors:")[2] or text).splitlines()
    starts = [number for number, line in enumerate(lines) if line.lstrip().startswith("- ")]
    if not starts:
        return
    indent = _indent(lines[starts[0]])
    block: list[str] = []
    for line in lines[starts[0] :]:
        if line.strip() and _indent(line) <= indent:
            if block:
                yield "\n".join(block)
            if not line.lstrip().startswith("- "):
                return
            block = [line.lstrip()[2:]]
        else:
            block.append(line)
    yield "\n".join(block)


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _split(types: str) -> Iterator[str]:
    """Split a list of types at its commas, not at those in brackets."""
    depth, part = 0, ""
    for character in types:
        depth += {"[": 1, "]": -1}.get(character, 0)
        if character == "," and not depth:
            yield part.strip()
            part = ""
        else:
            part += character
    yield part.strip()


def _reason(types: Sequence[str], value: str) -> str:
    return f"expected {' or '.join(map(_in_words, types))}, got {_shown(value)}"


def _in_words(kind: str) -> str:
    """Write a type for people: "an integer", "one of a, b", "tuple[float, float]"."""
    plain = re.sub(r"<class '([^']+)'>", r"\1", kind).strip()
    if plain in _WORDS:
        return _WORDS[plain]
    if plain.startswith("typing.Literal["):
        return f"one of {plain.removeprefix('typing.Literal[').removesuffix(']')}"
    return re.sub(r"(?:\w+\.)+(\w+)", r"\1", plain)


def _shown(value: str) -> str:
    """A value as it came: numbers and lists as they are, text in quotation marks."""
    text = shortened(" ".join(value.split()), MAX_VALUE_CHARACTERS)
    try:
        ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return repr(text)
    return text
