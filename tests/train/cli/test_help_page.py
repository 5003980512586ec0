"""`fit --help` is a page; `--help-all` is all of it."""

import sys

import pytest

from train.__main__ import main
from train.cli.help_page import PAGES, REQUIRED


@pytest.fixture
def shown(monkeypatch, capsys):
    def run(*arguments: str) -> tuple[str, str]:
        monkeypatch.setenv("COLUMNS", "100")
        monkeypatch.setattr(sys, "argv", ["train", *arguments])
        with pytest.raises(SystemExit):
            main()
        captured = capsys.readouterr()
        return captured.out, captured.err

    return run


@pytest.mark.parametrize("command", list(PAGES))
def test_help_is_a_page_of_what_is_set_most(shown, command):
    lines = shown(command, "--help")[0].splitlines()
    assert lines[0] == f"usage: cochlearn {command} --config FILE [--OPTION VALUE ...]"
    assert len(lines) < 120
    assert max(map(len, lines)) <= 100
    assert any("--help-all lists all" in line for line in lines)
    options = [line.split()[0] for line in lines if line.startswith("  --")]
    assert options == [f"--{name}" for names in PAGES[command].values() for name in names]


def test_descriptions_are_those_of_the_options(shown):
    text = " ".join(shown("fit", "--help")[0].split())
    assert "--run_dir Folder that holds all of this run (default: runs/default)" in text
    assert "--data.snr_db Lowest and highest signal-to-noise ratio of training in dB (default: [-10.0, 10.0])" in text
    assert "--model.freeze Parts of the network" in text
    assert "(default: [])" not in text


def test_all_options_are_shown_on_request(shown):
    text = shown("fit", "--help-all")[0]
    assert "--trainer.reload_dataloaders_every_n_epochs" in text
    assert "--help-all" in text
    assert len(text.splitlines()) > 500


def test_required_options_are_marked(shown):
    error = shown("fit")[1]
    assert f"required: {', '.join(f'fit.{name}' for name in REQUIRED)}" in error
