"""Commands declared as dataclasses."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest

from networks.commands.dispatch import dispatch, parse_command


@dataclass(kw_only=True)
class Shared:
    """Options of several commands.

    Attributes:
        batch_size: Sounds per pass.
        stages: Names of stages.
    """

    batch_size: int = 4
    stages: list[str] | None = None


@dataclass(kw_only=True)
class Example(Shared):
    """Do something.

    In detail,
    on two lines.

    Attributes:
        networks: What to work on.
        out: Folder for the results.
        force: Replace what is there.
    """

    networks: list[str]
    out: Path | None = None
    force: bool = False
    positionals: ClassVar[tuple[str, ...]] = ("networks",)

    def run(self) -> int:
        print(self)
        return 3


COMMANDS = {"example": f"{__name__}:Example"}


def parsed(*arguments: str) -> Example:
    return parse_command(Example, arguments, program="example")


def test_lists_are_written_without_brackets_and_add_up():
    command = parsed("a", "b", "--stages", "relu*", "fc", "--stages", "pool")
    assert (command.networks, command.stages) == (["a", "b"], ["relu*", "fc", "pool"])
    assert parsed("a").stages is None


def test_values_have_the_types_of_the_fields():
    command = parsed("a", "--out", "somewhere", "--force", "true", "--batch_size", "8")
    assert command == Example(networks=["a"], out=Path("somewhere"), force=True, batch_size=8)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "required: networks"),
        (("a", "--batch_size", "many"), "batch_size"),
        (("a", "--batch-size", "8"), "unrecognized arguments: --batch-size"),
        (("a", "--batch", "8"), "unrecognized arguments: --batch"),
    ],
)
def test_mistakes_are_named(arguments, message, capsys):
    with pytest.raises(SystemExit) as stopped:
        parsed(*arguments)
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err


def test_help_holds_the_docstrings_of_the_command_and_of_what_it_shares(capsys):
    with pytest.raises(SystemExit):
        parsed("--help")
    shown = capsys.readouterr().out
    assert "Do something.\n\nIn detail,\non two lines." in shown
    for text in ("What to work on.", "Folder for the results.", "Sounds per pass.", "Names of stages."):
        assert text in shown


def test_the_exit_code_is_that_of_the_command(capsys):
    assert dispatch("networks", "Some package.", COMMANDS, ["example", "a"]) == 3
    with pytest.raises(SystemExit):
        dispatch("networks", "Some package.", COMMANDS, ["--help"])
    assert "Do something." in capsys.readouterr().out.split("COMMAND")[-1]
    assert dispatch("networks", "Some package.", COMMANDS, ["exampel"]) == 2
    error = "error: there is no command 'exampel' (did you mean example?); `cochlearn networks --help` lists all\n"
    assert capsys.readouterr().err == error
