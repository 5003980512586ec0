"""One scoring engine: from a network to rows."""

import sys

import numpy as np
import pandas as pd
import pytest
import torch
from rich.console import Console

from evaluate import Metric, ScoreKind, rows_of
from evaluate.benchmarks.benchmark import ALL, BenchmarkError
from evaluate.callback.logged import logged_values
from evaluate.commands.shown_scores import show_scores
from evaluate.metrics import MetricError, load_metric, load_metrics
from evaluate.metrics.encoding import encoding_metric
from evaluate.metrics.score_kinds import load_kinds, save_kinds
from evaluate.report.report import write_report
from evaluate.scoring import table as t
from evaluate.scoring.engine import ScoringEngine
from evaluate.scoring.parts import Parts
from evaluate.scoring.plan import ScoringPlan
from evaluate.scoring.score_network import score_network
from networks import LoadedNetwork, NetworkIdentity
from tests.helpers.metric_names import EVERY_METRIC

OF_STAGES = [name for name in EVERY_METRIC if not load_metric(name).of_heads]
IDENTITY = NetworkIdentity(run="r", checkpoint="c.ckpt", step=7, epoch=2, kind="permuted", parent="p", seed=3)


def test_identity_is_in_every_row(tiny_network, make_benchmark):
    benchmark = make_benchmark()
    rows = score_network(tiny_network, benchmark, identity=IDENTITY)
    assert tuple(rows.columns) == t.COLUMNS
    named = [t.RUN, t.CHECKPOINT, t.STEP, t.EPOCH, t.KIND, t.PARENT, t.SEED]
    assert (rows[named] == ["r", "c.ckpt", 7, 2, "permuted", "p", "3"]).all(axis=None)
    assert set(rows[t.BENCHMARK]) == {benchmark.name}
    assert not rows.duplicated(list(t.KEY_COLUMNS)).any()


def test_network_to_rows(tiny_network, make_benchmark):
    calls = []
    rows = score_network(tiny_network, make_benchmark(), progress=lambda *call: calls.append(call))
    curve = rows[rows[t.METRIC] == t.ENCODING_R2_CORRECTED]
    assert list(dict.fromkeys(curve[t.STAGE])) == ["relu0", "pool0", "relufc"]
    assert set(curve[t.REGION]) == {"all", "A", "B"}
    assert set(curve[t.SUBJECT]) == {"all", "s1", "s2"}
    assert ("activations", 24, 24) in calls
    assert [call for call in calls if call[0] == "encoding of relufc"][-1][1:] == (60, 60)  # units times splits


def test_stages_may_be_scored_apart(tiny_network, make_benchmark):
    benchmark = make_benchmark()
    whole = score_network(tiny_network, benchmark)
    part = score_network(tiny_network, benchmark, stages=["pool0"])
    merged = whole.merge(part, on=list(t.KEY_COLUMNS))
    curve = merged[merged[t.METRIC] == t.ENCODING_R2_CORRECTED]
    assert len(curve) == 9
    np.testing.assert_array_equal(curve["value_x"], curve["value_y"])


def test_in_memory_and_by_name_give_the_same_rows(tiny_network, make_benchmark, tmp_path):
    """The two ways of the engine, with every metric."""
    benchmark = make_benchmark(num_bins=4, categories=tuple("abc"[i % 3] for i in range(24)))
    engine = ScoringEngine(plan=ScoringPlan(benchmarks=(benchmark,), metrics=load_metrics(OF_STAGES)))
    in_memory = engine.score(tiny_network, benchmark, IDENTITY)
    published = []
    loaded = LoadedNetwork(tiny_network, IDENTITY, [])
    runs = engine.run(["net"], parts=Parts(tmp_path), publish=published.append, load=lambda _: loaded)
    assert list(runs) == [[]]
    pd.testing.assert_frame_equal(published[0], in_memory, check_exact=True)


def test_a_stage_that_does_not_fit_on_the_gpu_is_measured_on_the_cpu(tiny_network, make_benchmark, monkeypatch, caplog):
    original, devices = encoding_metric.measure, []

    def measure(features, benchmark, stage, computing):
        devices.append(torch.device(computing.device).type)
        if devices[-1] == "cuda":
            raise torch.OutOfMemoryError
        return original(features, benchmark, stage, computing)

    benchmark = make_benchmark()
    metric = Metric(measure=measure, tabulate=encoding_metric.tabulate)
    monkeypatch.setattr("evaluate.scoring.engine._float64_device", lambda _: torch.device("cuda"))
    engine = ScoringEngine(plan=ScoringPlan(benchmarks=(benchmark,), metrics={"encoding": metric}, stages=("pool0",)))
    rows = engine.score(tiny_network, benchmark, NetworkIdentity())
    assert devices == ["cuda", "cpu"]
    assert "encoding of pool0 on the CPU: the GPU is out of memory" in caplog.text
    monkeypatch.undo()
    expected = score_network(tiny_network, benchmark, stages=["pool0"], identity=NetworkIdentity())
    pd.testing.assert_frame_equal(rows, expected, check_exact=True)


def test_plans_that_cannot_work(make_benchmark):
    with pytest.raises(BenchmarkError, match="two benchmarks are named 'tiny'"):
        ScoringPlan(benchmarks=(make_benchmark(), make_benchmark()))
    with pytest.raises(BenchmarkError, match="within_category needs categories of sounds, which benchmark 'tiny'"):
        ScoringPlan(benchmarks=(make_benchmark(),), metrics=load_metrics(["within_category"]))


def test_a_metric_is_for_the_benchmarks_that_have_what_it_needs(tiny_network, make_benchmark, tmp_path):
    benchmarks = make_benchmark(), make_benchmark(num_bins=2, name="timed")
    plan = ScoringPlan(benchmarks=benchmarks, metrics=load_metrics(["dimensionality", "temporal"]), stages=("pool0",))
    assert [list(plan.metrics_on(each)) for each in benchmarks] == [["dimensionality"], ["dimensionality", "temporal"]]
    assert plan.remarks == [
        "metric temporal needs responses in time (stimuli, units, repetitions, bins), which benchmark 'tiny' does not "
        "have, and is left out there"
    ]
    published = []
    loaded = LoadedNetwork(tiny_network, IDENTITY, [])
    runs = ScoringEngine(plan=plan).run(["net"], parts=Parts(tmp_path), publish=published.append, load=lambda _: loaded)
    assert list(runs) == [[]]
    assert set(published[0][t.BENCHMARK]) == {"tiny", "timed"}
    assert set(published[0][published[0][t.METRIC] == t.TEMPORAL_R2_CORRECTED][t.BENCHMARK]) == {"timed"}
    assert [list(plan.only(["temporal"]).metrics_on(each)) for each in benchmarks] == [[], ["temporal"]]
    with pytest.raises(BenchmarkError, match="benchmark 'tiny' does not have: leave out the metric or the benchmark"):
        ScoringPlan(benchmarks=benchmarks, metrics=load_metrics(["temporal"]))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "encodings",
            r"unknown metric 'encodings' \(did you mean encoding\?\): expected encoding, rsa, dimensionality, "
            "within_category, temporal, behaviour, partition, or",
        ),
        ("nowhere:METRIC", "metric 'nowhere:METRIC': module 'nowhere' is not found"),
        ("partition:nowhere.ckpt", "metric partition:nowhere.ckpt: unknown network 'nowhere.ckpt'"),
        ("math:pi", "metric 'math:pi': expected an evaluate.Metric or a function that returns one, got a float"),
    ],
)
def test_unknown_metrics(name, message):
    with pytest.raises(MetricError, match=message):
        load_metric(name)


# A user's metric: how strongly the stage's mean activity correlates with the mean response over sounds.
def _measure(features, benchmark, stage, computing):
    response = benchmark.responses.mean(axis=(1, 2))
    return {"r": np.corrcoef(features.mean(axis=1), response)[0, 1]}


def _tabulate(results, benchmark):
    return [
        row
        for stage, arrays in results.items()
        for row in rows_of("mean_correlation", stage, {(ALL, ALL): float(arrays["r"])})
    ]


MEAN_CORRELATION = Metric(
    measure=_measure,
    tabulate=_tabulate,
    kinds=lambda benchmark: (ScoreKind.named("mean_correlation", has_best=False),),
)


def test_a_metric_of_a_user_is_one_file(tiny_network, make_benchmark):
    rows = score_network(tiny_network, make_benchmark(), metrics=["encoding", f"{__file__}:MEAN_CORRELATION"])
    own = rows[rows[t.METRIC] == "mean_correlation"]
    assert list(own[t.STAGE]) == ["relu0", "pool0", "relufc"]
    assert own[t.VALUE].between(-1, 1).all()


def test_stages_of_a_metric_of_a_user_are_shown_and_logged(tiny_network, make_benchmark, capsys):
    name = f"{__file__}:MEAN_CORRELATION"
    plan = ScoringPlan(benchmarks=(make_benchmark(),), metrics=load_metrics([name]))
    rows = ScoringEngine(plan=plan).score(tiny_network, plan.benchmarks[0], IDENTITY)
    assert list(logged_values(rows, plan.kinds)) == [
        f"brain/tiny/mean_correlation/{stage}" for stage in ("relu0", "pool0", "relufc")
    ]
    show_scores(rows, Console(width=200))
    assert "tiny: mean correlation" in capsys.readouterr().out


NAMED = Metric(
    measure=_measure,
    tabulate=_tabulate,
    kinds=lambda benchmark: (
        ScoreKind(stage_metric="mean_correlation", label="LABEL", title="TITLE", symbol="SYMBOL", name="named"),
    ),
)


def test_names_of_a_users_metric_reach_console_and_report(tiny_network, make_benchmark, tmp_path, capsys):
    plan = ScoringPlan(benchmarks=(make_benchmark(),), metrics={"named": NAMED})
    rows = ScoringEngine(plan=plan).score(tiny_network, plan.benchmarks[0], IDENTITY)
    show_scores(rows, Console(width=200), plan.kinds)
    assert "tiny: TITLE" in capsys.readouterr().out
    save_kinds(tmp_path, plan.kinds)
    assert load_kinds(tmp_path) == list(plan.kinds)
    report = write_report({"t": rows}, tmp_path, kinds=load_kinds(tmp_path))
    page = report.page.read_text()
    assert "<h3>TITLE</h3>" in page
    assert "No score at a best stage" in page
    assert "Noise-corrected" not in page
    assert {path.stem for path in report.figures} == {"tiny_named"}


def test_kinds_of_built_in_metrics_need_no_file(make_benchmark, tmp_path):
    benchmark = make_benchmark(num_bins=4, categories=tuple("abc"[i % 3] for i in range(24)))
    save_kinds(tmp_path, ScoringPlan(benchmarks=(benchmark,), metrics=load_metrics(OF_STAGES)).kinds)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "score_kinds.json").write_text("[{}")
    assert load_kinds(tmp_path) == []


def test_results_of_an_edited_metric_are_measured_again(tiny_network, make_benchmark, tmp_path):
    file = tmp_path / "my_metric.py"
    text = (
        "from evaluate import Metric, rows_of\n"
        "METRIC = Metric(\n"
        "    measure=lambda *_: {'x': VALUE},\n"
        "    tabulate=lambda results, _: [\n"
        "        row for s, a in results.items() for row in rows_of('x', s, {('all', 'all'): a['x']})\n"
        "    ],\n"
        ")\n"
    )
    loaded, published = LoadedNetwork(tiny_network, IDENTITY, []), []
    for value in (1.0, 2.0):
        file.write_text(f"VALUE = {value}\n{text}")
        sys.modules.pop(load_metric(f"{file}:METRIC").measure.__module__)
        plan = ScoringPlan(benchmarks=(make_benchmark(),), metrics=load_metrics([f"{file}:METRIC"]))
        engine = ScoringEngine(plan=plan)
        assert list(engine.run(["net"], parts=Parts(tmp_path), publish=published.append, load=lambda _: loaded)) == [[]]
        sys.modules.pop(plan.metrics[f"{file}:METRIC"].measure.__module__)
    assert [set(rows[t.VALUE]) for rows in published] == [{1.0}, {2.0}]


def _rows(**changes):
    return [{"metric": "x", "stage": "pool0", "region": "all", "subject": "all", "value": 1.0} | changes]


@pytest.mark.parametrize(
    ("measured", "tabulated", "message"),
    [
        (0.5, _rows(), "measure must return arrays by name, got a float for stage pool0"),
        ({"x": {"y": 1}}, _rows(), "measure must return numbers, but 'x' of stage pool0 has none"),
        ({"x": 1}, 3, "tabulate must return a list of rows, got a int"),
        ({"x": 1}, [], "tabulate returned no rows for benchmark 'tiny'"),
        ({"x": 1}, _rows(run="r"), "a row must have the columns metric, stage, region, subject, value, got metric"),
        ({"x": 1}, _rows() * 2, "tabulate returned two rows for x / pool0 / all / all"),
    ],
)
def test_metrics_that_return_something_else(tiny_network, make_benchmark, measured, tabulated, message):
    metric = Metric(measure=lambda *_: measured, tabulate=lambda *_: tabulated)
    with pytest.raises(MetricError, match=f"metric own: {message}"):
        score_network(tiny_network, make_benchmark(), metrics={"own": metric}, stages=["pool0"])


def test_metrics_are_given_by_name(tiny_network, make_benchmark):
    with pytest.raises(TypeError, match="put it in a list"):
        score_network(tiny_network, make_benchmark(), metrics="encoding")
    with pytest.raises(TypeError, match="a metric is named by a string, got a Metric"):
        score_network(tiny_network, make_benchmark(), metrics=[MEAN_CORRELATION])
    with pytest.raises(TypeError, match="Metric: kinds must be a function"):
        Metric(measure=_measure, tabulate=_tabulate, kinds=())
