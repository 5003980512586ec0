"""Builds of which nothing is left: one line that says why, and nothing on the disk."""

import pytest

from datamodules.__main__ import main
from datamodules.building.build import build_shards
from datamodules.building.build_report import BuildError
from datamodules.manifests.splitting import SplitRule

SETTINGS = ["--one_label", "word", "--skip_bad", "true", "--num_workers", "1", "--sample_rate_hz", "4000"]


@pytest.fixture
def table(tmp_path, make_sound, make_manifest):
    """Two clips for training and one for validation."""
    rows = [{"path": f"{name}.wav", "word": name, "split": "val" if name == "c" else "train"} for name in "abc"]
    for k, row in enumerate(rows):
        make_sound(tmp_path / row["path"], seed=k)
    return make_manifest(tmp_path / "m.csv", rows)


def failure(capsys, table, *more):
    assert main(["build", str(table), str(table.parent / "out"), *SETTINGS, *more]) == 2
    assert sorted(path.name for path in table.parent.iterdir() if path.name.startswith("out")) == []
    return " ".join(capsys.readouterr().err.split())


def test_labels_that_no_list_has(table, capsys):
    (table.parent / "list.txt").write_text("index,mid,display_name\n0,/m/a,a\n")
    error = failure(capsys, table, "--label_list", f"word={table.parent / 'list.txt'}")
    assert "nothing is left of" in error
    assert "word 'a' is not in the list" in error
    assert "list.txt; in all 3 left out (3 mislabelled)" in error


def test_a_split_that_vanishes_row_by_row(table, capsys):
    (table.parent / "list.txt").write_text("a\nb\n")
    error = failure(capsys, table, "--label_list", f"word={table.parent / 'list.txt'}")
    assert "no clip is left of split 'val'" in error
    assert "row 3: word 'c' is not in the list" in error


def test_a_split_whose_rows_cannot_be_read(table, capsys):
    table.write_text(table.read_text().replace("c.wav,c,val", "c.wav,,Validation"))
    assert "no clip is left of split 'val'" in failure(capsys, table)


def test_a_split_whose_files_are_missing(table, capsys):
    (table.parent / "c.wav").unlink()
    assert "no clip of split 'val' can be used: row 3" in failure(capsys, table)


def test_all_files_are_missing_or_broken(table, capsys):
    (table.parent / "a.wav").unlink()
    (table.parent / "b.wav").write_bytes(b"x")
    (table.parent / "c.wav").write_bytes(b"")
    error = failure(capsys, table)
    assert "no clip of split 'train' can be used: row 1" in error
    assert "in all 2 left out (1 missing, 1 broken)" in error


def test_after_the_failure_another_try_succeeds(table, capsys):
    (table.parent / "list.txt").write_text("a\n")
    failure(capsys, table, "--label_list", f"word={table.parent / 'list.txt'}")
    assert main(["build", str(table), str(table.parent / "out"), *SETTINGS]) == 0


def test_a_rule_splits_what_is_left(table):
    listed = table.parent / "list.txt"
    listed.write_text("a\nb\n")
    settings = {"one_label": ["word"], "label_lists": {"word": listed}, "skip_bad": True, "num_workers": 1}
    settings |= {"split_rule": SplitRule("path"), "sample_rate_hz": 4000, "progress": False, "picture": False}
    report = build_shards(table, table.parent / "out", **settings)
    assert {split: len(shards) for split, shards in report.shard_sets.items()} == {"train": 1, "val": 1}
    listed.write_text("z\n")
    with pytest.raises(BuildError, match="nothing is left"):
        build_shards(table, table.parent / "other", **settings)


def test_parts_of_which_nothing_is_left_are_removed_by_merging(table, capsys):
    (table.parent / "c.wav").write_bytes(b"")
    out = table.parent / "out"
    for part in "01":
        assert main(["build", str(table), str(out), *SETTINGS, "--part", part, "--parts", "2"]) == 0
    assert main(["merge", str(out)]) == 2
    assert "no clip of split 'val' can be used: row 3" in " ".join(capsys.readouterr().err.split())
    assert sorted(path.name for path in table.parent.iterdir() if path.name.startswith("out")) == []
