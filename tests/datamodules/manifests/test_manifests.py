import unicodedata

import numpy as np
import pandas
import pytest

from datamodules.manifests.label_lists import labels_of, read_label_list
from datamodules.manifests.manifest import ManifestError, read_manifest
from datamodules.manifests.splitting import SplitRule, split_entries, warn_of_split_folders


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
    assert [dict(entry.labels) for entry in read_manifest(good)] == [{}]
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
        with pytest.raises(ManifestError, match=f"{name} cannot be read"):
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
    with pytest.raises(ManifestError, match="cannot be read as a list"):
        read_label_list(tmp_path / "gone.txt")


NFC, NFD = (unicodedata.normalize(form, "café") for form in ("NFC", "NFD"))


def write_table(path, text, encoding="utf-8"):
    path.write_bytes(text.encode(encoding))
    return path


def test_labels_that_look_the_same_are_one_class(tmp_path):
    text = f"path,word,tags,speaker\na.wav,{NFC},x;{NFD},{NFD}\nb.wav,{NFD},{NFC},{NFC}\n"
    table = write_table(tmp_path / "m.csv", text)
    entries = read_manifest(table, one_label=["word"], many_labels=["tags"], group_column="speaker")
    assert labels_of(entries, "word") == ("<null>", NFC)
    assert labels_of(entries, "tags") == ("<null>", NFC, "x")
    assert {entry.group for entry in entries} == {NFC}
    pandas.DataFrame({"path": ["a.wav"], "tags": [[NFD, "a;b", NFC]]}).to_parquet(tmp_path / "m.parquet")
    (entry,) = read_manifest(tmp_path / "m.parquet", many_labels=["tags"])
    assert entry.labels["tags"] == (NFC, "a;b")
    assert read_label_list(write_table(tmp_path / "list.txt", f"{NFD}\nx\n")) == ("<null>", NFC, "x")


@pytest.mark.parametrize(("on_disk", "written"), [(NFC, NFD), (NFD, NFC)])
def test_sounds_are_found_in_either_form(tmp_path, on_disk, written, make_sound):
    make_sound(tmp_path / on_disk / f"{on_disk}.wav", seed=0)
    table = write_table(tmp_path / "m.csv", f"path,word\n{written}/{written}.wav,a\n")
    assert read_manifest(table, one_label=["word"])[0].path.is_file()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize(("suffix", "separator"), [(".csv", ","), (".tsv", "\t")])
def test_tables_and_lists_of_spreadsheets(tmp_path, encoding, suffix, separator):
    text = 'path,word\r\n"a.wav",Übung\r\nb.wav,"x"\r\n'.replace(",", separator)
    table = write_table(tmp_path / f"m{suffix}", text, encoding)
    assert [entry.labels["word"] for entry in read_manifest(table, one_label=["word"])] == [("Übung",), ("x",)]
    path = write_table(tmp_path / "list.txt", "<null>\r\nÜbung\r\n\r\nx\r\n", encoding)
    assert read_label_list(path) == ("<null>", "Übung", "x")


def test_other_encodings_are_refused(tmp_path):
    table = write_table(tmp_path / "m.csv", "path,word\na.wav,café\n", "cp1252")
    with pytest.raises(ManifestError, match=r"m\.csv cannot be read as a manifest \(expected text in UTF-8.*line 2"):
        read_manifest(table, one_label=["word"])
    path = write_table(tmp_path / "list.txt", "river\ncafé\n", "latin-1")
    with pytest.raises(ManifestError, match=r"list\.txt: expected text in UTF-8.*0xe9 in line 2"):
        read_label_list(path)


@pytest.mark.parametrize("row", ["b.wav,well, then,ann", "b.wav,well,ann,", "b.wav,well", "b.wav,river,ann,,"])
def test_a_row_of_another_length_than_the_header_is_an_error(tmp_path, row):
    table = write_table(tmp_path / "m.csv", f"path,word,speaker\na.wav,x,bob\n{row}\n")
    with pytest.raises(ManifestError, match=r"m\.csv cannot be read as a manifest \(row 2: has \d cells"):
        read_manifest(table, one_label=["word", "speaker"])


@pytest.mark.parametrize("mark", ["NA", "NaN", "n/a", ""])
def test_missing_times_are_missing_and_labels_of_that_name_are_labels(tmp_path, mark):
    table = write_table(tmp_path / "m.csv", f"path,start_s,end_s,midpoint_s,word\na.wav,{mark},2.5,{mark},NA\n")
    (entry,) = read_manifest(table, one_label=["word"])
    assert (entry.start_s, entry.end_s, entry.midpoint_s) == (None, 2.5, None)
    assert entry.labels["word"] == ("NA",)


@pytest.mark.parametrize("cell", ["a,b,c", "a|b", "a\tb", "rain, light"])
def test_labels_with_another_separator_are_refused_and_read_when_it_is_given(tmp_path, make_manifest, cell, caplog):
    table = make_manifest(tmp_path / "m.csv", [{"path": "1.wav", "tags": "a"}, {"path": "2.wav", "tags": cell}])
    other = next(mark for mark in ",|\t" if mark in cell)
    option = repr(other).replace("|", r"\|").replace("\\t", r"\\t")
    with pytest.raises(ManifestError, match=rf"column 'tags'.*';', which never occurs.*--label_separator {option}"):
        read_manifest(table, many_labels=["tags"])
    assert not caplog.records
    (_, given) = read_manifest(table, many_labels=["tags"], label_separator=other)
    assert given.labels["tags"] == tuple(part.strip() for part in cell.split(other))
    (_, one) = read_manifest(table, many_labels=["tags"], label_separator=";")
    assert one.labels["tags"] == (cell,)
    assert "is the separator" in caplog.text


def test_names_with_commas_are_labels_where_the_separator_occurs(tmp_path, make_manifest, caplog):
    rows = [
        {"path": "1.wav", "tags": "Domestic animals, pets"},
        {"path": "2.wav", "tags": "Domestic animals, pets;Dog"},
    ]
    first, _ = read_manifest(make_manifest(tmp_path / "m.csv", rows), many_labels=["tags"])
    assert first.labels["tags"] == ("Domestic animals, pets",)
    assert not caplog.records


def test_another_separator_of_columns_is_told(tmp_path):
    with pytest.raises(ManifestError, match=r"no column 'path', 'word'.*separated by ';'"):
        read_manifest(write_table(tmp_path / "m.csv", "path;word\na.wav;x\n"), one_label=["word"])


def test_labels_that_mark_missing_values_are_a_warning(tmp_path, caplog):
    table = write_table(tmp_path / "m.csv", "path,word\na.wav,x\nb.wav,NA\nc.wav,null\nd.wav,n/a\n")
    assert [entry.labels["word"] for entry in read_manifest(table, one_label=["word"])][1] == ("NA",)
    (line,) = caplog.messages
    assert "2 labels in column 'word', most likely for missing values, first 'NA' in row 2" in line
    caplog.clear()
    table = write_table(tmp_path / "m.csv", "path,word,speaker\na.wav,x,NA\nb.wav,x,ann\n")
    read_manifest(table, one_label=["word"], group_column="speaker")
    assert "1 label in column 'speaker', most likely for missing values" in caplog.text


def test_a_missing_split_is_refused(tmp_path):
    table = write_table(tmp_path / "m.csv", "path,split,word\na.wav,,x\nb.wav,NA,y\n")
    with pytest.raises(ManifestError, match=r"row 2: split is missing \('NA'\); name it, or leave the cell empty"):
        read_manifest(table, one_label=["word"])


@pytest.mark.parametrize(
    ("folders", "named"), [(("train", "test"), "test, train"), (("Train", "dev-clean"), "Train, dev-clean")]
)
def test_folders_of_splits_without_a_column_are_a_warning(tmp_path, caplog, folders, named):
    rows = "".join(f"speech/{folder}/{i}.wav,w\n" for folder in folders for i in range(2))
    table = write_table(tmp_path / "m.csv", f"path,word\n{rows}")
    warn_of_split_folders(table, read_manifest(table, one_label=["word"]), tmp_path)
    (line,) = caplog.messages
    assert f"all rows are for train, although their sounds are in folders named {named}; a column `split`" in line
    caplog.clear()
    split = write_table(tmp_path / "m.csv", "path,split,word\ntrain/1.wav,train,w\ntest/1.wav,test,w\n")
    warn_of_split_folders(split, read_manifest(split, one_label=["word"]), tmp_path)
    vehicles = write_table(tmp_path / "v.csv", "path,word\ntrain/1.wav,train\ncar/1.wav,car\n")
    warn_of_split_folders(vehicles, read_manifest(vehicles, one_label=["word"]), tmp_path)
    assert caplog.messages == []


def test_each_class_gives_its_share_for_validation(tmp_path):
    rows = [
        f"{word}{number}.wav,{word}" for word, times in {"a": 12, "b": 4, "c": 1}.items() for number in range(times)
    ]

    def val_of(lines, seed=0, **changes):
        table = write_table(tmp_path / "m.csv", "\n".join(["path,word", *lines, ""]))
        rule = SplitRule(**{"by": "path", "val_fraction": 0.25, "stratify_by": "word"} | changes)
        entries = split_entries(read_manifest(table, one_label=["word"]), rule, seed=seed, folder=tmp_path)
        return {entry.source for entry in entries if entry.split == "val"}

    drawn = val_of(rows)
    assert sorted(source[0] for source in drawn) == ["a", "a", "a", "b"]  # the only sound of c is for training
    assert val_of(rows[::-1]) == drawn
    assert val_of(rows, seed=1) != drawn
    assert len(val_of(rows, stratify_by=None)) == 4
    with pytest.raises(ManifestError, match=r"stratify_by must be a label column \(word\), got 'wrd'"):
        val_of(rows, stratify_by="wrd")
    with pytest.raises(ManifestError, match="none has two or more to draw from"):
        val_of(["a1.wav,a", "b1.wav,b"])
    with pytest.raises(ManifestError, match=r"stratify_by \(word\) is for a split that is drawn"):
        val_of(rows, by="given")
