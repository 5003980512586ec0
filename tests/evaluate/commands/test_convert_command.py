"""`python -m evaluate convert`: the release and loose files, as a folder or a ZIP file."""

import os
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from evaluate.benchmarks import load_benchmark
from evaluate.benchmarks.recordings.writer import write_recordings
from tests.helpers.evaluate_command import run


@pytest.mark.parametrize("name", ["NH2015", "B2021", "NH2015comp"])
@pytest.mark.parametrize("target", ["folder", "file.zip"])
def test_convert_the_release(release, tmp_path, name, target):
    assert run("convert", f"{release}:{name}", tmp_path / target) == 0
    one, two = load_benchmark(f"{release}:{name}"), load_benchmark(tmp_path / target)
    np.testing.assert_array_equal(one.responses, two.responses)
    assert one.stimulus_names == two.stimulus_names
    assert one.categories == two.categories
    assert (one.name, one.version, one.citation) == (two.name, two.version, two.citation)
    assert (one.unit_kind, one.unit_word, one.noise_corrected) == (two.unit_kind, two.unit_word, two.noise_corrected)
    assert one.units.to_csv() == two.units.to_csv()
    assert one.content_hash() == two.content_hash()
    assert one.stimuli_fingerprint(20_000, 4000) == two.stimuli_fingerprint(20_000, 4000)


def test_units_are_called_what_they_are(release, tmp_path, capsys):
    for name, given, word in (
        ("NH2015", (), "10 voxels of"),
        ("NH2015", ("--unit_name", "neuron"), "10 neurons of"),
        ("NH2015comp", (), "components of"),
    ):
        target = tmp_path / f"{word}.zip"
        assert run("convert", f"{release}:{name}", target, *given) == 0
        capsys.readouterr()
        run("check", target)
        assert word in " ".join(capsys.readouterr().out.split())
    one = load_benchmark(f"{release}:NH2015")
    assert replace(one, unit_name="").unit_word == "unit"


@pytest.fixture
def parts(tmp_path) -> Path:
    """Loose files: responses in rows, in no order, with gaps."""
    folder = tmp_path / "parts"
    (folder / "wavs").mkdir(parents=True)
    generator = np.random.default_rng(0)
    for name in ("a", "b", "c"):
        soundfile.write(folder / "wavs" / f"{name}.wav", 0.1 * generator.standard_normal(800), 8000)
    (folder / "stimuli.csv").write_text("name\na\nb\nc\n")
    (folder / "units.csv").write_text("unit,subject,region,x_mm\n1,s1,A,0.5\n2,s1,B,1\n1,s2,A,2\n")
    rows = [
        (stimulus, subject, unit, repetition, 100 * i + 10 * j + repetition)
        for i, stimulus in enumerate("abc")
        for j, (subject, unit) in enumerate((("s1", 1), ("s1", 2), ("s2", 1)))
        for repetition in (1, 2)
        if (i, j, repetition) != (1, 2, 1)
    ]
    table = pd.DataFrame(rows, columns=["stimulus", "subject", "unit", "repetition", "response"])
    table.sample(frac=1, random_state=0).to_csv(folder / "responses.csv", index=False)
    return folder


def convert_parts(parts, destination, *more):
    return run("convert", parts, destination, "--sounds", parts / "wavs", "--name", "mine", *more)


def test_convert_loose_rows(parts, tmp_path):
    assert convert_parts(parts, tmp_path / "done.zip", "--version", "7", "--citation", "Us") == 0
    benchmark = load_benchmark(tmp_path / "done.zip")
    assert (benchmark.name, benchmark.version, benchmark.citation) == ("mine", "7", "Us")
    assert benchmark.noise_corrected
    assert benchmark.num_missing == 1
    assert list(benchmark.units["x_mm"]) == [0.5, 1, 2]
    values = np.sort(benchmark.responses, axis=2)
    np.testing.assert_array_equal(values[2, 1], [211, 212])
    np.testing.assert_array_equal(values[1, 2], [122, np.nan])
    np.testing.assert_array_equal(values[:, 0, 0], [1, 101, 201])


def test_convert_rows_without_repetitions(parts, tmp_path):
    table = pd.read_csv(parts / "responses.csv").drop(columns="repetition")
    table.to_csv(parts / "responses.csv", index=False)
    assert convert_parts(parts, tmp_path / "done", "--noise_corrected", "false") == 0
    benchmark = load_benchmark(tmp_path / "done")
    assert benchmark.responses.shape == (3, 3, 2)
    assert not benchmark.noise_corrected
    np.testing.assert_array_equal(np.sort(benchmark.responses[2, 1]), [211, 212])


def test_convert_one_table_that_holds_stimuli_and_units(parts, tmp_path, capsys):
    units = pd.read_csv(parts / "units.csv")
    rows = pd.read_csv(parts / "responses.csv").merge(units, on=["subject", "unit"])
    rows["category"] = rows["stimulus"].map({"a": "x", "b": "y", "c": "x"})
    for name in ("units.csv", "stimuli.csv", "responses.csv"):
        (parts / name).unlink()
    table = tmp_path / "long table.csv"
    words = [tmp_path / "done", "--name", "mine", "--sounds", parts / "wavs"]
    spoiled = {
        "row and 'B' in another": rows.assign(region=["A"] + ["B"] * (len(rows) - 1)),
        "lacks the column 'region' and": rows.drop(columns="region"),
        "has the category": rows.assign(category=[*"xy"] * 8 + ["x"]),
    }
    for message, wrong in spoiled.items():
        wrong.to_csv(table, index=False)
        assert run("convert", table, *words) == 2
        assert message in capsys.readouterr().err
    rows.to_csv(table, index=False)
    assert run("convert", table, *words, "--units", tmp_path / "no.csv") == 2
    assert run("convert", table, *words) == 0
    benchmark = load_benchmark(tmp_path / "done")
    found = benchmark.units.set_index(["subject", "unit"])["region"].to_dict()
    assert found == {("s1", "1"): "A", ("s1", "2"): "B", ("s2", "1"): "A"}
    assert dict(zip(benchmark.stimulus_names, benchmark.categories, strict=True)) == {"a": "x", "b": "y", "c": "x"}
    assert benchmark.num_missing == 1


def test_names_with_the_suffix_of_their_file_keep_one(parts, tmp_path):
    (parts / "stimuli.csv").write_text("name\na.wav\nb.WAV\nc\n")
    rows = pd.read_csv(parts / "responses.csv").replace({"stimulus": {"a": "a.wav", "b": "b.WAV"}})
    rows.to_csv(parts / "responses.csv", index=False)
    assert convert_parts(parts, tmp_path / "done") == 0
    assert sorted(path.name for path in (tmp_path / "done/stimuli").iterdir()) == ["a.wav", "b.WAV", "c.wav"]
    assert load_benchmark(tmp_path / "done").stimuli(8000, 800).shape == (3, 800)


def test_convert_an_array(parts, tmp_path):
    (parts / "responses.csv").unlink()
    responses = np.random.default_rng(0).standard_normal((3, 3, 2))
    responses[0, 1] = np.nan
    np.save(parts / "responses.npy", responses)
    assert convert_parts(parts, tmp_path / "done") == 2
    assert not (tmp_path / "done").exists()
    assert convert_parts(parts, tmp_path / "done", "--drop_incomplete", "true") == 0
    np.testing.assert_array_equal(load_benchmark(tmp_path / "done").responses, responses[:, [0, 2]])


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda t: t.assign(stimulus="d"), "1 stimulus name is not in the table: 'd'"),
        (lambda t: t.assign(unit=9), "1 unit name is not in the table: '9'"),
        (lambda t: t.assign(repetition=1), "responses occur twice; the first is that of unit"),
        (lambda t: t.assign(response="loud"), "column 'response' holds values that are no numbers"),
        (lambda t: t.drop(columns="subject"), "lacks the column 'subject'"),
        (lambda t: t[t["stimulus"] != "c"], "3 of 3 units have stimuli without any response"),
    ],
)
def test_bad_rows(parts, tmp_path, capsys, spoil, message):
    spoil(pd.read_csv(parts / "responses.csv")).to_csv(parts / "responses.csv", index=False)
    assert convert_parts(parts, tmp_path / "done") == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "done").exists()


def test_convert_requests_that_cannot_be(parts, release, tmp_path, capsys):
    cases = [
        (["convert", parts, tmp_path / "done"], "--name NAME"),
        (["convert", f"{release}:NH2015", parts], "exists already"),
        (["convert", tmp_path / "nowhere", tmp_path / "done"], "no such name or path"),
        (["convert", parts, tmp_path / "done", "--name", "a", "--units", tmp_path / "no.csv"], "no.csv does not exist"),
    ]
    for arguments, message in cases:
        assert run(*arguments) == 2
        error = capsys.readouterr().err
        assert message in error
        assert len(error.strip().splitlines()) == 1
    assert not (tmp_path / "done").exists()


def test_convert_changes_what_is_asked(release, tmp_path):
    words = ["--name", "other", "--version", "2", "--noise_corrected", "false"]
    assert run("convert", f"{release}:NH2015", tmp_path / "one", *words) == 0
    assert run("convert", tmp_path / "one", tmp_path / "two.zip", "--citation", "Them") == 0
    benchmark = load_benchmark(tmp_path / "two.zip")
    assert (benchmark.name, benchmark.version, benchmark.citation) == ("other", "2", "Them")
    assert not benchmark.noise_corrected


def test_convert_killed_leaves_no_destination(release, tmp_path):
    """Killed in the middle of writing, by a signal that cannot be handled."""

    def die(num_done, _):
        if num_done == 5:
            os.kill(os.getpid(), signal.SIGKILL)

    benchmark = load_benchmark(f"{release}:NH2015")
    for target in ("done", "done.zip"):
        child = os.fork()
        if child == 0:
            write_recordings(benchmark, tmp_path / target, progress=die)
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
        assert not (tmp_path / target).exists()
        assert run("convert", f"{release}:NH2015", tmp_path / target) == 0


def test_help(capsys):
    with pytest.raises(SystemExit):
        run("convert", "--help")
    assert "cochlearn evaluate convert" in capsys.readouterr().out
