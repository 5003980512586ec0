"""The option --label_separator of `python -m datamodules build`."""

import json

import pandas as pd
import pytest

from datamodules.__main__ import main
from datamodules.manifests.manifest import ManifestError, read_manifest


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


@pytest.mark.parametrize(
    ("in_table", "given", "message"),
    [
        ("+", "|", "m.csv: the separator '|' never occurs in column 'tags': each cell is one label"),
        (" / ", "+", "m.csv: the separator '+' never occurs in column 'tags': each cell is one label"),
        ("_", "\t", "m.csv: the separator '\\t' never occurs in column 'tags': each cell is one label"),
        (",", "|", "column 'tags' should hold labels separated by '|', which never occurs, but holds 'rain,wind'; is"),
        (";", ",", "column 'tags' should hold labels separated by ',', which never occurs, but holds 'rain;wind'; is"),
    ],
)
def test_a_separator_that_never_occurs_is_one_line_of_warning(table, caplog, in_table, given, message):
    read_manifest(table(in_table), many_labels=["tags"], label_separator=given)
    (line,) = caplog.messages
    assert message in line
    assert "\n" not in line


def test_a_separator_without_columns_of_many_labels_is_refused(tmp_path, table, capsys):
    command = ["build", str(table("|")), str(tmp_path / "out"), "--one_label", "tags", "--label_separator", "|"]
    assert main(command) == 2
    assert "--label_separator is for columns of --many_labels, but none is named" in capsys.readouterr().err


def test_lists_of_a_parquet_file_need_no_separator(tmp_path, make_sound, caplog):
    make_sound(tmp_path / "0.wav", seed=0)
    pd.DataFrame({"path": ["0.wav"], "tags": [["rain", "wind"]]}).to_parquet(tmp_path / "m.parquet")
    read_manifest(tmp_path / "m.parquet", many_labels=["tags"], label_separator="|")
    assert not caplog.messages


@pytest.mark.parametrize("cell", ["['rain', 'wind']", '["rain"]', "[]", "('rain',)"])
@pytest.mark.parametrize("separator", [None, ","])
def test_lists_of_python_are_refused(tmp_path, make_manifest, cell, separator):
    table = make_manifest(tmp_path / "m.csv", [{"path": "0.wav", "tags": "rain"}, {"path": "1.wav", "tags": cell}])
    with pytest.raises(ManifestError, match="a list as Python or JSON writes it; write the labels without brackets"):
        read_manifest(table, many_labels=["tags"], label_separator=separator)


def test_the_default_separator_is_given_for_single_labels_without_a_warning(tmp_path, make_manifest, caplog):
    table = make_manifest(tmp_path / "m.csv", [{"path": "0.wav", "tags": "rain"}])
    (entry,) = read_manifest(table, many_labels=["tags"], label_separator=";")
    assert (entry.labels["tags"], caplog.messages) == (("rain",), [])
