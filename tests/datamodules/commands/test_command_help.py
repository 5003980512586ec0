"""The help of every command says what each option means and what it is by default."""

import dataclasses

import pytest

from datamodules.__main__ import COMMANDS, main
from networks.commands.dispatch import load_command, make_parser


@pytest.mark.parametrize("command", COMMANDS)
def test_options_are_explained_with_their_defaults(command, capsys):
    parser = make_parser(load_command(COMMANDS[command]), program=command)
    for action in parser._actions:
        assert action.help, action.dest
    with pytest.raises(SystemExit) as stop:
        main([command, "--help"])
    assert stop.value.code == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "default: " in shown or command in ("merge", "check")
    if command == "words":
        assert "Least number of letters of a word. (type: int, default: 4)" in shown
        assert "Sample rate of the clips in Hz. (type: int, default: 20000)" in shown


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_is_described_in_a_docstring(command):
    found = load_command(COMMANDS[command])
    parser = make_parser(found, program=command)
    helps = {action.dest: action.help for action in parser._actions}
    for field in dataclasses.fields(found):
        assert helps[field.name].endswith("."), field.name
