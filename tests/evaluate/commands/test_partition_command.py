"""`python -m evaluate partition`: tables and figures of pairs of networks."""

import numpy as np
import pandas as pd
import pytest

from evaluate.features.activations import stage_activations
from evaluate.metrics.partition.network_parts import PARTS, joined_space, part_values, summarise_parts
from evaluate.metrics.partition.partition import partition
from evaluate.metrics.splits import published_splits
from evaluate.metrics.standard_errors import sound_error
from evaluate.options import PARTITION_FILE
from networks import LoadedNetwork, NetworkIdentity
from tests.helpers.evaluate_command import run


@pytest.fixture
def named(tiny_network_class, make_benchmark, monkeypatch, tmp_path):
    """Networks and a benchmark by name."""
    import torch

    def load(source):
        torch.manual_seed(len(source))
        return LoadedNetwork(tiny_network_class(), NetworkIdentity(run=source), [])

    monkeypatch.setattr("networks.load_network", load)
    monkeypatch.setattr("evaluate.benchmarks.load_benchmark", lambda name: make_benchmark(name=name))
    paths = []
    for name in ("a", "bb", "ccc"):
        paths.append(tmp_path / f"{name}.ckpt")
        paths[-1].write_text(name)
    return [str(path) for path in paths], load


def test_parts_of_two_networks(named, make_benchmark, tmp_path, capsys):
    (first, second, _), load = named
    out = tmp_path / "out"
    assert run("partition", first, second, "--benchmark", "tiny", "--out", str(out), "--stages", "pool0", "all") == 0
    table = pd.read_csv(out / PARTITION_FILE)
    benchmark = make_benchmark()
    sounds = benchmark.stimuli(1000, 64)
    one = joined_space(stage_activations(load(first).network, sounds, stages=["pool0"]))
    other = joined_space(stage_activations(load(second).network, sounds))
    result = partition(one, other, benchmark.responses, published_splits(24))
    expected = summarise_parts(part_values(result, benchmark), benchmark, num_sounds=(12, 12))
    for column in ("value", "error", "mean", "mean_error"):
        np.testing.assert_allclose(table[column], expected[column], atol=1e-8)
    assert set(table["noise_corrected"]) == {True}
    assert next(iter(table["region"])) == "all"
    assert set(table["subject"]) == {"all", "s1", "s2"}
    assert set(table["region"]) == {"all", "A", "B"}
    units = pd.read_csv(out / "partition_units.csv").query("part == 'unique_b'")
    assert list(units["unit"]) == list(benchmark.units["unit"])
    np.testing.assert_allclose(units["value"], np.median(result.unique_b_corrected, axis=1), atol=1e-8)
    errors = sound_error(result.unique_b_corrected, num_train=12, num_test=12)
    np.testing.assert_allclose(units["error"], errors, atol=1e-8)
    np.testing.assert_allclose(units["mean"], np.mean(result.unique_b_corrected, axis=1), atol=1e-8)
    shown = " ".join(capsys.readouterr().out.split())
    for text in (
        "tiny: noise-corrected R² on test sounds (± standard error over participants, n = 2 < 5)",
        "R² of A",
        "R² of both",
        "only B",
    ):
        assert text in shown
    assert "medians over units" in shown
    assert "means, which add up" in shown
    assert f"activations in {out / 'cache'}" in shown
    assert sorted(path.name for path in out.glob("*.png")) == ["tiny_partition.png"]


def test_activations_are_those_of_score(named, tmp_path, capsys, monkeypatch):
    """With the folder of `score`, no sound is heard again; progress says which network is on which benchmark."""
    (first, second, _), _ = named
    words = ("partition", first, second, "--benchmark", "tiny", "--cache", str(tmp_path / "cache"))
    assert run(*words, "--out", str(tmp_path / "out")) == 0
    assert "0 stages reused, 6 computed" in " ".join(capsys.readouterr().out.split())
    reported = []
    monkeypatch.setattr("datamodules.progress.Progress.report", lambda self, what, *_, **__: reported.append(what))
    assert run(*words, "--out", str(tmp_path / "other")) == 0
    assert "6 stages reused, 0 computed" in " ".join(capsys.readouterr().out.split())
    assert "a.ckpt and bb.ckpt on tiny: regressions" in reported
    assert run(*words, "--out", str(tmp_path / "none"), "--cache_gib", "0") == 0
    assert "a.ckpt on tiny: activations" in reported
    assert run(*words, "--out", str(tmp_path / "none"), "--cache_gib", "-1") == 2


def test_many_networks_pair_by_pair(named, tmp_path):
    paths, _ = named
    out = tmp_path / "out"
    for _ in range(2):  # rows of the same networks are replaced
        assert run("partition", *paths, "--benchmark", "tiny", "--out", str(out)) == 0
    table = pd.read_csv(out / PARTITION_FILE)
    assert len(table[["a", "b"]].drop_duplicates()) == 3
    assert not table.duplicated(["a", "b", "part", "region", "subject"]).any()
    assert (out / "tiny_partition_matrix.png").is_file()


def test_parts_of_subjects_and_their_error(make_benchmark):
    benchmark = make_benchmark()
    rng = np.random.default_rng(0)
    features = rng.standard_normal((24, 5)), rng.standard_normal((24, 4))
    result = partition(*features, benchmark.responses, published_splits(24))
    table = summarise_parts(part_values(result, benchmark), benchmark).set_index(["part", "region", "subject"])
    medians = np.median(result.unique_a_corrected, axis=1)
    of_subjects = [np.median(medians[:3]), np.median(medians[3:])]
    whole = table.loc[("unique_a", "all", "all")]
    assert whole["value"] == pytest.approx(np.mean(of_subjects))
    assert whole["error"] == pytest.approx(np.std(of_subjects, ddof=1) / np.sqrt(2))


def test_means_add_up_where_medians_do_not(make_benchmark):
    """B explains much in a third of the units alone: a median of what only it explains is nothing."""
    benchmark = make_benchmark()
    alone = np.array([1.0, 0.0, 0.0] * (benchmark.num_units // 3))[:, None]
    r2_a, r2_b = (
        np.broadcast_to(0.3 - 0.1 * alone, (len(alone), 10)),
        np.broadcast_to(0.3 + 0.5 * alone, (len(alone), 10)),
    )
    r2_ab = r2_b
    parts = {"r2_a": r2_a, "r2_b": r2_b, "r2_ab": r2_ab}
    parts |= {"unique_a": r2_ab - r2_b, "unique_b": r2_ab - r2_a, "shared": r2_a + r2_b - r2_ab}
    table = summarise_parts(parts, benchmark)
    for _, rows in table.groupby(["region", "subject"]):
        mean = rows.set_index("part")["mean"]
        assert mean["unique_a"] + mean["shared"] == pytest.approx(mean["r2_a"])
        assert mean["unique_b"] + mean["shared"] == pytest.approx(mean["r2_b"])
        assert mean["unique_a"] + mean["shared"] + mean["unique_b"] == pytest.approx(mean["r2_ab"])
    whole = table[(table["region"] == "all") & (table["subject"] == "all")].set_index("part")
    assert whole.loc["unique_b", "value"] == 0
    assert whole.loc["unique_b", "mean"] == pytest.approx(0.2)


def test_errors_of_a_single_subject_are_over_sounds(make_benchmark):
    one = make_benchmark(units=make_benchmark().units.assign(subject="s1"))
    values = np.random.default_rng(0).random((one.num_units, 10))
    table = summarise_parts(dict.fromkeys(PARTS, values), one, num_sounds=(83, 82))
    row = table[(table["region"] == "all") & (table["part"] == "shared")].iloc[0]
    assert row["error"] == pytest.approx(float(sound_error(np.median(values, axis=0), num_train=83, num_test=82)))
    assert row["mean_error"] == pytest.approx(float(sound_error(values.mean(axis=0), num_train=83, num_test=82)))


def test_all_regions_together_come_first(make_benchmark):
    """Also for components, whose mean is computed last."""
    components = make_benchmark(
        unit_kind="component", units=make_benchmark().units.assign(subject="all", region=[f"c{i}" for i in range(6)])
    )
    table = summarise_parts(dict.fromkeys(PARTS, np.ones((6, 10))), components)
    assert list(dict.fromkeys(table["region"])) == ["all", *(f"c{i}" for i in range(6))]


def test_stages_count_equally():
    rng = np.random.default_rng(0)
    small, large = rng.standard_normal((12, 2)), 100 * rng.standard_normal((12, 50))
    kernels = [joined_space({"one": values}) for values in (small, large)]
    joined = joined_space({"small": small, "large": large})
    np.testing.assert_allclose(joined @ joined.T, sum(kernel @ kernel.T for kernel in kernels), atol=1e-12)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ([], "expected two networks or more"),
        (["bb", "--stages", "pool0"], "--stages must name stages for each of the 2 networks, got 1"),
        (["bb", "--stages", "pool0", "nowhere"], "unknown stage 'nowhere'"),
        (["bb", "--batch_size", "0"], "must be above 0"),
    ],
)
def test_requests_that_cannot_be(named, tmp_path, capsys, more, message):
    (first, second, _), _ = named
    words = [second if word == "bb" else word for word in more]
    assert run("partition", first, *words, "--benchmark", "tiny", "--out", str(tmp_path / "out")) == 2
    assert message in " ".join(capsys.readouterr().err.split())
