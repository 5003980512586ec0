"""`cochlearn COMMAND`: one name for the commands of all packages."""

import sys
from collections import Counter

import pytest

from networks.commands.dispatch import purpose_of
from networks.commands.program import SHARED_NAMES, module_of, program
from train.cli.all_commands import packages, run


@pytest.fixture(autouse=True)
def as_script(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["/somewhere/bin/cochlearn"])


def test_names_that_two_packages_have_are_known():
    names = Counter(name for package in packages().values() for name in package.commands)
    assert {name for name, count in names.items() if count > 1} == set(SHARED_NAMES)
    assert not set(names) & set(packages())


def test_every_command_is_listed_in_one_line(capsys):
    assert run([]) == run(["--help"]) == 0
    lines = capsys.readouterr().out.splitlines()
    for package, each in packages().items():
        for name, target in each.commands.items():
            written = f"{package} {name}" if name in SHARED_NAMES else name
            assert any(line.startswith(f"  {written} ") and line.endswith(purpose_of(target)) for line in lines), name


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (["summary"], "usage: cochlearn summary "),
        (["networks", "summary"], "usage: cochlearn summary "),
        (["evaluate", "check"], "usage: cochlearn evaluate check "),
        (["show"], "usage: cochlearn show "),
        (["datamodules"], "usage: cochlearn datamodules "),
        (["train"], "usage: cochlearn train "),
    ],
)
def test_help_shows_the_command_as_it_is_written(words, shown, capsys):
    with pytest.raises(SystemExit) as stop:
        run([*words, "--help"])
    assert stop.value.code == 0
    assert capsys.readouterr().out.startswith(shown)


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("check", "error: there are 2 commands check: `cochlearn datamodules check` (Verify"),
        ("check", "and `cochlearn evaluate check` (Show the content of benchmarks"),
        ("scor", "error: there is no command 'scor' (did you mean score?); `cochlearn --help` lists all"),
    ],
)
def test_a_name_that_is_not_one_command_is_an_error(word, message, capsys):
    assert run([word, "something"]) == 2
    assert message in capsys.readouterr().err


def test_the_version_is_shown(capsys):
    assert run(["--version"]) == 0
    assert capsys.readouterr().out.startswith("cochlearn ")


def test_messages_name_commands_as_the_user_starts_them(monkeypatch):
    assert [program("evaluate", name) for name in ("report", "check", "")] == [
        "cochlearn report",
        "cochlearn evaluate check",
        "cochlearn evaluate",
    ]
    assert module_of("train") == "cochlearn"
    monkeypatch.setattr(sys, "argv", ["/somewhere/train/__main__.py"])
    assert module_of("train") == "train"
    assert program("evaluate", "report") == "python -m evaluate report"
    assert program("train") == "python -m train"
    monkeypatch.setattr(sys, "argv", ["/somewhere/my_script.py"])
    assert program("evaluate", "report") == "cochlearn report"
