"""Benchmarks, metrics, networks and labelled sounds of a user's own functions, in every command that takes them."""

import re
import shutil
import sys

import numpy as np
import pandas as pd
import pytest

from datamodules.corpora.sounds import write_sound
from evaluate.report.report import Report
from tests.helpers import own_objects
from tests.helpers.evaluate_command import run
from tests.helpers.watched import save


@pytest.fixture
def own(tmp_path, monkeypatch):
    shutil.copy(own_objects.__file__, tmp_path / "own_objects.py")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr("evaluate.report.figures.write_figures", lambda *_, **__: [])  # most of the time
    yield tmp_path
    sys.modules.pop("own_objects", None)


@pytest.mark.parametrize("module", ["own_objects.py", "own_objects"])
def test_functions_of_a_user_are_checked_scored_reported_and_converted(own, monkeypatch, capsys, module):
    reported = []

    def write_report(tables, folder, *, benchmarks, **settings):
        reported.extend(benchmarks)
        return Report(page=folder / "report.html", figures=())

    monkeypatch.setattr("evaluate.report.report.write_report", write_report)
    tones = f"{module}:tones"
    assert run("check", tones) == 0
    assert "tones, version 1: 30 stimuli, 4 units of 2 subjects, 2 repetitions; " in capsys.readouterr().out
    score = ["score", f"{module}:network", "--benchmark", tones, "--metric", "encoding", f"{module}:metric"]
    assert run(*score, "--out", "scores") == 0
    rows = pd.read_csv("scores/scores.csv")
    assert {"encoding_r2", "mean"} <= set(rows["metric"])
    assert set(rows["benchmark"]) == {"tones"}
    assert run("report", "scores", "--benchmark", tones) == 0
    assert [benchmark.name for benchmark in reported] == ["tones"]
    capsys.readouterr()
    assert run("report", "scores", "--benchmark", f"{module}:raises") == 2
    assert f"benchmark '{module}:raises': calling it raised TypeError" in capsys.readouterr().err
    assert run("score", f"{module}:network", "--benchmark", f"{module}:misnamed", "--out", "scores") == 2
    message = capsys.readouterr().err
    assert f"benchmark '{module}:misnamed': expected a benchmark name that is not empty and has no '/'" in message
    assert re.search(r"got 'my/tones' \(own_objects\.py, line \d+\)", message)
    assert run("convert", tones, "tones.zip") == 0
    assert run("score", f"{module}:network", "--benchmark", "tones.zip", "--out", "converted") == 0


def test_a_run_is_watched_on_a_benchmark_and_metric_of_a_user(own, capsys):
    save(own / "run", 10)
    watch = ["watch", "run", "--benchmark", "own_objects.py:tones", "--metric", "own_objects:metric"]
    assert run(*watch, "--until_step", "10", "--figures", "false", "--poll_seconds", "0.01") == 0
    assert set(pd.read_csv("run/scores.csv")["metric"]) == {"mean"}


def test_sounds_of_a_function_are_probed(own, capsys):
    probe = ["probe", "own_objects.py:network", "--folds", "3", "--out", "probes", "--crops", "2"]
    assert run(*probe, "--sounds", "own_objects.py:tones") == 0
    rng = np.random.default_rng(0)
    for number in range(6):
        for label in ("loud", "soft"):
            write_sound(own / f"{label}-{number}.wav", 0.1 * rng.standard_normal(600), 1000)
    assert run(*probe, "--sounds", "own_objects:files") == 0
    rows = pd.read_csv("probes/probe.csv")
    means = rows[(rows["metric"] == "probe_accuracy") & (rows["subject"] == "all")].set_index("benchmark")["value"]
    assert set(means.index) == {"tones", "own"}
    assert means.between(0, 1).all()
    capsys.readouterr()
    for name, message in (
        ("own_objects.py:unlabelled", "benchmark 'tones' has no categories, which are the labels of a probe"),
        ("own_objects.py:network", "or an evaluate.Benchmark with categories or a function that returns one, got a"),
        ("own_objects.py:raises", "sounds 'own_objects.py:raises': calling it raised TypeError"),
        ("nowhere.py:tones", "sounds 'nowhere.py:tones': nowhere.py: no such file"),
    ):
        assert run(*probe, "--sounds", name) == 2
        assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nowhere.py:tones", "benchmark 'nowhere.py:tones': nowhere.py: no such file"),
        ("own_objects.py", "own_objects.py is a Python file: name the function in it that returns a benchmark, as"),
        ("own_objects.py:nothing", "own_objects.py does not define 'nothing'; it defines NUM_TONES"),
        (
            "own_objects.py:network",
            "expected an evaluate.Benchmark or a function that returns one, got a function that",
        ),
        (
            "own_objects.py:raises",
            "calling it raised TypeError: 'Benchmark' object is not subscriptable (own_objects.py",
        ),
    ],
)
def test_a_benchmark_that_cannot_be_made_is_one_line_in_every_command(own, name, message, capsys):
    assert run("check", name) == 1
    assert message in capsys.readouterr().out
    out = ["--out", "scores"]
    for command in (
        ["score", "own_objects.py:network", "--benchmark", name, *out],
        ["convert", name, "converted.zip"],
        ["watch", "new_run", "--benchmark", name],
    ):
        assert run(*command) == 2
        error = capsys.readouterr().err
        assert message in error
        assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nowhere.py:metric", "metric 'nowhere.py:metric': nowhere.py: no such file"),
        ("own_objects.py:nothing", "own_objects.py does not define 'nothing'"),
        ("own_objects.py:tones", "expected an evaluate.Metric or a function that returns one, got a function that"),
        ("own_objects.py:raises", "metric 'own_objects.py:raises': calling it raised TypeError"),
        (
            "own_objects.py:BREAKS",
            "metric own_objects.py:BREAKS: measure, for stage filters, raised IndexError: broken",
        ),
        ("own_objects.py:BREAKS_LATE", "metric own_objects.py:BREAKS_LATE: tabulate raised IndexError: broken (own_"),
        ("own_objects.py:NO_KINDS", "metric own_objects.py:NO_KINDS: kinds raised IndexError: broken (own_objects.py"),
        ("own_objects.py:ODD_KINDS", "kinds must return a tuple of evaluate.ScoreKind, got a str in it"),
    ],
)
def test_a_metric_that_cannot_be_used_is_one_line(own, name, message, capsys):
    score = ["score", "own_objects.py:network", "--benchmark", "own_objects.py:tones", "--metric", name]
    assert run(*score, "--out", "scores") == 2
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error


def test_check_remarks_on_the_level_of_sounds_of_a_function(own, capsys):
    assert run("check", "own_objects.py:silent_and_loud") == 0
    shown = capsys.readouterr().out
    assert "remark: 1 sound is silent: '50 Hz'" in shown
    assert "have levels (RMS) of 0.1 to 0.2; the published networks hear all sounds at 0.1" in shown


def test_a_python_file_is_no_checkpoint(own, capsys):
    assert run("score", "own_objects.py", "--benchmark", "own_objects.py:tones", "--out", "scores") == 2
    assert "own_objects.py is a Python file: name the function in it that makes a network" in capsys.readouterr().err
