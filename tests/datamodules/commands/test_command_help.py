"""The help of every command says what each option means and what it is by default."""

import argparse
import importlib

import pytest

from datamodules.__main__ import COMMANDS, main
from datamodules.commands.help_format import DefaultsHelp


@pytest.mark.parametrize("command", [name for name in COMMANDS if name != "show"])
def test_options_are_told_with_their_defaults(command, capsys):
    parser = argparse.ArgumentParser(formatter_class=DefaultsHelp)
    importlib.import_module(COMMANDS[command][0]).add_arguments(parser)
    formatter = parser._get_formatter()
    for action in parser._actions:
        assert action.help, action.dest
        text = " ".join(formatter._expand_help(action).split())
        has_default = isinstance(action.default, int | float | str) and action.default != argparse.SUPPRESS
        if action.option_strings and has_default and action.default is not False:
            assert text.count("(default: ") == 1, f"{action.dest}: {text}"
    with pytest.raises(SystemExit) as stop:
        main([command, "--help"])
    assert stop.value.code == 0
    if command == "words":
        shown = " ".join(capsys.readouterr().out.split())
        assert "--min-letters MIN_LETTERS letters of a word, at least (default: 4)" in shown
        assert "of the clips, in Hz (default: 20000)" in shown
