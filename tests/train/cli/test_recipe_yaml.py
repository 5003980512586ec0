"""Configurations in YAML with surprises: read as they look, or one line that names the file."""

import codecs
import sys
from pathlib import Path

import pytest
import yaml

from train.__main__ import main

BAD = {
    "on": "data:\n  val_conditions: {on: 0, off: 10}\n",
    "number": "data:\n  val_conditions:\n    10: 10\n",
    "time": "trainer:\n  max_time: 00:12:30\n",
    "twice": "data:\n  batch_size: 3\n  batch_size: 4\n",
    "tab": "data:\n\tbatch_size: 3\n",
    "code": "run_dir: !!python/object/apply:os.system ['touch pwned']\n",
    "loop": "data: &data {tasks: [*data]}\n",
}


def printed(monkeypatch, capsys, *arguments: str) -> dict:
    """The whole configuration that these arguments give."""
    monkeypatch.setattr(sys, "argv", ["train", "fit", *arguments, "--print_config"])
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code in (None, 0)
    return yaml.safe_load(capsys.readouterr().out)


def refused(monkeypatch, capsys, *arguments: str) -> str:
    monkeypatch.setattr(sys, "argv", ["train", "fit", *arguments])
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 2
    return " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize("text", BAD.values(), ids=BAD)
@pytest.mark.parametrize("is_nested", [False, True])
def test_each_is_one_line_that_names_the_file(monkeypatch, capsys, tmp_path, text, is_nested):
    monkeypatch.chdir(tmp_path)
    Path("bad.yaml").write_text(text)
    Path("outer.yaml").write_text("config: bad.yaml\nrun_dir: runs/x\n")
    assert "bad.yaml" in refused(monkeypatch, capsys, "--config", "outer.yaml" if is_nested else "bad.yaml")
    assert not Path("pwned").exists()


def test_a_text_that_is_read_as_a_truth_value_is_one_line(monkeypatch, capsys, tmp_path):
    (tmp_path / "bad.yaml").write_text("data: {signal: x, tasks: [no]}\n")
    monkeypatch.chdir(tmp_path)
    message = refused(monkeypatch, capsys, "--config", "bad.yaml")
    assert message.endswith(
        "error: data.tasks: got the truth value False, as YAML reads on, off, yes and no; quote a text, in bad.yaml"
    )


def test_a_value_of_a_wrong_type_is_one_line(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    Path("bad.yaml").write_text("data: {batch_size: ten}\nmodel: {backbone: {class_path: CochCNN9}}\n")
    arguments = ["--config", "bad.yaml", "--data.signal", "x", "--data.tasks", "[word]"]
    shown = refused(monkeypatch, capsys, *arguments)
    assert shown.endswith("error: data.batch_size: expected an integer or null, got 'ten', in bad.yaml")
    shown = refused(monkeypatch, capsys, "--data.signal", "x", "--seed_everything", "y")
    assert shown.endswith("error: seed_everything: expected true or false or an integer, got 'y'")


def test_a_part_in_another_file_is_checked_too(monkeypatch, capsys, tmp_path):
    (tmp_path / "backbone.yaml").write_text("class_path: networks.CochCNN9\ninit_args: {width: 0.1, width: 0.2}\n")
    (tmp_path / "outer.yaml").write_text("model:\n  backbone: backbone.yaml\n")
    line = refused(monkeypatch, capsys, "--config", str(tmp_path / "outer.yaml"))
    assert "backbone.yaml, line 2: the key 'width' occurs twice" in line


def test_a_value_of_the_command_line_is_checked_too(monkeypatch, capsys):
    line = refused(monkeypatch, capsys, "--data.val_conditions", "{on: 0, off: 10}")
    assert "YAML reads the key 'on' as a truth value" in line


@pytest.mark.parametrize("mark", [codecs.BOM_UTF8, codecs.BOM_UTF16_LE, b""])
def test_all_usual_encodings_are_read(monkeypatch, capsys, tmp_path, mark):
    text = "run_dir: läufe/größe\ndata:\n  val_conditions: {'on': 0.0, \"10\": 10.0}\n"
    encoding = "utf-16-le" if mark == codecs.BOM_UTF16_LE else "utf-8"
    (tmp_path / "mine.yaml").write_bytes(mark + text.encode(encoding))
    found = printed(monkeypatch, capsys, "--config", str(tmp_path / "mine.yaml"))
    assert found["run_dir"] == "läufe/größe"
    assert found["data"]["val_conditions"] == {"on": 0.0, "10": 10.0}


def test_another_encoding_is_named(monkeypatch, capsys, tmp_path):
    (tmp_path / "mine.yaml").write_bytes("run_dir: läufe\n".encode("latin-1"))
    assert "mine.yaml: expected text in UTF-8" in refused(monkeypatch, capsys, "--config", str(tmp_path / "mine.yaml"))
