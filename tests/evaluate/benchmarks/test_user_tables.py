"""Tables of recordings and probes as users have them: encodings, missing values, rows of another length."""

import unicodedata

import numpy as np
import pytest
import soundfile

from evaluate.benchmarks.inspection import inspect_benchmark
from evaluate.benchmarks.problems import BenchmarkError
from evaluate.benchmarks.recordings.csv_files import parse_csv
from evaluate.benchmarks.recordings.loose_parts import benchmark_from_parts
from evaluate.benchmarks.recordings.recordings import Metadata, recordings_benchmark
from evaluate.benchmarks.sound_files import match_names
from evaluate.probe.labelled_sounds import LabelledSoundsError, find_labelled_sounds

NFC, NFD = (unicodedata.normalize(form, "café") for form in ("NFC", "NFD"))


@pytest.fixture
def parts(tmp_path):
    rng = np.random.default_rng(0)
    (tmp_path / "stimuli").mkdir()
    for name in "abcd":
        soundfile.write(tmp_path / "stimuli" / f"{name}.wav", 0.1 * rng.standard_normal(8000), 8000)
    (tmp_path / "stimuli.csv").write_text("name\na\nb\nc\nd\n")
    (tmp_path / "units.csv").write_text("unit,subject,region\nu0,s0,NA\n007,s0,A\n")
    return tmp_path


def write_responses(folder, value, *, name="responses.csv", encoding="utf-8"):
    lines = ["stimulus,subject,unit,response,repetition"]
    for number, stimulus in enumerate("abcd"):
        for unit in ("u0", "007"):
            for repetition in range(2):
                is_changed = (stimulus, unit, repetition) == ("c", "007", 1)
                response = value if is_changed else f"{number + repetition}.5"
                lines.append(f"{stimulus},s0,{unit},{response},{repetition}")
    text = "\r\n".join(lines) + "\r\n"
    (folder / name).write_bytes(text.replace(",", "\t" if name.endswith(".tsv") else ",").encode(encoding))
    return folder / name


def load(folder, responses):
    return benchmark_from_parts(
        Metadata("mine"),
        responses=responses,
        units=folder / "units.csv",
        stimuli=folder / "stimuli.csv",
        sounds=folder / "stimuli",
    )


@pytest.mark.parametrize("value", ["", "NA", "NaN", "nan", "n/a", "NULL", " NA"])
def test_marks_of_missing_responses_are_missing_repetitions(parts, value):
    benchmark = load(parts, write_responses(parts, value))
    assert benchmark.responses.shape == (4, 2, 2)
    assert np.argwhere(np.isnan(benchmark.responses)).tolist() == [[2, 1, 1]]
    assert benchmark.units["unit"].tolist() == ["u0", "007"]
    assert benchmark.units["region"].tolist() == ["NA", "A"]


@pytest.mark.parametrize("value", ["missing", "0;5", "-", "1.2.3"])
def test_what_is_no_number_is_named_with_its_row(parts, value):
    with pytest.raises(BenchmarkError, match=rf"responses\.csv, row 12: the column 'response'.*'{value}'"):
        load(parts, write_responses(parts, value))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("name", ["responses.csv", "responses.tsv"])
def test_tables_of_spreadsheets(parts, name, encoding):
    assert load(parts, write_responses(parts, "1", name=name, encoding=encoding)).num_repetitions == 2


@pytest.mark.parametrize("row", ["u1,s0,A,1,extra", "u1,s0,A", 'u1,"s0,A,1'])
def test_rows_that_do_not_fit_the_header_of_the_units_are_refused(parts, row):
    (parts / "units.csv").write_text(f"unit,subject,region,depth\nu0,s0,A,1\n{row}\n")
    np.save(parts / "responses.npy", np.random.default_rng(0).standard_normal((4, 2, 2)))
    (parts / "benchmark.json").write_bytes(b'\xef\xbb\xbf{"name": "mine"}')
    with pytest.raises(BenchmarkError, match=r"units\.csv cannot be read as a table: row 2"):
        recordings_benchmark(parts)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
@pytest.mark.parametrize(("name", "text"), [("benchmark.json", '{"name": "Übung"}'), ("benchmark.yaml", "name: Übung")])
def test_metadata_with_a_mark(parts, name, text, encoding):
    np.save(parts / "responses.npy", np.random.default_rng(0).standard_normal((4, 2, 2)))
    (parts / name).write_bytes(text.encode(encoding))
    assert recordings_benchmark(parts).name == "Übung"
    (parts / name).write_bytes(text.encode("cp1252"))
    with pytest.raises(BenchmarkError, match=rf"{name} cannot be read: expected text in UTF-8"):
        recordings_benchmark(parts)


def test_names_in_tables_match_in_either_form(parts):
    (parts / "units.csv").write_text(f"unit,subject,region\nu0,{NFC},A\n007,s0,A\n")
    text = write_responses(parts, "1").read_text().replace("s0,u0", f"{NFD},u0")
    (parts / "responses.csv").write_text(text)
    assert load(parts, parts / "responses.csv").subjects == (NFC, "s0")


def test_numbers_with_missing_values_are_numbers_and_texts_stay():
    content = b"unit,depth,note\na,1.5,NA\nb,NA,x\nc,,\n"
    table = parse_csv(content, "units.csv", ("unit",), ("unit",))
    assert table["depth"].tolist()[0] == 1.5
    assert table["depth"].isna().tolist() == [False, True, True]
    assert table["note"].tolist() == ["NA", "x", ""]


def test_probe_tables(tmp_path):
    for number, form in enumerate((NFC, NFD)):
        soundfile.write(tmp_path / f"{number}{form}.wav", 0.1 * np.ones(800), 8000)
    table = tmp_path / "sounds.csv"
    rows = f"path,label\n0{NFD}.wav,{NFD}\n1{NFC}.wav,{NFC}\n0{NFC}.wav,dog\n"
    for encoding in ("utf-8-sig", "utf-16"):
        table.write_bytes(rows.encode(encoding))
        assert find_labelled_sounds(table).labels == (NFC, NFC, "dog")
    for content, message in (
        (b"path,label\na.wav,dog,loud\n", "row 1: has 3 cells"),
        (b"path,label\na.wav\n", "row 1: has 1 cell"),
        ("path,label\na.wav,café\n".encode("cp1252"), "expected text in UTF-8"),
    ):
        table.write_bytes(content)
        with pytest.raises(LabelledSoundsError, match=rf"sounds\.csv: not a CSV table \({message}"):
            find_labelled_sounds(table)


def test_tables_of_a_probe_with_splits_or_other_separators(tmp_path):
    rows = "".join(f"{i}.wav,{'ab'[i % 2]},{'train' if i < 4 else 'test'}\n" for i in range(6))
    for i in range(6):
        (tmp_path / f"{i}.wav").touch()
    (tmp_path / "s.csv").write_text(f"path,label,split\n{rows}")
    with pytest.raises(LabelledSoundsError, match="has a column 'split', but the probe draws its own folds"):
        find_labelled_sounds(tmp_path / "s.csv")
    (tmp_path / "s.csv").write_text(f"path,label,split\n{rows}".replace("test", "train"))
    assert len(find_labelled_sounds(tmp_path / "s.csv").paths) == 6
    (tmp_path / "s.csv").write_text("path;label\n0.wav;a\n")
    with pytest.raises(LabelledSoundsError, match="its columns seem to be separated by ';'"):
        find_labelled_sounds(tmp_path / "s.csv")


@pytest.mark.parametrize("value", ["1_000", "\uff11"])
def test_numbers_that_python_alone_takes_are_named_with_their_row(parts, value):
    with pytest.raises(BenchmarkError, match=rf"row 12: the column 'response' holds .* such as '{value}'"):
        load(parts, write_responses(parts, value))


def test_stimuli_without_a_category_are_refused_and_missing_values_remarked(parts):
    responses = write_responses(parts, "1")
    (parts / "stimuli.csv").write_text("name,category\na,x\nb,\nc,x\nd,y\n")
    with pytest.raises(BenchmarkError, match="1 stimuli have no category, first in row 2; give each stimulus one"):
        load(parts, responses)
    (parts / "stimuli.csv").write_text("name,category\na,x\nb,n/a\nc,x\nd,y\n")
    remarks = inspect_benchmark(load(parts, responses)).remarks
    assert "1 row has the region 'NA', first row 1: most likely a missing value" in remarks
    assert "1 row has the category 'n/a', first row 2: most likely a missing value" in remarks


def test_units_that_all_are_incomplete_are_not_all_dropped(parts):
    np.save(parts / "responses.npy", np.where(np.arange(4)[:, None] == 2, np.nan, np.ones((4, 2))))
    files = {name: parts / f"{name}.csv" for name in ("units", "stimuli")}
    with pytest.raises(BenchmarkError, match="all 2 units have stimuli without any response, so that none is left"):
        benchmark_from_parts(
            Metadata("mine"),
            responses=parts / "responses.npy",
            **files,
            sounds=parts / "stimuli",
            drop_incomplete=True,
        )


def test_links_without_their_file_and_formats_that_are_not_read_are_named(parts):
    responses = write_responses(parts, "1")
    (parts / "stimuli" / "b.wav").unlink()
    with pytest.raises(BenchmarkError, match=r"'b'; not read are 'b\.m4a': M4A.* need ffmpeg"):
        match_names("abcd", ["a.wav", "b.m4a", "c.wav", "d.wav"], "folder")
    (parts / "stimuli" / "b.wav").symlink_to("../annex/b.wav")
    (problem,) = inspect_benchmark(load(parts, responses)).problems
    assert problem.endswith("b.wav: a link to ../annex/b.wav, which is missing; get the file first")
    responses.unlink()
    responses.symlink_to("../annex/r.csv")
    with pytest.raises(BenchmarkError, match=r"responses\.csv: a link to \.\./annex/r\.csv, which is missing"):
        load(parts, responses)
