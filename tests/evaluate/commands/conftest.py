"""Tiny benchmarks, a small release, and files that stand for networks."""

import pytest
import torch

from evaluate.benchmarks import BENCHMARKS
from evaluate.scoring import engine
from networks import LoadedNetwork, NetworkIdentity
from tests.helpers.release_layout import write_release
from tests.helpers.score_commands import network_file


@pytest.fixture(autouse=True)
def tiny(make_benchmark, tiny_network_class, monkeypatch):
    """Benchmarks "tiny" and "other" of the same sounds; files whose content is a seed stand for networks."""
    categories = tuple("abc"[i % 3] for i in range(24))
    monkeypatch.setitem(BENCHMARKS, "tiny", lambda: make_benchmark(categories=categories))
    monkeypatch.setitem(BENCHMARKS, "other", lambda: make_benchmark(num_units=4, name="other"))

    def load(source):
        with open(source) as file:
            seed = int(file.read())
        torch.manual_seed(seed)
        network = tiny_network_class().eval()
        if seed == 666:
            torch.nn.init.constant_(network.fc.weight, float("nan"))
        return LoadedNetwork(network, NetworkIdentity(run="run", checkpoint=source, step=seed), [])

    monkeypatch.setattr(engine, "load_network", load)
    monkeypatch.setattr("evaluate.report.figures.write_figures", lambda *_, **__: [])


@pytest.fixture
def networks(tmp_path):
    """Three networks."""
    return [network_file(tmp_path, seed) for seed in range(3)]


@pytest.fixture(scope="session")
def release(tmp_path_factory):
    """The folder of a small release."""
    return write_release(tmp_path_factory.mktemp("release") / "data")
