"""`python -m evaluate check`: what is in a benchmark, and every problem of one."""

import os
import shlex
import shutil

import numpy as np
import pytest

from tests.helpers.evaluate_command import run
from tests.helpers.release_layout import NAMES


def test_check_says_what_is_there(release, capsys):
    assert run("check", f"{release}:NH2015", f"{release}:NH2015comp") == 0
    shown = capsys.readouterr().out
    assert "NH2015, version 1: 8 stimuli, 10 voxels of 2 subjects, 3 repetitions; scores are corrected" in shown
    assert "sounds: 8 of 8 can be read; 0.20 to 0.20 s; 8 at 20000 Hz; channels: 1" in shown
    assert "categories: Music 4, EngSpeech 4" in shown
    assert "reliability of one repetition" in shown
    for region in ("Primary", "Anterior", "Lateral", "Posterior", "Unlabelled"):
        assert region in shown
    assert "remark: NH2015 as published has 165 sounds, 7694 units" in shown
    assert shown.count(": good") == 2


def test_check_lists_all_problems(release, tmp_path, capsys):
    spoiled = shutil.copytree(release, tmp_path / "data")
    os.truncate(spoiled / "stimuli/165_natural_sounds" / f"{NAMES[0]}.wav", 10)
    os.truncate(spoiled / "stimuli/165_natural_sounds" / f"{NAMES[1]}.wav", 10)
    (spoiled / "neural/B2021/df_roi_meta.pkl").unlink()
    (spoiled / "neural/B2021/voxel_features_array.npy").unlink()
    names = [f"{spoiled}:NH2015", f"{spoiled}:B2021", f"{release}:NH2015", tmp_path / "nowhere"]
    assert run("check", *names) == 1
    shown = capsys.readouterr().out
    assert "data:NH2015: 2 problems" in shown
    assert "data:B2021: 2 problems" in shown
    assert "nowhere: 1 problem" in shown
    assert shown.count("problem: ") == 5
    assert shown.count(": good") == 1


def test_check_knows_names_and_missing_values(release, tmp_path, capsys):
    assert run("convert", f"{release}:NH2015", tmp_path / "mine") == 0
    responses = np.load(tmp_path / "mine" / "responses.npy")
    responses[1, 2, 0] = np.nan
    responses[:, 3] = 1.0
    np.save(tmp_path / "mine" / "responses.npy", responses)
    capsys.readouterr()
    assert run("check", tmp_path / "mine") == 0
    shown = capsys.readouterr().out
    assert "missing responses by repetition: 0.0%, 0.0%, 1.2%" in shown
    assert "remark: 1 unit does not vary over stimuli; their scores are NaN and counted: '0: 102'" in shown


def test_check_of_separate_parts_names_the_command_that_makes_a_benchmark(release, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run("convert", f"{release}:NH2015", "lab/mine") == 0
    (tmp_path / "lab/mine/benchmark.json").unlink()
    (tmp_path / "lab/mine/stimuli").rename(tmp_path / "lab/mine/my wavs")
    convert = "convert lab/mine DESTINATION --name NAME --sounds 'lab/mine/my wavs'"
    expected = {
        "lab/mine": f"lab/mine has no benchmark.json, so it is no benchmark yet: `cochlearn evaluate {convert}`",
        "lab/mine/responses.npy": f"responses.npy is a part of recordings: `cochlearn evaluate {convert}` makes",
        "lab": "lab is a folder of benchmarks: name one of them, 'lab/mine'",
        "lab/mime": "no such name or path (did you mean lab/mine?)",
    }
    for name, message in expected.items():
        capsys.readouterr()
        assert run("check", name) == 1
        shown = capsys.readouterr().out
        assert message in shown
        assert f"{name}: 1 problem" in shown
    assert run(*shlex.split(convert.replace("DESTINATION", "done"))) == 0
    assert run("check", "done") == 0


def test_check_and_convert_list_all_problems_of_separate_parts(release, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run("convert", f"{release}:NH2015", "mine") == 0
    os.remove("mine/benchmark.json")
    responses = np.load("mine/responses.npy")
    responses[1, 2] = np.nan
    np.save("mine/responses.npy", responses)
    os.remove(f"mine/stimuli/{NAMES[0]}.wav")
    os.truncate(f"mine/stimuli/{NAMES[1]}.wav", 10)
    expected = ("1 of 8 sounds are missing in mine/stimuli", "1 of 10 units have stimuli without any response")
    capsys.readouterr()
    assert run("check", "mine") == 1
    shown = capsys.readouterr().out
    assert all(problem in shown for problem in expected)
    assert "mine: 3 problems" in shown
    assert run("convert", "mine", "done", "--name", "mine") == 2
    shown = capsys.readouterr().err
    assert all(problem in shown for problem in expected)
    assert "error: mine: 2 problems, nothing is written" in shown
    assert not os.path.exists("done")


def test_help(capsys):
    with pytest.raises(SystemExit):
        run("check", "--help")
    assert "cochlearn evaluate check" in capsys.readouterr().out
