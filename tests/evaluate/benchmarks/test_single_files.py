"""Names, units and responses in one file of MATLAB or NumPy, whose arrays can be named."""

import io

import numpy as np
import pytest
import soundfile
from scipy.io import savemat

from evaluate.__main__ import main
from evaluate.benchmarks import load_benchmark
from evaluate.benchmarks.problems import BenchmarkError
from evaluate.benchmarks.recordings.array_formats import open_arrays
from evaluate.benchmarks.recordings.array_tables import parse_names, stimuli_of, units_of

RESPONSES = np.random.default_rng(0).standard_normal((4, 3, 2))
NAMES = ["dog", "café", "a longer name", "x"]
UNITS = {"unit": ["u1", "u2", "u3"], "subject": "s", "region": "A1"}


def cells(texts):
    found = np.empty((len(texts), 1), dtype=object)
    found[:, 0] = texts
    return found


def npz(**arrays):
    """Texts are arrays of strings, structures are arrays with fields."""
    file = io.BytesIO()
    plain = {}
    for name, value in arrays.items():
        if isinstance(value, dict):
            fields = {key: np.asarray(column) for key, column in value.items()}
            rows = np.empty(3, dtype=[(key, column.dtype) for key, column in fields.items()])
            for key, column in fields.items():
                rows[key] = column
            plain[name] = rows
        else:
            plain[name] = np.asarray(value)
    np.savez(file, **plain)
    return file.getvalue()


def mat(*, do_compression=False, **arrays):
    """Lists of texts are cell arrays, dictionaries structures."""

    def of(value):
        if isinstance(value, dict):
            return {key: of(field) for key, field in value.items()}
        return cells(value) if isinstance(value, list) and isinstance(value[0], str) else value

    file = io.BytesIO()
    savemat(file, {name: of(value) for name, value in arrays.items()}, do_compression=do_compression)
    return file.getvalue()


def mat_compressed(**arrays):
    return mat(do_compression=True, **arrays)


def mat_7_3(**arrays):
    """As MATLAB writes it: classes in attributes, cells as references, axes reversed."""
    h5py = pytest.importorskip("h5py")
    file = io.BytesIO()
    with h5py.File(file, "w", userblock_size=512) as content:
        stored = content.create_group("#refs#")

        def write(group, name, value):
            if isinstance(value, dict):
                made = group.create_group(name)
                made.attrs["MATLAB_class"] = np.bytes_("struct")
                for key, field in value.items():
                    write(made, key, field)
            elif isinstance(value, str):
                group[name] = np.frombuffer(value.encode("utf-16-le"), "<u2")[:, None]
                group[name].attrs["MATLAB_class"] = np.bytes_("char")
            elif isinstance(value, list) and isinstance(value[0], str):
                references = []
                for text in value:
                    write(stored, f"r{len(stored)}", text)
                    references.append(stored[f"r{len(stored) - 1}"].ref)
                group.create_dataset(name, (1, len(value)), data=[references], dtype=h5py.ref_dtype)
                group[name].attrs["MATLAB_class"] = np.bytes_("cell")
            else:
                group[name] = np.transpose(value)
                group[name].attrs["MATLAB_class"] = np.bytes_("double")

        for name, value in arrays.items():
            write(content, name, value)
    return b"MATLAB 7.3 MAT-file".ljust(512) + file.getvalue()[512:]


FORMATS = pytest.mark.parametrize(
    ("write", "suffix"), [(npz, ".npz"), (mat, ".mat"), (mat_compressed, ".mat"), (mat_7_3, ".mat")]
)


def sounds(folder, names=NAMES):
    (folder / "stimuli").mkdir(parents=True)
    for number, name in enumerate(names):
        soundfile.write(folder / "stimuli" / f"{name}.wav", np.sin(np.arange(8000) * (0.1 + number)), 8000)


def convert(source, *more):
    return main(["convert", str(source), str(source.parent / "made.zip"), "--name", "mine", *more])


@FORMATS
def test_a_file_with_the_usual_names(tmp_path, write, suffix):
    sounds(tmp_path)
    units = {"unit": ["u1", "007", "u3"], "subject": ["s1", "s1", "s2"], "region": ["A1", "A1", "belt"]}
    (tmp_path / f"all{suffix}").write_bytes(write(responses=RESPONSES, names=NAMES, rate=3.0, **units))
    assert convert(tmp_path / f"all{suffix}") == 0
    made = load_benchmark(str(tmp_path / "made.zip"))
    assert made.stimulus_names == tuple(NAMES)
    assert made.units[["unit", "subject", "region"]].to_dict("list") == units
    np.testing.assert_array_equal(made.responses, RESPONSES)
    assert made.stimuli(8000, 800).shape == (4, 800)


@FORMATS
def test_a_file_whose_arrays_are_named(tmp_path, write, suffix):
    sounds(tmp_path / "elsewhere")
    content = {
        "betas": RESPONSES,
        "stim": NAMES,
        "kind": ["a", "b", "a", "b"],
        "voxel": np.array([[101.0], [7.0], [33.0]]),
        "who": ["ann"],
        "roi": ["A1", "A1", "belt"],
        "noise": np.zeros((4, 3)),
    }
    (tmp_path / f"all{suffix}").write_bytes(write(**content))
    names = ["betas", "name=stim", "category=kind", "unit=voxel", "subject=who", "region=roi"]
    more = ("--sounds", str(tmp_path / "elsewhere" / "stimuli"), "--variable", *names)
    assert convert(tmp_path / f"all{suffix}", *more) == 0
    made = load_benchmark(str(tmp_path / "made.zip"))
    assert made.units["unit"].tolist() == ["101", "7", "33"]
    assert made.units["subject"].tolist() == ["ann"] * 3
    assert made.units["region"].tolist() == ["A1", "A1", "belt"]
    assert made.categories == ("a", "b", "a", "b")
    np.testing.assert_array_equal(made.responses, RESPONSES)


@FORMATS
def test_units_in_a_structure(write, suffix):
    units = {"unit": np.arange(3), "subject": ["s1", "s1", "s2"], "area": ["A1", "A1", "belt"]}
    arrays = open_arrays(write(responses=RESPONSES, units=units), f"r{suffix}")
    table = units_of(arrays, {"region": "units.area"}, "r")
    assert table.to_dict("list") == {
        "unit": ["0", "1", "2"], "subject": ["s1", "s1", "s2"], "region": ["A1", "A1", "belt"]
    }  # fmt: skip
    assert [name for name, each in arrays.items() if each.is_number] == ["responses", "units.unit"]


@pytest.mark.parametrize("rows", [np.array(["ab ", "cde"]), np.array(["ab", "cde"], dtype="S3"), ["ab", "cde"]])
def test_rows_of_characters(rows):
    writers = (
        [(npz, ".npz")] if not isinstance(rows, list) and rows.dtype.kind == "S" else [(npz, ".npz"), (mat, ".mat")]
    )
    for write, suffix in writers:
        table = stimuli_of(open_arrays(write(name=rows), f"r{suffix}"), {}, "r")
        assert table["name"].tolist() == ["ab", "cde"]


def test_rows_of_characters_of_7_3():
    h5py = pytest.importorskip("h5py")
    file = io.BytesIO()
    with h5py.File(file, "w") as content:
        content["name"] = np.array([[97, 99], [98, 100], [32, 101]], dtype="u2")  # reversed: "ab ", "cde"
        content["name"].attrs["MATLAB_class"] = np.bytes_("char")
        content["responses"] = RESPONSES.T
        content["text"] = ["one", "é"]
    arrays = open_arrays(file.getvalue(), "r.mat")
    assert stimuli_of(arrays, {}, "r")["name"].tolist() == ["ab", "cde"]
    assert stimuli_of(arrays, {"name": "text"}, "r")["name"].tolist() == ["one", "é"]
    assert [name for name, each in arrays.items() if each.is_number] == ["responses"]


def test_tables_come_before_arrays(tmp_path):
    sounds(tmp_path)
    (tmp_path / "responses.mat").write_bytes(mat(responses=RESPONSES, names=["not", "these", "at", "all"], **UNITS))
    (tmp_path / "stimuli.csv").write_text("\n".join(("name", *NAMES)))
    assert convert(tmp_path / "responses.mat") == 0
    assert load_benchmark(str(tmp_path / "made.zip")).stimulus_names == tuple(NAMES)


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        ({"names": NAMES, **UNITS}, (), "lacks the array 'responses'; it has no arrays of numbers"),
        (
            {"responses": RESPONSES, **UNITS},
            (),
            "lacks the array 'name'; it has 'responses', 'unit', 'sub",
        ),
        ({"responses": RESPONSES, "names": NAMES}, ("region=roi",), "lacks the array 'unit'"),
        ({"responses": RESPONSES, "names": NAMES, "unit": [1, 2, 3], "subject": "s"}, ("region=roi",), "array 'roi'"),
        (
            {"responses": RESPONSES, "names": NAMES, "unit": [1, 2], "subject": "s", "region": ["a", "b", "c"]},
            (),
            "there are 2 values of unit, but 3 of region",
        ),
        (
            {"responses": RESPONSES, "names": [0.5, 1, 2, 3], **UNITS},
            (),
            "names, entry 1: expected a name or a whole number",
        ),
        ({"responses": RESPONSES, "names": NAMES}, ("x=y",), "--variable: expected NAME, or PART=NAME with one of"),
        ({"responses": RESPONSES, "names": NAMES}, ("a", "responses=b"), "two arrays are named for responses"),
    ],
)
def test_what_is_missing_or_wrong_is_one_line(tmp_path, capsys, content, options, message):
    sounds(tmp_path)
    (tmp_path / "all.mat").write_bytes(mat(**content))
    assert convert(tmp_path / "all.mat", *(("--variable", *options) if options else ())) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "made.zip").exists()


def test_a_whole_benchmark_takes_no_names(tmp_path, capsys):
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "benchmark.json").write_text('{"name": "b"}')
    assert convert(tmp_path / "b", "--variable", "x") == 2
    assert "--variable names arrays in a .npz or .mat file" in capsys.readouterr().err


def test_names_of_parts():
    assert parse_names(["betas", "unit=units.id"]) == {"responses": "betas", "unit": "units.id"}
    with pytest.raises(BenchmarkError, match="got 'unit='"):
        parse_names(["unit="])


def test_files_of_arrays_that_are_no_benchmark_say_what_to_do(tmp_path, capsys):
    (tmp_path / "a.mat").write_bytes(mat(responses=RESPONSES))
    assert main(["check", str(tmp_path / "a.mat")]) == 1
    assert "DESTINATION --name NAME --sounds FOLDER` makes a benchmark of arrays" in capsys.readouterr().out
    (tmp_path / "a.h5").touch()
    assert main(["convert", str(tmp_path / "a.h5"), str(tmp_path / "o"), "--name", "x", "--sounds", str(tmp_path)]) == 2
    error = " ".join(capsys.readouterr().err.split())
    assert "expected a folder with separate parts, or a table, .mat or .npz file" in error


def test_sounds_that_cannot_be_used_are_named(tmp_path, capsys):
    for name in NAMES:
        soundfile.write(tmp_path / f"{name}.wav", 0.1 * RESPONSES.ravel(), 8000)
    (tmp_path / "x.wav").write_bytes((tmp_path / "x.wav").read_bytes()[:60])
    (tmp_path / "r.npz").write_bytes(npz(responses=RESPONSES, name=NAMES, units=UNITS))
    command = ["convert", str(tmp_path / "r.npz"), str(tmp_path / "o.zip"), "--name", "m", "--sounds", str(tmp_path)]
    assert main(command) == 1
    assert "1 sound cannot be used" in capsys.readouterr().out
