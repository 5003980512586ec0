"""Ceilings between participants of known truth: from the metric to the table, the screen and the report."""

import io
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from rich.console import Console

from evaluate.benchmarks import Benchmark, BenchmarkError, load_benchmark
from evaluate.benchmarks.recordings.writer import write_recordings
from evaluate.commands.score import Score
from evaluate.commands.shown_scores import show_scores
from evaluate.metrics import load_metrics
from evaluate.metrics.between_participants import NUM_UNDEFINED, SCORES
from evaluate.metrics.metric import Computing
from evaluate.metrics.splits import published_splits
from evaluate.report.figures import style
from evaluate.report.report import write_report
from evaluate.scoring import table as t
from evaluate.scoring.engine import ScoringEngine
from evaluate.scoring.parts import Parts
from evaluate.scoring.plan import ScoringPlan
from evaluate.scoring.score_network import score_network
from networks import LoadedNetwork, NetworkIdentity

SHARES = {"much": 0.8, "little": 0.3, "none": 0.0}
"""Share of the variance of each region's signals that all participants have in common."""
NUM_STIMULI, NUM_UNITS = 165, 20  # units of a participant in a region


@pytest.fixture(scope="module")
def truth():
    """Three participants, and what they have in common (S, 4); region "alone" is in the first of them only."""
    rng = np.random.default_rng(0)
    common = rng.standard_normal((NUM_STIMULI, 4))
    sounds = rng.standard_normal((NUM_STIMULI, 64)).astype(np.float32)
    rows, signals = [], []
    for subject in ("s1", "s2", "s3"):
        own = rng.standard_normal((NUM_STIMULI, 4))
        for region, share in SHARES.items() | {("alone", 0.5)} if subject == "s1" else SHARES.items():
            for number in range(NUM_UNITS):
                mixed = [unit_variance(of @ rng.standard_normal(4)) for of in (common, own)]
                signals.append(np.sqrt(share) * mixed[0] + np.sqrt(1 - share) * mixed[1])
                rows.append({"unit": f"{region}{number}", "subject": subject, "region": region})
    signals = np.stack(signals, axis=1)
    responses = signals[:, :, None] + 0.3 * rng.standard_normal((*signals.shape, 3))
    benchmark = Benchmark(
        name="shared",
        version="1",
        stimulus_names=tuple(f"sound{number}" for number in range(NUM_STIMULI)),
        waveforms=lambda _, num_samples: sounds[:, :num_samples],
        responses=responses,
        units=pd.DataFrame(rows),
        noise_corrected=True,
        participant_ceiling=True,
    )
    return benchmark, common


def unit_variance(values):
    return (values - values.mean()) / values.std()


def in_time(benchmark, num_bins=6):
    """The same in time: a course that is scaled by the response, and noise in every bin."""
    rng = np.random.default_rng(1)
    courses = benchmark.responses.mean(axis=2)[:, :, None, None] * np.linspace(0.5, 1.5, num_bins)
    noise = rng.standard_normal((*benchmark.responses.shape, num_bins))
    return replace(benchmark, responses=courses + 0.5 * noise, rate_hz=3.0)


def scored(benchmark, features, metric="encoding"):
    """The rows of a network whose only stage has these features."""
    (found,) = load_metrics([metric]).values()
    arrays = {"stage": found.measure(features, benchmark, "stage", Computing())}
    rows = found.tabulate(arrays, benchmark) + found.ceiling.tabulate(
        found.ceiling.measure(benchmark, Computing()), benchmark
    )
    return t.identified(rows, benchmark.name, NetworkIdentity(run="net", step=1))


def test_the_share_that_participants_have_in_common_is_found(truth, tmp_path, monkeypatch):
    benchmark, common = truth
    table = scored(benchmark, common)
    means = t.summary_rows(table).set_index([t.METRIC, t.REGION])[t.VALUE]
    for region, share in SHARES.items():
        ceiling, score = (
            means[metric, region] for metric in (t.ENCODING_PARTICIPANT_CEILING, t.BEST_STAGE_R2_CORRECTED)
        )
        assert ceiling == pytest.approx(share, abs=0.12)
        if share > 0.5:  # what they have in common explains what they explain of each other
            assert score / ceiling == pytest.approx(1, abs=0.15)
    assert np.isnan(means[t.ENCODING_PARTICIPANT_CEILING, "alone"])
    assert means[t.ENCODING_PARTICIPANT_CEILING + NUM_UNDEFINED, "all"] == NUM_UNITS

    file = io.StringIO()
    show_scores(table, Console(file=file, width=200))
    assert "other participants" in file.getvalue()
    monkeypatch.setattr(style, "save_figure", lambda *_: [])  # drawing takes seconds
    monkeypatch.setattr(style, "figure_bytes", lambda *_: b"<svg/>")
    page = re.sub(r"\s+", " ", write_report({"t": table}, tmp_path).page.read_text())
    shares = page.partition("share of what other participants explain")[2].partition("</table>")[0]
    assert "net" in shares
    assert f"{means[t.BEST_STAGE_R2_CORRECTED, 'much'] / means[t.ENCODING_PARTICIPANT_CEILING, 'much']:.3f}" in shares
    assert "share of the reliable variance" in page
    assert f"Without such a ceiling: {NUM_UNITS} units" in page


def test_responses_in_time_have_a_ceiling_too(truth):
    benchmark = in_time(truth[0])
    ceiling = load_metrics(["temporal"])["temporal"].ceiling
    arrays = ceiling.measure(benchmark, Computing(splits=published_splits(NUM_STIMULI, num_splits=2)))
    rows = t.identified(ceiling.tabulate(arrays, benchmark), benchmark.name, NetworkIdentity())
    means = t.summary_rows(rows).set_index([t.METRIC, t.REGION])[t.VALUE]
    values = [means[t.TEMPORAL_PARTICIPANT_CEILING, region] for region in SHARES]
    assert values == sorted(values, reverse=True)
    assert values[0] > 0.4
    assert values[-1] < 0.1


def test_the_engine_measures_it_once_for_all_networks(truth, tiny_network, tmp_path, monkeypatch):
    benchmark = truth[0]
    metrics = load_metrics(["encoding"])
    calls = []
    ceiling = metrics["encoding"].ceiling
    counted = replace(
        ceiling, measure=lambda *given: calls.append(1) or {SCORES: np.full((benchmark.num_units, 10), 0.5)}
    )
    metrics["encoding"] = replace(metrics["encoding"], ceiling=counted)
    plan = ScoringPlan(benchmarks=(benchmark,), metrics=metrics, stages=("relufc",))
    engine = ScoringEngine(plan=plan)
    in_memory = [engine.score(tiny_network, benchmark, NetworkIdentity(run=run)) for run in "ab"]
    published = []
    loaded = [LoadedNetwork(tiny_network, NetworkIdentity(run=run), []) for run in "ab"]
    runs = engine.run("01", parts=Parts(tmp_path), publish=published.append, load=lambda name: loaded[int(name)])
    assert list(runs) == [[], []]
    assert len(calls) == 2, "once in memory, once by name"
    for expected, found in zip(in_memory, published, strict=True):
        pd.testing.assert_frame_equal(found, expected, check_exact=True)
        assert (found[t.METRIC] == t.ENCODING_PARTICIPANT_CEILING).any()


def test_only_benchmarks_that_ask_for_it_have_one(truth, tiny_network):
    torch.manual_seed(0)
    table = score_network(tiny_network, replace(truth[0], participant_ceiling=False), stages=["relufc"])
    assert not table[t.METRIC].str.contains("ceiling").any()


def test_it_needs_voxels_of_two_participants(truth):
    benchmark = truth[0]
    for changes in ({"unit_kind": "component"}, {"units": benchmark.units.assign(subject="s1", unit=range(200))}):
        with pytest.raises(BenchmarkError, match="needs units of two subjects or more"):
            replace(benchmark, **changes)


def test_files_and_options_ask_for_it(make_benchmark, tmp_path):
    sounds = np.random.default_rng(0).standard_normal((24, 40_000)).astype(np.float32)
    benchmark = make_benchmark(participant_ceiling=True, waveforms=lambda *_: sounds)
    write_recordings(benchmark, tmp_path / "mine.zip")
    assert load_benchmark(tmp_path / "mine.zip").participant_ceiling
    write_recordings(replace(benchmark, participant_ceiling=False), tmp_path / "other.zip")
    options = {"networks": ["SpectroTemporal"], "benchmark": [str(tmp_path / "other.zip")]}
    assert not Score(**options).make_plan().benchmarks[0].participant_ceiling
    assert Score(**options, participant_ceiling=True).make_plan().benchmarks[0].participant_ceiling
