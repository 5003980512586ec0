"""A benchmark so small that a watcher scores a checkpoint of a tiny network in no time."""

import numpy as np
import pytest

from evaluate.benchmarks import BENCHMARKS


@pytest.fixture(autouse=True)
def tiny(make_benchmark, monkeypatch):
    sounds = np.random.default_rng(0).standard_normal((24, 800)).astype(np.float32)
    monkeypatch.setitem(BENCHMARKS, "tiny", lambda: make_benchmark(waveforms=lambda *_: sounds))
    monkeypatch.setattr("evaluate.report.figures.write_figures", lambda *_, **__: [])


@pytest.fixture
def run_dir(tmp_path):
    return tmp_path / "myrun"
