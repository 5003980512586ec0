"""`python -m evaluate score`: many networks, benchmarks and metrics."""

import os
import re
from collections import Counter

import numpy as np
import pandas as pd
import pytest

from evaluate import __main__ as command
from evaluate.benchmarks import BENCHMARKS
from evaluate.commands.named_networks import networks_named
from evaluate.features import cache as cache_module
from evaluate.features.activations import stage_activations
from evaluate.metrics.dimensionality import effective_dimensionality
from evaluate.metrics.encoding.encoding import encode
from evaluate.metrics.rsa import category_order, rsa
from evaluate.metrics.splits import published_splits
from evaluate.scoring import engine
from evaluate.scoring import table as t
from evaluate.scoring.failures import one_line
from evaluate.scoring.parts import Parts
from evaluate.scoring.score_network import score_network
from evaluate.scoring.shares import Share, plan_rounds
from tests.helpers.score_commands import ALL_METRICS, NUM_PARTS, STAGES, arguments, network_file, rows_of


class Counted:
    """Counts what is computed."""

    def __init__(self, monkeypatch):
        self.forward_passes, self.measured = [], Counter()

        def activations(net, waveforms, **options):
            self.forward_passes.append(tuple(options["stages"]))
            return stage_activations(net, waveforms, **options)

        def save(parts, key, arrays):
            self.measured[key] += 1
            original(parts, key, arrays)

        original = Parts.save
        monkeypatch.setattr(cache_module, "stage_activations", activations)
        monkeypatch.setattr(Parts, "save", save)


@pytest.fixture
def counted(monkeypatch):
    return Counted(monkeypatch)


def test_scores_within_categories_are_of_the_test_sounds(networks, tmp_path, make_benchmark):
    words = ["score", networks[0], "--benchmark", "tiny", "--metric", "within_category", "--out", str(tmp_path / "out")]
    assert command.main(words) == 0
    table = t.read_table(tmp_path / "out" / t.SCORES_FILE)
    benchmark = make_benchmark(categories=tuple("abc"[i % 3] for i in range(24)))
    network = engine.load_network(networks[0]).network
    features = stage_activations(network, benchmark.stimuli(network.sample_rate_hz, network.num_samples))["relu0"]
    splits, measured = published_splits(24), benchmark.responses.mean(axis=2)
    predictions = encode(features, measured, splits, keep_predictions=True).predictions
    of_category = np.arange(24) % 3 == 1
    r2 = np.full((6, 10), np.nan)
    for split in range(10):
        chosen = of_category & splits.test[split]
        for unit in range(6):
            pair = predictions[split, chosen, unit], measured[chosen, unit]
            if chosen.sum() >= 3 and min(np.ptp(values) for values in pair) > 0:
                r2[unit, split] = max(np.corrcoef(*pair)[0, 1], 0) ** 2
    expected = np.nanmedian(np.nanmedian(r2, axis=1)[:3])  # the first subject's units
    rows = table[(table[t.METRIC] == f"{t.WITHIN_CATEGORY_R2}/b") & (table[t.BENCHMARK] == "tiny")]
    found = rows[(rows[t.STAGE] == "relu0") & (rows[t.REGION] == "all") & (rows[t.SUBJECT] == "s1")][t.VALUE]
    assert found.item() == pytest.approx(expected)


def test_a_network_named_by_two_paths_is_scored_once(networks, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "link.ckpt").symlink_to(networks[0])
    names = [networks[0], "link.ckpt", os.path.relpath(networks[0]), f"permuted:{networks[0]}", "permuted:link.ckpt"]
    assert networks_named(names).sources == (networks[0], f"permuted:{networks[0]}:0")
    assert networks_named([*names, networks[1], "SpectroTemporal", "spectrotemporal"]).sources[2:] == (
        networks[1],
        "SpectroTemporal",
    )
    (tmp_path / "ast").mkdir()
    (tmp_path / "nets.py").write_text("make = None\n")
    own = ["AST:ast", f"AST:{tmp_path}/ast", "nets.py:make", "./nets.py:make", f"ema:{networks[0]}", networks[0]]
    assert networks_named(own).sources == ("AST:ast", "nets.py:make", f"ema:{networks[0]}", networks[0])


def test_a_benchmark_of_another_name_is_told(networks, tmp_path, capsys):
    (tmp_path / "mine.py").write_text(
        "from evaluate.benchmarks.simulated.cortex import simulated_cortex\n"
        "def few():\n    return simulated_cortex(num_stimuli=55, num_subjects=2, units_per_subject=20)\n"
    )
    given = f"{tmp_path / 'mine.py'}:few"
    words = ["score", networks[0], "--benchmark", given, "--stages", "relu0", "--out", str(tmp_path / "out")]
    assert command.main(words) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert f"remark: {given} holds the benchmark simulated" in shown


def test_without_categories_there_are_no_scores_within_them(networks, tmp_path, capsys):
    assert command.main(arguments(networks[:1], tmp_path / "out", "--metric", "within_category")) == 2
    assert (
        "metric within_category needs categories of sounds, which benchmark 'other' does not have"
        in capsys.readouterr().err
    )


def test_many_networks_benchmarks_and_metrics(networks, tmp_path, counted, capsys):
    assert command.main(arguments(networks, tmp_path / "out", *ALL_METRICS)) == 0
    table = rows_of(tmp_path / "out")
    assert list(dict.fromkeys(table[t.CHECKPOINT])) == networks
    assert set(table[t.BENCHMARK]) == {"tiny", "other"}
    assert {t.BEST_STAGE_R2_CORRECTED, t.BEST_STAGE_RSA, t.RSA_CEILING, t.EFFECTIVE_DIMENSIONALITY} <= set(
        table[t.METRIC]
    )
    assert counted.forward_passes == [STAGES] * 3  # both benchmarks have the same sounds
    assert len(counted.measured) == 3 * 2 * NUM_PARTS
    shown = " ".join(capsys.readouterr().out.split())
    for text in (
        "tiny: noise-corrected R² at the best stage",
        "other: representational similarity at the best stage",
        "effective dimensionality",
        "2.ckpt",
        "of at most 20 GiB, 27 stages reused, 9 computed",
    ):
        assert text in shown


@pytest.mark.usefixtures("every_line")
def test_scoring_without_a_terminal_shows_how_far_it_is(networks, tmp_path, capsys):
    assert command.main(arguments(networks[:2], tmp_path / "out")) == 0
    out, log = capsys.readouterr()
    lines = [line[9:] for line in log.splitlines()]
    names = [networks[number].rpartition("/")[2] for number in range(2)]
    assert f"network 1 of 2, {names[0]} on tiny: activations: 24 of 24 (100 %)" in lines
    assert any(re.match(r"network 2 of 2 \(about \d+ s left in all\), ", line) for line in lines)
    assert any(f"{names[1]} on other: encoding of relufc" in line for line in lines)
    assert re.fullmatch(r"scoring 2 networks: done in \d+ s", lines[-1])
    assert "activations: " not in out
    assert "\r" not in log


def test_encoding_rows_are_those_of_score_network(networks, tmp_path, make_benchmark):
    command.main(arguments(networks[1:2], tmp_path / "out"))
    table = rows_of(tmp_path / "out")
    network, identity, _ = engine.load_network(networks[1])
    for name in ("tiny", "other"):
        alone = score_network(network, BENCHMARKS[name](), identity=identity)
        rows = table[table[t.BENCHMARK] == name].reset_index(drop=True)
        pd.testing.assert_frame_equal(rows, alone, check_exact=True)


@pytest.mark.parametrize("name", ["tiny", "other"])
def test_rsa_rows_are_those_of_rsa(networks, tmp_path, name):
    """Sounds in category order where there are categories ("tiny"), else as they are."""
    command.main(arguments(networks[:1], tmp_path / "out", "--metric", "rsa"))
    table = rows_of(tmp_path / "out")
    table = table[table[t.BENCHMARK] == name]
    benchmark = BENCHMARKS[name]()
    order = np.arange(24) if name == "other" else category_order(benchmark.categories)
    assert (name == "other") == (order == np.arange(24)).all()
    features = stage_activations(engine.load_network(networks[0]).network, benchmark.stimuli(1000, 64))
    expected = rsa(
        {stage: values[order] for stage, values in features.items()},
        benchmark.responses[order],
        benchmark.units["subject"].to_numpy(),
        published_splits(24),
    )

    def values(metric, stage):
        rows = table[(table[t.METRIC] == metric) & (table[t.STAGE] == stage) & (table[t.REGION] == "all")]
        return rows.set_index(t.SUBJECT)[t.VALUE]

    for metric, stage, by_subject, mean in (
        (t.BEST_STAGE_RSA, t.BEST, expected.score, expected.mean_score),
        (t.RSA_CEILING, "all", expected.ceiling, expected.mean_ceiling),
        (t.RSA, "pool0", np.median(expected.test_similarity[:, 1], axis=1), None),
    ):
        found = values(metric, stage)
        np.testing.assert_allclose(found[list(benchmark.subjects)], by_subject, rtol=0, atol=1e-12)
        np.testing.assert_allclose(found["all"], np.mean(by_subject) if mean is None else mean, rtol=0, atol=1e-12)
    assert values(t.RSA_NUM_UNDEFINED, "relu0")["all"] == 0


def test_dimensionality_rows(networks, tmp_path):
    command.main(arguments(networks[:1], tmp_path / "out", "--metric", "dimensionality"))
    table = rows_of(tmp_path / "out")
    features = stage_activations(engine.load_network(networks[0]).network, BENCHMARKS["tiny"]().stimuli(1000, 64))
    for metric, z_score in ((t.EFFECTIVE_DIMENSIONALITY, False), (t.EFFECTIVE_DIMENSIONALITY_Z_SCORED, True)):
        rows = table[(table[t.METRIC] == metric) & (table[t.BENCHMARK] == "other")]
        expected = [effective_dimensionality(values, z_score=z_score) for values in features.values()]
        np.testing.assert_array_equal(rows[t.VALUE], expected)
        assert list(rows[t.STAGE]) == list(STAGES)


def test_components_have_one_subject_and_no_ceiling(networks, tmp_path, make_benchmark, monkeypatch):
    units = pd.DataFrame({"unit": ["low", "music"], "subject": "all", "region": ["low", "music"]})
    components = make_benchmark(
        num_units=2, num_repetitions=1, name="comp", units=units, unit_kind="component", noise_corrected=False
    )
    monkeypatch.setitem(BENCHMARKS, "comp", lambda: components)
    out = tmp_path / "out"
    assert command.main(["score", networks[0], "--benchmark", "comp", "--metric", "rsa", "--out", str(out)]) == 0
    table = rows_of(out)
    assert set(table[t.SUBJECT]) == set(table[t.REGION]) == {"all"}
    assert table.loc[table[t.METRIC] == t.RSA_CEILING, t.VALUE].isna().all()
    assert not table.duplicated(list(t.KEY_COLUMNS)).any()


def test_a_second_time_nothing_is_computed(networks, tmp_path, counted):
    out = tmp_path / "out"
    command.main(arguments(networks, out))
    before = (out / t.SCORES_FILE).read_bytes()
    counted.forward_passes.clear()
    counted.measured.clear()
    assert command.main(arguments(networks, out)) == 0
    assert not counted.forward_passes
    assert not counted.measured
    assert (out / t.SCORES_FILE).read_bytes() == before
    command.main(arguments(networks, out, "--metric", "rsa"))  # a second metric finds the activations
    assert not counted.forward_passes
    assert len(counted.measured) == 3 * 2 * 3


@pytest.mark.slow
def test_cache_can_be_elsewhere_or_off(networks, tmp_path, counted, capsys):
    command.main(arguments(networks[:1], tmp_path / "one", "--cache", str(tmp_path / "shared")))
    command.main(arguments(networks[:1], tmp_path / "two", "--cache", str(tmp_path / "shared")))
    assert len(counted.forward_passes) == 1
    assert not (tmp_path / "one" / "cache").exists()
    capsys.readouterr()
    command.main(arguments(networks[:1], tmp_path / "three", "--cache_gib", "0"))
    assert len(counted.forward_passes) == 3  # one for each benchmark
    assert not (tmp_path / "three" / "cache").exists()
    assert "reused" not in capsys.readouterr().out


def test_broken_networks_do_not_lose_the_others(networks, tmp_path, capsys):
    broken = network_file(tmp_path, "rubbish")
    diverged = network_file(tmp_path, 666)
    out = tmp_path / "out"
    assert command.main(arguments([broken, networks[0], diverged, networks[1]], out)) == 1
    assert list(dict.fromkeys(rows_of(out)[t.CHECKPOINT])) == networks[:2]
    lines = [line for line in capsys.readouterr().err.splitlines() if "error" in line]  # there may be progress, too
    assert lines[0] == f"error: {broken} is left out: invalid literal for int() with base 10: 'rubbish'"
    assert lines[1].startswith(f"error: {diverged} is left out: stage 'relufc' has activations that are not finite")
    assert len(lines) == 2
    assert command.main(arguments([broken], tmp_path / "none")) == 2
    assert not (tmp_path / "none").exists()


def test_long_errors_are_cut_and_unexpected_ones_traced(networks, tmp_path, monkeypatch, capsys, caplog):
    def explode(*_, **__):
        raise RuntimeError("\nsizes of tensors do not match\nframe #0: ...\nframe #1: ...")

    monkeypatch.setattr(cache_module, "stage_activations", explode)
    command.main(arguments(networks[:1], tmp_path / "out"))
    error = capsys.readouterr().err
    assert error.endswith("is left out: RuntimeError: sizes of tensors do not match\n")
    assert not caplog.text
    monkeypatch.setattr(cache_module, "stage_activations", lambda *_, **__: None + 1)
    command.main(arguments(networks[:1], tmp_path / "out"))
    assert "is left out: TypeError: unsupported operand" in capsys.readouterr().err
    assert "Traceback" in caplog.text


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("bad value\nmore"), "bad value"),
        (KeyError("state_dict"), "KeyError: 'state_dict'"),
        (ValueError(), "ValueError"),
        (RuntimeError("x" * 1000), f"RuntimeError: {'x' * 500} ..."),
    ],
)
def test_one_line(error, line):
    assert one_line(error) == line


def test_a_file_that_is_no_table_shows_before_the_work(networks, tmp_path, counted, capsys):
    (tmp_path / t.SCORES_FILE).write_text("something else")
    assert command.main(arguments(networks, tmp_path)) == 2
    assert "not a score table" in capsys.readouterr().err
    assert not counted.forward_passes


def test_rounds():
    assert plan_rounds("ab", 1) == [[Share("a")], [Share("b")]]
    assert plan_rounds("abc", 2) == [[Share("a"), Share("b")], [Share("c", 0, 2), Share("c", 1, 2)]]
    assert plan_rounds("a", 3) == [[Share("a", 0, 3), Share("a", 1, 3), Share("a", 2, 3)]]
    assert plan_rounds("", 2) == []
