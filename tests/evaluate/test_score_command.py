"""`python -m evaluate score`: many networks, killed and started again, on one and two processes."""

import os
import random
import signal
import time
from collections import Counter
from multiprocessing import get_context

import numpy as np
import pandas as pd
import pytest
import torch
from torch import distributed as dist

from evaluate import __main__ as command
from evaluate import cache as cache_module
from evaluate import score_run
from evaluate import table as t
from evaluate.activations import stage_activations
from evaluate.benchmarks import BENCHMARKS
from evaluate.commands import score
from evaluate.dimensionality import effective_dimensionality
from evaluate.encoding import encode
from evaluate.metrics import METRICS
from evaluate.parts import Parts
from evaluate.rsa import category_order, rsa
from evaluate.score_run import one_line
from evaluate.scores import score_network
from evaluate.shares import Share, plan_rounds
from evaluate.splits import published_splits
from networks import LoadedNetwork
from tests.ranks import become_rank, free_port

STAGES = ("relu0", "pool0", "relufc")
# "within_category" has tests of its own: the benchmark "other" has no categories.
ALL_METRICS = [word for name, metric in METRICS.items() if not metric.needs_categories for word in ("--metric", name)]
LIMIT_S = 60


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
        return LoadedNetwork(network, seed, 0, "run", [], source)

    monkeypatch.setattr(score_run, "load_network", load)
    monkeypatch.setattr(score, "write_figures", lambda *_: [])


@pytest.fixture
def networks(tmp_path):
    """Three networks."""
    return [network_file(tmp_path, seed) for seed in range(3)]


def network_file(folder, content):
    path = folder / f"{content}.ckpt"
    path.write_text(str(content))
    return str(path)


def arguments(networks, out, *more):
    return ["score", *networks, "--benchmark", "tiny", "--benchmark", "other", "--out", str(out), *more]


def rows_of(out):
    return t.read_table(out / t.SCORES_FILE)


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
    network = score_run.load_network(networks[0]).network
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


def test_without_categories_there_are_no_scores_within_them(networks, tmp_path, capsys):
    assert command.main(arguments(networks[:1], tmp_path / "out", "--metric", "within_category")) == 2
    assert (
        "metric within_category needs categories of sounds, which benchmark 'other' has not" in capsys.readouterr().err
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
    assert len(counted.measured) == 3 * 2 * 3 * 3
    shown = " ".join(capsys.readouterr().out.split())
    for text in (
        "tiny: noise-corrected R² at the best stage",
        "other: representational similarity at the best stage",
        "effective dimensionality",
        "2.ckpt",
        "of at most 20 GiB, 9 stages re-used, 9 computed",
    ):
        assert text in shown


def test_encoding_rows_are_those_of_score_network(networks, tmp_path, make_benchmark):
    command.main(arguments(networks[1:2], tmp_path / "out"))
    table = rows_of(tmp_path / "out")
    network = score_run.load_network(networks[1]).network
    for name in ("tiny", "other"):
        alone = score_network(network, BENCHMARKS[name](), run="run", checkpoint=networks[1], step=1)
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
    features = stage_activations(score_run.load_network(networks[0]).network, benchmark.stimuli(1000, 64))
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
    features = stage_activations(score_run.load_network(networks[0]).network, BENCHMARKS["tiny"]().stimuli(1000, 64))
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
    command.main(arguments(networks[:1], tmp_path / "three", "--cache-gib", "0"))
    assert len(counted.forward_passes) == 3  # one for each benchmark
    assert not (tmp_path / "three" / "cache").exists()
    assert "re-used" not in capsys.readouterr().out


def test_broken_networks_do_not_lose_the_others(networks, tmp_path, capsys):
    broken = network_file(tmp_path, "rubbish")
    diverged = network_file(tmp_path, 666)
    out = tmp_path / "out"
    assert command.main(arguments([broken, networks[0], diverged, networks[1]], out)) == 1
    assert list(dict.fromkeys(rows_of(out)[t.CHECKPOINT])) == networks[:2]
    lines = capsys.readouterr().err.splitlines()
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
        (RuntimeError("x" * 1000), f"RuntimeError: {'x' * 300} ..."),
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


# Killed and started again, and on several processes: each in forked processes, which share what is imported.


@pytest.fixture
def one_thread():
    # A forked process waits for ever for the threads of its parent's OpenMP pool, which it does not have.
    num_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(num_threads)


def start(words, prepare=lambda: None):
    """Run the command in a forked process."""

    def run():
        prepare()
        os._exit(command.main(words))

    process = get_context("fork").Process(target=run)
    process.start()
    return process


def wait_for(process):
    process.join(LIMIT_S)
    if process.exitcode is None:
        process.kill()
        pytest.fail("the command hangs")
    return process.exitcode


def die_at_write(number, moment):
    """Make the process kill itself at its n-th file: while it is written, or just before or after it gets its name."""
    from evaluate import table

    replace, count = os.replace, [0]

    class Os:
        fsync = staticmethod(os.fsync)

        @staticmethod
        def replace(source, target):
            count[0] += 1
            if count[0] == number and moment == "half":
                with open(source, "r+b") as file:
                    file.truncate(os.path.getsize(source) // 2)
            if count[0] == number and moment != "after":
                os.kill(os.getpid(), signal.SIGKILL)
            replace(source, target)
            if count[0] == number:
                os.kill(os.getpid(), signal.SIGKILL)

    table.os = Os


def log_finished(path):
    """Make the process write down each result that it has finished."""
    original = Parts.save

    def save(parts, key, arrays):
        original(parts, key, arrays)
        with open(path, "a") as file:
            file.write(f"{key}\n")

    Parts.save = save


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_killed_and_started_again(networks, tmp_path, one_thread, seed):
    """Whole table: 9 files of activations, 54 parts and 3 times the table."""
    words = arguments(networks, tmp_path / "out", *ALL_METRICS)
    whole = tmp_path / "whole"
    assert wait_for(start(arguments(networks, whole, *ALL_METRICS))) == 0
    finished = tmp_path / "finished"
    chance = random.Random(seed)
    for moment in ("half", "before", "after", "any time", "any time"):
        number = chance.randint(1, 22)
        delay_s = chance.uniform(0, 0.3)

        def prepare(moment=moment, number=number):
            log_finished(finished)
            if moment != "any time":
                die_at_write(number, moment)

        process = start(words, prepare)
        if moment == "any time":
            time.sleep(delay_s)
            process.kill()
        assert wait_for(process) in (-signal.SIGKILL, 0)
    assert wait_for(start(words, lambda: log_finished(finished))) == 0
    assert (tmp_path / "out" / t.SCORES_FILE).read_bytes() == (whole / t.SCORES_FILE).read_bytes()
    times = Counter(finished.read_text().split())
    assert set(times.values()) == {1}
    assert len(times) > 40  # some were killed between their file and their line in the list
    names = sorted(path.name for path in (tmp_path / "out" / "parts").glob("*.npz"))
    assert names == sorted(path.name for path in (whole / "parts").iterdir())


def start_ranks(words, num_ranks, prepare=lambda rank: None):
    """Run the command as torchrun does."""
    port = free_port()

    def joined(rank):
        become_rank(rank, num_ranks, port)
        prepare(rank)

    return [start(words, lambda rank=rank: joined(rank)) for rank in range(num_ranks)]


needs_gloo = pytest.mark.skipif(not dist.is_gloo_available(), reason="PyTorch is built without gloo")


@needs_gloo
def test_two_processes_give_the_same_table(networks, tmp_path, one_thread):
    """Two networks are scored side by side, twice; the last one's stages are divided; the broken one is left out."""
    alone, together = tmp_path / "alone", tmp_path / "together"
    with_broken = [networks[0], network_file(tmp_path, "rubbish"), network_file(tmp_path, 9), *networks[1:]]
    assert wait_for(start(arguments([networks[0], with_broken[2], *networks[1:]], alone, *ALL_METRICS))) == 0
    words = arguments(with_broken, together, *ALL_METRICS)
    processes = start_ranks(words, 2, lambda rank: log_finished(tmp_path / f"finished{rank}"))
    assert [wait_for(process) for process in processes] == [1, 1]
    pd.testing.assert_frame_equal(rows_of(together), rows_of(alone), rtol=0, atol=1e-10)
    by_rank = [(tmp_path / f"finished{rank}").read_text().split() for rank in range(2)]
    assert len(set(by_rank[0]) & set(by_rank[1])) == 0
    assert len(by_rank[0]) + len(by_rank[1]) == 4 * 2 * 3 * 3


@needs_gloo
def test_stages_of_one_network_are_divided(networks, tmp_path, one_thread):
    words = arguments(networks[:1], tmp_path / "together")
    processes = start_ranks(words, 2, lambda rank: log_finished(tmp_path / f"finished{rank}"))
    assert [wait_for(process) for process in processes] == [0, 0]
    assert wait_for(start(arguments(networks[:1], tmp_path / "alone"))) == 0
    pd.testing.assert_frame_equal(rows_of(tmp_path / "together"), rows_of(tmp_path / "alone"), rtol=0, atol=1e-10)
    assert [len((tmp_path / f"finished{rank}").read_text().split()) for rank in range(2)] == [4, 2]


@needs_gloo
def test_what_breaks_on_one_process_stops_all(networks, tmp_path, one_thread):
    """As a table that cannot be written, which rank 0 alone finds out."""

    def prepare(rank):
        if rank == 0:
            t.append_rows = _no_space

    processes = start_ranks(arguments(networks[:2], tmp_path / "out"), 2, prepare)
    assert [wait_for(process) for process in processes] == [2, 1]


def _no_space(*_):
    raise OSError("no space left on device")
