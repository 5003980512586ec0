"""Errors about values: one line with the option, what was expected and what came."""

from typing import Literal

import pytest
from jsonargparse import ArgumentError, ArgumentParser

from networks.commands.value_errors import find_problem, in_one_line, said_by_class


class Part:
    def __init__(self, width: float = 1.0) -> None:
        """A part of something."""


def error_of(kind, *values):
    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("--data.value", type=kind)
    with pytest.raises(ArgumentError) as raised:
        parser.parse_args([f"--data.value{value}" for value in values])
    return in_one_line(str(raised.value))


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        (int, "ten", "an integer, got 'ten'"),
        (int | None, "ten", "an integer or null, got 'ten'"),
        (bool | int, "x", "true or false or an integer, got 'x'"),
        (float, "[1, 2]", "a number, got [1, 2]"),
        (tuple[float, float], "3", "a list, got 3"),
        (list[float] | None, "[1, b]", "list[float] or null, got [1.0, 'b']"),
        (dict[str, float | None] | None, "{a: b}", "dict[str, float | None] or null, got {'a': 'b'}"),
        (Literal["a", "b"] | None, "c", "one of 'a', 'b' or null, got 'c'"),
        (int, "x" * 300, "an integer, got 'xxxxx"),
    ],
)
def test_types_in_words(kind, value, expected):
    line = error_of(kind, f"={value}")
    assert line.startswith(f"data.value: expected {expected}")
    assert len(line) < 200


def test_arguments_of_classes_and_names_that_are_no_class():
    path = f"{Part.__module__}.Part"
    line = error_of(Part, f"={path}", ".init_args.width=wide")
    assert line == "data.value.init_args.width: expected a number, got 'wide'"
    assert "expected the name of a class" in error_of(Part, "=Foo")
    assert error_of(Part, "=Foo").endswith("got 'Foo'")


def test_what_a_class_says_is_found_in_an_error_while_objects_are_made():
    union = (
        "Does not validate against any of the Union subtypes\nSubtypes: [list[a.b.Part], <class 'NoneType'>]\n"
        "Errors:\n  - Part: rooms: no such folder\n  - Expected a <class 'NoneType'>\n"
        "Given value type: <class 'list'>\nGiven value: [1]"
    )
    assert said_by_class(union) == "Part: rooms: no such folder"
    assert said_by_class("something else") is None


def test_other_errors_are_written_in_one_line():
    assert in_one_line("there is\n  something else") == "there is something else"
    assert find_problem("there is something else") is None
