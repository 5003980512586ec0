import numpy as np
import pandas
import pytest

from datamodules.manifests.label_lists import labels_of, read_label_list
from datamodules.manifests.manifest import ManifestError, read_manifest


def test_csv_cells_stay_text_and_defaults_hold(tmp_path, make_manifest):
    manifest = make_manifest(
        tmp_path / "m.csv",
        [
            {"path": "a/b c.wav", "word": "null", "tags": " x ; y;x;", "license": ""},
            {"path": "/abs/d.e.wav", "word": "007", "tags": "z", "license": "CC0"},
        ],
    )
    first, second = read_manifest(manifest, one_label=["word"], many_labels=["tags"])
    assert first.labels == {"word": ("null",), "tags": ("x", "y")}
    assert (first.row, first.split, first.start_s, first.end_s, first.midpoint_s) == (1, "train", None, None, None)
    assert (first.path, first.source) == (tmp_path / "a/b c.wav", "a/b c.wav")
    assert str(second.path) == "/abs/d.e.wav"
    assert second.labels["word"] == ("007",)
    assert first.key.startswith("a_b_c-")
    assert "." not in second.key
    assert labels_of([first, second], "word") == ("<null>", "007", "null")


def test_parquet_with_lists_and_numbers(tmp_path):
    path = tmp_path / "m.parquet"
    pandas.DataFrame(
        {
            "path": ["a.wav", "b.wav"],
            "start_s": [0.5, np.nan],
            "end_s": [1.5, np.nan],
            "midpoint_s": [np.nan, 2.0],
            "tags": [["x", "y"], ["z"]],
            "digit": [3, 4],
            "split": ["train", None],
            "key": ["one", "two"],
        }
    ).to_parquet(path)
    first, second = read_manifest(path, one_label=["digit"], many_labels=["tags"])
    assert (first.start_s, first.end_s, first.midpoint_s, first.key) == (0.5, 1.5, None, "one")
    assert (second.start_s, second.end_s, second.midpoint_s, second.split) == (None, None, 2.0, "train")
    assert first.labels == {"digit": ("3",), "tags": ("x", "y")}


def test_keys_depend_on_path_and_times_only(tmp_path, make_manifest):
    rows = [{"path": "a.wav", "start_s": start, "end_s": 9, "word": "w"} for start in (0, 1, 2)]
    keys = [entry.key for entry in read_manifest(make_manifest(tmp_path / "m.csv", rows), one_label=["word"])]
    assert len(set(keys)) == 3
    reordered = [{**row, "word": "v"} for row in rows[::-1]]
    entries = read_manifest(make_manifest(tmp_path / "n.csv", reordered), one_label=["word"])
    assert [entry.key for entry in entries] == keys[::-1]
    assert all(len(key) <= 80 for key in keys)


BAD_ROWS = [
    ({"path": "", "word": "w"}, "row 2: no path"),
    ({"path": "b.wav", "word": " "}, "row 2: no label in column 'word'"),
    ({"path": "b.wav", "word": "<null>"}, "row 2: label '<null>' in 'word' is reserved"),
    ({"path": "b.wav", "word": "w", "start_s": "x"}, "row 2: start_s must be a time in seconds.*'x'"),
    ({"path": "b.wav", "word": "w", "start_s": "-1"}, "row 2: start_s must be"),
    ({"path": "b.wav", "word": "w", "midpoint_s": "inf"}, "row 2: midpoint_s must be"),
    ({"path": "b.wav", "word": "w", "start_s": "2", "end_s": "2"}, "row 2: end_s must come after the start"),
    ({"path": "b.wav", "word": "w", "end_s": "1", "midpoint_s": "2"}, "row 2: midpoint_s must lie within"),
    ({"path": "b.wav", "word": "w", "key": "a.b"}, "row 2: key must be at most 80 letters"),
    ({"path": "b.wav", "word": "w", "key": "k" * 81}, "row 2: key must be"),
    ({"path": "b.wav", "word": "w", "split": "../x"}, "row 2: split must be"),
    ({"path": "a.wav", "word": "v"}, "row 2: key 'a-[0-9a-f]{12}' was used in row 1"),
]


@pytest.mark.parametrize(("row", "message"), BAD_ROWS)
def test_bad_rows_are_named(tmp_path, make_manifest, row, message):
    manifest = make_manifest(tmp_path / "m.csv", [{"path": "a.wav", "word": "w"}, row])
    with pytest.raises(ManifestError, match=message) as raised:
        read_manifest(manifest, one_label=["word"])
    assert str(manifest) in str(raised.value)


def test_bad_manifests(tmp_path, make_manifest):
    good = make_manifest(tmp_path / "m.csv", [{"path": "a.wav", "word": "w"}])
    with pytest.raises(ManifestError, match=r"no column 'wrod'; it has \['path', 'word'\]"):
        read_manifest(good, one_label=["wrod"])
    with pytest.raises(ManifestError, match="name at least one label column"):
        read_manifest(good)
    with pytest.raises(ManifestError, match="named twice"):
        read_manifest(good, one_label=["word"], many_labels=["word"])
    with pytest.raises(ManifestError, match=r"\['path'\] cannot be label columns"):
        read_manifest(good, one_label=["path"])
    with pytest.raises(ManifestError, match="no such manifest"):
        read_manifest(tmp_path / "gone.csv", one_label=["word"])
    (tmp_path / "rows.csv").write_text("path,word\n")
    with pytest.raises(ManifestError, match="has no rows"):
        read_manifest(tmp_path / "rows.csv", one_label=["word"])
    for name, content in [("empty.csv", ""), ("uneven.csv", "path,word\na,b\nc,d,e,f\n"), ("broken.parquet", "x")]:
        (tmp_path / name).write_text(content)
        with pytest.raises(ManifestError, match=f"{name}: not readable"):
            read_manifest(tmp_path / name, one_label=["word"])
    (tmp_path / "m.txt").write_text("path,word\na,b\n")
    with pytest.raises(ManifestError, match=r"is a \.csv or \.parquet"):
        read_manifest(tmp_path / "m.txt", one_label=["word"])


def test_label_lists(tmp_path):
    path = tmp_path / "labels.txt"
    path.write_text("dog\n\ncat\n")
    assert read_label_list(path) == ("<null>", "dog", "cat")
    path.write_text("dog\n<null>\ncat\n")
    assert read_label_list(path) == ("dog", "<null>", "cat")
    path.write_text("dog\ncat\ndog\n")
    with pytest.raises(ManifestError, match=r"\['dog'\] are listed twice"):
        read_label_list(path)
    path.write_text("\n")
    with pytest.raises(ManifestError, match="lists no label"):
        read_label_list(path)
    with pytest.raises(ManifestError, match="no readable list"):
        read_label_list(tmp_path / "gone.txt")
