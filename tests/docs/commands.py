"""Commands of this project in blocks of shell code: found, parsed by their own parsers, and run in this process."""

import importlib
import re
import shlex
import sys
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path
from typing import NamedTuple

import pytest

from networks.commands.dispatch import load_command, make_parser
from networks.commands.program import CONSOLE_SCRIPT
from train.cli.all_commands import packages_with
from train.cli.recipes import find_recipe

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("networks", "datamodules", "evaluate", "train")
TRAINING = ("fit", "validate", "test")
_END_COMMAND = {"<", ">", "|", "&", "&&", "||", ";"}
_CONTINUED = re.compile(r"\\\n\s*")
# In place of configurations that the reader is to write.
_ANY_CONFIG = str(ROOT / "configs" / "demo.yaml")


class Command(NamedTuple):
    """`python -m PACKAGE NAME ARGUMENT ...`, also written as `cochlearn NAME ARGUMENT ...`."""

    package: str
    name: str
    arguments: tuple[str, ...]

    def __str__(self) -> str:
        return shlex.join(["python", "-m", self.package, self.name, *self.arguments])


def commands_in(code: str) -> Iterator[Command]:
    """Commands of this project in a block of shell code; also those started by torchrun or srun."""
    for line in _CONTINUED.sub(" ", code).splitlines():
        words = shlex.split(line, comments=True)
        for number, word in enumerate(words[:-1]):
            if word in ("-m", CONSOLE_SCRIPT) and words[number + 1] in PACKAGES:
                yield _command(words[number + 1 :])
            elif word == CONSOLE_SCRIPT and (having := packages_with(words[number + 1])):
                (package,) = having  # a name that two packages have is written after its package
                yield _command([package, *words[number + 1 :]])


def _command(words: list[str]) -> Command:
    package, name, *arguments = takewhile(lambda word: word not in _END_COMMAND, words)
    return Command(package, name, tuple(word for word in arguments if word != "$@"))


def parse(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the command's own parser read it; fails with the parser's message."""
    if command.package == "train" and command.name in TRAINING:
        _parse_training(command, monkeypatch)
        return
    if command.package == "train":
        target = "train.cli.show:Show"
    else:
        target = importlib.import_module(f"{command.package}.__main__").COMMANDS[command.name]
    make_parser(load_command(target), program=str(command)).parse_args(list(command.arguments))


def run(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run it in this process and this folder; fails unless it succeeds."""
    main = importlib.import_module(f"{command.package}.__main__").main
    if command.package == "train":
        monkeypatch.setattr(sys, "argv", ["train", command.name, *command.arguments])
        main()
    else:
        assert main([command.name, *command.arguments]) == 0, command


def parse_config(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let training's parser read a configuration, or a part of one that a recipe completes."""
    arguments = ("--config", _ANY_CONFIG, "--config", str(path))
    _parse_training(Command("train", "fit", arguments), monkeypatch)


def _parse_training(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """Print the configuration: Lightning's parser ends after that."""
    from train.__main__ import main

    arguments = list(command.arguments)
    if arguments and not arguments[0].startswith("-"):  # a run directory or a checkpoint
        arguments[:1] = ["--run_dir", arguments[0]]
    for number, word in enumerate(arguments[:-1]):
        recipe = find_recipe(arguments[number + 1])
        if word == "--config" and not (ROOT / recipe).is_file():  # also finds absolute paths
            arguments[number + 1] = _ANY_CONFIG
    if "--config" not in arguments:
        arguments = ["--config", _ANY_CONFIG, *arguments]
    monkeypatch.setattr(sys, "argv", ["train", command.name, *arguments, "--print_config"])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code in (None, 0), command
