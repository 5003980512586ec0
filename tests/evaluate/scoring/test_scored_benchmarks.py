"""Benchmarks of one name are distinguished where their scores are shown together."""

import shutil
from pathlib import Path

import pytest

from evaluate import simulated_cortex
from evaluate.scoring.scored_benchmarks import BENCHMARKS_FILE, find_mixed, load_benchmarks, save_benchmarks
from tests.helpers import own_objects
from tests.helpers.evaluate_command import run

OWN = """

def fewer():
    from dataclasses import replace
    units = tones().units.iloc[:2].reset_index(drop=True)
    return replace(tones(), units=units, responses=tones().responses[:, :2])
"""


@pytest.fixture(scope="module")
def small():
    return simulated_cortex(num_stimuli=55, num_subjects=2, units_per_subject=20)


def test_what_was_scored_is_kept_next_to_the_table(small, tmp_path):
    save_benchmarks(tmp_path, [small])
    written = (tmp_path / BENCHMARKS_FILE).stat().st_mtime_ns
    save_benchmarks(tmp_path, [small])
    assert (tmp_path / BENCHMARKS_FILE).stat().st_mtime_ns == written
    assert load_benchmarks(tmp_path) == {"simulated": ["version 1, 55 stimuli, 40 units, 2 subjects"]}
    assert find_mixed([tmp_path, tmp_path / "none"]) == []


@pytest.mark.parametrize("damage", ["", "[]", '{"simulated": 1}', "\x00"])
def test_a_damaged_file_says_nothing(small, tmp_path, damage):
    (tmp_path / BENCHMARKS_FILE).write_text(damage)
    assert load_benchmarks(tmp_path) == {}
    save_benchmarks(tmp_path, [small])
    assert set(load_benchmarks(tmp_path)) == {"simulated"}


def test_a_report_warns_of_two_benchmarks_with_one_name(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own_objects.py").write_text(Path(own_objects.__file__).read_text() + OWN)
    for benchmark, folder in (("tones", "a"), ("fewer", "b")):
        score = ("score", "own_objects.py:network", "--benchmark", f"own_objects.py:{benchmark}", "--out", folder)
        assert run(*score) == 0
    monkeypatch.setattr("evaluate.report.sections.section", lambda shown: [])
    capsys.readouterr()
    assert run("report", "a", "b", "--out", "both") == 0
    expected = (
        "scores of different benchmarks named 'tones' are shown together and cannot be compared: version 1, "
        "30 stimuli, 4 units, 2 subjects in a; version 1, 30 stimuli, 2 units, 2 subjects in b "
        "(give each a name of its own)"
    )
    assert f"remark: {expected}" in capsys.readouterr().out
    assert "cannot be compared: version 1" in (tmp_path / "both/report.html").read_text()
    shutil.rmtree(tmp_path / "b")
    assert run("report", "a") == 0
    assert "cannot be compared" not in capsys.readouterr().out
