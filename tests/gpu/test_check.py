"""The GPU check comes to its end without a GPU, and its archive leaves out what it should."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.gpu.packages import is_left_out, requirements
from tests.gpu.report import Number
from tests.gpu.sections import ROOT, SECTIONS


def rehearse(out: Path, *arguments: str) -> dict:
    command = [sys.executable, "-m", "tests.gpu.check", "--rehearse", "--out", str(out), *arguments]
    environment = {**os.environ, "AUDITORY_TEST_DATA": ""}
    ended = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout[-3000:] + ended.stderr[-3000:]
    assert "numbers mean nothing" in ended.stdout
    return json.loads(out.read_text())


def check_report(report: dict, sections: list[str]) -> None:
    assert report["kind"] == "rehearsal"
    assert {"card", "driver", "cuda", "python", "processor", "packages", "date", "seconds"} <= set(report)
    assert {name: one["status"] for name, one in report["sections"].items()} == dict.fromkeys(sections, "done")
    assert {one["section"] for one in report["numbers"]} == set(sections)
    assert all({"name", "value", "unit", "goal", "goal_is", "is_reached"} <= set(one) for one in report["numbers"])


@pytest.mark.slow
def test_a_section_rehearses(tmp_path):
    check_report(rehearse(tmp_path / "check.json", "--sections", "costs"), ["costs"])


@pytest.mark.slow
def test_the_whole_check_rehearses_and_has_all_goals(tmp_path):
    report = rehearse(tmp_path / "check.json")
    check_report(report, list(SECTIONS))
    goals = [number["name"] for number in report["numbers"] if number["goal"] is not None]
    for part in ("front end's share", "times the published loop", "share of the rate on resident", "and encoding"):
        assert any(part in name for name in goals), part


def test_a_section_that_fails_is_recorded_and_the_others_run(tmp_path, monkeypatch):
    from tests.gpu import check

    def fail(size, record):
        record.add("found before it failed", 1.0)
        raise ValueError("broken")

    monkeypatch.setattr(check, "preload", lambda: None)
    monkeypatch.setitem(check.SECTIONS, "tests", (fail, 10.0))
    monkeypatch.setitem(check.SECTIONS, "costs", (lambda size, record: record.add("a number", 2.0), 10.0))
    monkeypatch.setattr(
        sys, "argv", ["check", "--rehearse", "--sections", "tests", "costs", "--out", f"{tmp_path}/a.json"]
    )
    assert check.main() == 1
    report = json.loads((tmp_path / "a.json").read_text())
    assert [one["status"] for one in report["sections"].values()] == ["failed", "done"]
    assert "ValueError: broken" in report["sections"]["tests"]["error"]
    assert [one["value"] for one in report["numbers"]] == [1.0, 2.0]


def test_goals_are_least_or_most():
    assert Number("s", "n", 0.04, goal=0.05).is_reached
    assert not Number("s", "n", 2.0, goal=3.0, goal_is="at least").is_reached
    assert Number("s", "n", 2.0).is_reached is None


def test_packages_have_the_projects_ranges_and_no_tests_in_them():
    assert any(requirement.startswith("pytorch-lightning>=") for requirement in requirements())
    assert not any(requirement.startswith("torch>=") for requirement in requirements())
    assert is_left_out(Path("scipy/stats/tests/test_stats.py"))
    assert is_left_out(Path("pyarrow/libarrow_flight.so.2600"))
    assert not is_left_out(Path("pyarrow/libarrow.so.2600"))
