"""Names that are not UTF-8: each command says so in one line, whatever it would have read or written."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import datamodules.__main__
import evaluate.__main__
import networks.__main__
import train.__main__
from networks.commands.arguments import printable, why_no_text
from networks.commands.dispatch import report_error

NOT_UTF8 = os.fsdecode(b"caf\xe9")


def test_what_is_printed_of_names():
    assert printable("plain") == "plain"
    assert printable(Path("café/東京")) == "café/東京"
    assert printable(f"a/{NOT_UTF8}") == r"a/caf\xe9"
    assert printable("lone \ud800") == r"lone \ud800"


def test_why_arguments_are_refused(tmp_path, monkeypatch):
    assert why_no_text(["--out", "café"]) is None
    assert r"the argument caf\xe9 is not UTF-8" in why_no_text(["--out", NOT_UTF8])
    assert r"--label_list=word=caf\xe9" in why_no_text([f"--label_list=word={NOT_UTF8}"])
    place = tmp_path / NOT_UTF8
    try:
        place.mkdir()
    except OSError:
        pytest.skip("this file system takes UTF-8 names alone")
    monkeypatch.chdir(place)
    assert r"caf\xe9 has a name that is not UTF-8" in why_no_text([])


@pytest.mark.parametrize("package", [datamodules, evaluate, networks])
@pytest.mark.parametrize("place", [0, 1])
def test_every_command_refuses_them_in_one_line(tmp_path, monkeypatch, capsys, package, place):
    monkeypatch.chdir(tmp_path)
    for command in package.__main__.COMMANDS:
        arguments = ["in", "out"]
        arguments[place] = NOT_UTF8
        assert package.__main__.main([command, *arguments]) == 2
        error = capsys.readouterr().err
        assert error.startswith(r"error: the argument caf\xe9 is not UTF-8")
        assert error.count("\n") == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("command", train.__main__.COMMANDS)
def test_training_refuses_them_in_one_line(monkeypatch, capsys, command):
    monkeypatch.setattr(sys, "argv", ["train", command, "--run_dir", NOT_UTF8])
    with pytest.raises(SystemExit) as exit_:
        train.__main__.main()
    assert exit_.value.code == 2
    assert capsys.readouterr().err.startswith(r"error: the argument caf\xe9 is not UTF-8")


def test_errors_about_them_can_be_printed(capsys):
    report_error(f"{NOT_UTF8}: no such file")
    assert capsys.readouterr().err == "error: caf\\xe9: no such file\n"


def test_a_process_gets_them_as_bytes(tmp_path):
    command = [sys.executable, "-m", "datamodules", "genres", "music", os.fsencode(tmp_path) + b"/caf\xe9/out"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("error: the argument ")
    assert "Traceback" not in done.stderr
