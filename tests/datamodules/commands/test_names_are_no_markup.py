"""Names of users are printed as they are: `[left]` does not disappear, `[/STS]` does not crash, `:cat:` is no cat."""

import io

import numpy as np
import pytest
from rich.console import Console
from rich.table import Table

from datamodules.__main__ import main
from evaluate.__main__ import main as evaluate
from networks.commands.console_tables import print_table
from networks.commands.dispatch import text_console

NAMES = ("[left]", "[/STS]", ":cat:", "[link=a]b[/link]")


@pytest.mark.parametrize("name", NAMES)
def test_consoles_and_tables_print_text_as_it_is(name):
    table = Table("what", name, title=name, caption=name)
    table.add_row("a row that is wider than its title", name)
    for show in (lambda console: console.print(table), lambda console: print_table(table, Console(file=console.file))):
        file = io.StringIO()
        console = text_console(file=file, width=80)
        console.print(name)
        show(console)
        assert file.getvalue().count(name) == 5


@pytest.mark.parametrize("name", ["[left]", "[STS", ":cat:"])
def test_folders_and_labels_of_a_build(tmp_path, make_sound, make_manifest, capsys, name, monkeypatch):
    monkeypatch.setenv("COLUMNS", "300")
    rows = [{"path": f"{i}.wav", "word": f"{name}{i}", "split": ("train", "val")[i]} for i in range(2)]
    for number, row in enumerate(rows):
        make_sound(tmp_path / row["path"], seed=number)
    table = make_manifest(tmp_path / "m.csv", rows)
    out = tmp_path / name
    command = [str(table), str(out), "--one_label", "word", "--num_workers", "1", "--sample_rate_hz", "4000"]
    assert main(["build", *command]) == 0
    printed = "".join(capsys.readouterr().out.split())
    assert str(out) in printed
    assert f"neverintrain:{name}1" in printed


def test_reasons_of_audioset(tmp_path, make_sound, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "300")
    names = (("/m/a", "Dog"), ("1", "Speech"), ("2", "Whispering"), ("3", "Silence"), ("4", "Music"))
    items = [f'{{"id": "{id}", "name": "{name}", "child_ids": [], "restrictions": []}}' for id, name in names]
    (tmp_path / "o.json").write_text(f"[{','.join(items)}]")
    for number, part in enumerate(("train", "val")):
        make_sound(tmp_path / "clips" / f"clip{number}.wav", seed=number)
        (tmp_path / f"{part}.csv").write_text(f'clip{number}, 0, 1, "/m/a"\nx, 0, 1, "[/STS]"\ny, 0, 1, "[left]"\n')
    command = ["audioset", str(tmp_path / "out"), "--ontology", str(tmp_path / "o.json")]
    command += ["--train", str(tmp_path / "train.csv"), "--val", str(tmp_path / "val.csv"), "--num_workers", "1"]
    assert main([*command, "--clips", str(tmp_path / "clips"), "--sample_rate_hz", "4000"]) == 0
    printed = capsys.readouterr().out
    assert "unknown label [/STS]" in printed
    assert "unknown label [left]" in printed


def test_names_in_benchmarks(tmp_path, make_sound, capsys):
    folder = tmp_path / "[mine]"
    for number in range(4):
        make_sound(folder / "stimuli" / f"[s{number}].wav", seed=number)
    (folder / "benchmark.json").write_text('{"name": "[mine]"}')
    (folder / "stimuli.csv").write_text("name,category\n" + "".join(f"[s{i}],[/{i % 2}]\n" for i in range(4)))
    (folder / "units.csv").write_text("unit,subject,region\nu0,[left],[/STS]\nu1,:cat:,[A]\n")
    np.save(folder / "responses.npy", np.random.default_rng(0).standard_normal((4, 2, 2)))
    assert evaluate(["check", str(folder)]) == 0
    printed = capsys.readouterr().out
    for name in ("[mine], version", "[left]", "[/STS]", ":cat:", "[A]", "[/0] 2", str(folder)):
        assert name in printed
