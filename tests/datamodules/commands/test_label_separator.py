"""The option --label_separator of `python -m datamodules build`."""

import json

import pytest

from datamodules.__main__ import main


@pytest.fixture
def table(tmp_path, make_sound, make_manifest):
    def write(separator):
        rows = []
        for number, labels in enumerate((("rain", "wind"), ("rain",), ("bees", "wind"))):
            make_sound(tmp_path / f"{number}.wav", seed=number)
            rows.append({"path": f"{number}.wav", "tags": separator.join(labels)})
        return make_manifest(tmp_path / "m.csv", rows)

    return write


@pytest.mark.parametrize(("separator", "option"), [(",", ","), ("|", "|"), ("\t", r"\t"), (" + ", " + "), (";", None)])
def test_labels_are_separated_as_the_option_says(tmp_path, table, separator, option):
    command = ["build", str(table(separator)), str(tmp_path / "out"), "--many_labels", "tags", "--num_workers", "1"]
    command += ["--sample_rate_hz", "4000"]
    assert main([*command, *(() if option is None else ("--label_separator", option))]) == 0
    found = json.loads((tmp_path / "out" / "train" / "index.json").read_text())["label_sets"]["tags"]
    assert found["labels"] == ["<null>", "bees", "rain", "wind"]
    assert found["num_clips"] == [0, 1, 2, 2]


def test_another_separator_is_refused_in_one_line(tmp_path, table, capsys):
    command = ["build", str(table(",")), str(tmp_path / "out"), "--many_labels", "tags", "--num_workers", "1"]
    assert main(command) == 2
    assert "--label_separator ','" in capsys.readouterr().err
    assert not list(tmp_path.glob("out*"))
