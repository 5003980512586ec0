"""Which stage is the best, and scores of splits at stages that they did not select."""

import io

import numpy as np
import pytest
from rich.console import Console

from evaluate.benchmarks.benchmark import ALL
from evaluate.commands.shown_scores import show_scores
from evaluate.metrics import load_metric
from evaluate.metrics.best_rows import selection_shares
from evaluate.metrics.best_stage import best_stage, scores_of_splits
from evaluate.metrics.encoding.encoding_metric import CORRECTED, NUM_SOUNDS, NUM_TIES, R2, RAW
from evaluate.metrics.metric import share_of
from evaluate.metrics.rsa import SIMILARITY
from evaluate.metrics.selected_stage import has_choice, has_one_stage, selected_stages
from evaluate.report.report import write_report
from evaluate.scoring import table as t
from networks import NetworkIdentity

STAGES = ("relu0", "relu1", "relu2")


def table_of(metric, results, benchmark):
    return t.identified(load_metric(metric).tabulate(results, benchmark), benchmark.name, NetworkIdentity(run="r"))


def encoding_results(scores):
    return {
        stage: {R2: scores[:, number], NUM_TIES: np.array(0), NUM_SOUNDS: np.array([12.0, 12.0])}
        for number, stage in enumerate(STAGES)
    }


def scores_with_best(places):
    """(V, stages, 10) noise, in which stage `places[v]` is far above the others."""
    scores = np.random.default_rng(0).uniform(0, 0.1, (len(places), len(STAGES), 10))
    scores[np.arange(len(places)), places] += 0.5
    return scores


def test_the_best_stage_of_regions_is_named(make_benchmark):
    """Units 0, 2, 4 are in region B, 1, 3, 5 in A; the first three are those of a subject."""
    benchmark = make_benchmark()
    table = table_of("encoding", encoding_results(scores_with_best([2, 1, 2, 1, 2, 0])), benchmark)
    found = selected_stages(table, CORRECTED)
    assert found["B"] == ("relu2", 2, 1.0)
    assert (found["A"].name, found["A"].place) == ("relu1", 1)
    assert found["A"].share == pytest.approx(0.75)  # the only unit of one subject, half of the units of the other
    assert found[ALL].name == "relu2"
    assert found[ALL].share == pytest.approx((2 / 3 + 1 / 3) / 2)
    shares = table[table[t.METRIC] == CORRECTED.share_metric]
    np.testing.assert_allclose(shares.groupby([t.REGION, t.SUBJECT])[t.VALUE].sum(), 1.0)
    assert has_choice(table, CORRECTED)
    assert selected_stages(table, RAW) == {}
    assert selected_stages(table[table[t.METRIC] != CORRECTED.share_metric], CORRECTED) == {}  # an older table


def test_with_one_stage_the_table_says_that_none_is_selected(make_benchmark, tmp_path):
    scores, benchmark = scores_with_best([2, 1, 2, 1, 2, 0]), make_benchmark()
    several = encoding_results(scores)
    texts = []
    for results in (several, {"relu0": several["relu0"]}):
        table = table_of("encoding", results, benchmark)
        assert has_one_stage(table, CORRECTED) == (len(results) == 1)
        assert not has_one_stage(table, SIMILARITY)  # it is not in the table
        file = io.StringIO()
        show_scores(table, Console(file=file, width=200))
        write_report({"mine": table}, tmp_path)
        texts.append(f"{file.getvalue()} {(tmp_path / 'report.html').read_text()}")
    assert [" ".join(text.split()).count("A network with one stage has none to select") for text in texts] == [0, 2]


def test_components_without_a_defined_score_have_no_best_stage(make_benchmark):
    units = make_benchmark().units.assign(subject=ALL, region=[f"comp{i}" for i in range(6)])
    benchmark = make_benchmark(units=units, unit_kind="component", noise_corrected=False)
    scores = scores_with_best([0, 1, 2, 0, 1, 2])
    scores[5] = np.nan
    table = table_of("encoding", encoding_results(scores), benchmark)
    found = selected_stages(table, RAW)
    assert {region: stage.name for region, stage in found.items() if region != ALL} == {
        f"comp{i}": STAGES[i % 3] for i in range(5)
    }
    numbers = table.set_index(t.METRIC)[t.VALUE]
    assert (numbers[t.NUM_TRAIN_SOUNDS], numbers[t.NUM_TEST_SOUNDS]) == (12, 12)
    of_splits = table[table[t.SUBJECT].str.startswith(t.SPLIT) & (table[t.REGION] == "comp1")]
    np.testing.assert_allclose(of_splits[t.VALUE], scores[1, 1])  # always at its best stage


def test_the_best_stage_of_similarity_is_named(make_benchmark):
    benchmark = make_benchmark()
    train = {stage: np.full((2, 10), 0.1) for stage in STAGES}
    train["relu1"][0] = 0.5
    train["relu2"][1, :7] = 0.5
    train["relu0"][1, 7:] = 0.5
    results = {
        stage: {"train_similarity": train[stage], "test_similarity": train[stage], "ceiling": np.zeros(2)}
        for stage in STAGES
    }
    table = table_of("rsa", results, benchmark)
    assert selected_stages(table, SIMILARITY) == {ALL: ("relu1", 1, 0.5)}
    shares = table[(table[t.METRIC] == share_of(t.BEST_STAGE_RSA)) & (table[t.SUBJECT] == "s2")]
    np.testing.assert_allclose(shares[t.VALUE], [0.3, 0.0, 0.7])


def test_shares_of_selections():
    np.testing.assert_allclose(selection_shares(np.array([[0, 2], [2, -1]]), 3), [1 / 3, 0, 2 / 3])
    assert np.isnan(selection_shares(np.array([-1, -1]), 3)).all()


def test_splits_are_scored_at_stages_that_others_selected():
    scores = np.random.default_rng(0).standard_normal((4, 3, 10))
    scores[0] = np.nan
    scores[1, :, 3] = np.nan
    best = best_stage(scores, np.array(list("abcd")), clip=False)
    found = scores_of_splits(scores, best)
    assert np.isnan(found[0]).all()
    assert np.isnan(found[1, 3])
    for unit in (1, 2, 3):
        for split in range(10):
            # One of the scores of the stages, or a mean over iterations that chose different ones.
            of_split = scores[unit, :, split]
            is_between = of_split.min() - 1e-12 <= found[unit, split] <= of_split.max() + 1e-12
            assert np.isnan(found[unit, split]) or is_between
    # With one stage there is no choice: every split has its own score.
    one = scores[2:, :1]
    np.testing.assert_allclose(scores_of_splits(one, best_stage(one, np.array(["c", "d"]), clip=False)), one[:, 0])
