"""Metrics with schedules of their own while a network trains: when each is computed, logged, resumed."""

import numpy as np
import pandas as pd
import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.loggers import CSVLogger

from evaluate.benchmarks import BENCHMARKS
from evaluate.callback.callback import BrainScoreCallback
from evaluate.callback.evaluation_schedule import EvaluationSchedule
from evaluate.callback.metric_schedules import metric_names, metric_schedules
from evaluate.metrics import MetricError, load_metric
from evaluate.metrics.temporal import temporal_metric
from evaluate.scoring import table as t
from tests.helpers.metric_names import EVERY_METRIC
from train.run.brain_monitor import score_at

NUM_STEPS = 4  # optimiser steps of an epoch
UNIQUE = "partition_unique_r2_corrected/untrained-self"
ROWS = {
    "encoding": t.ENCODING_R2_CORRECTED,
    "rsa": t.RSA,
    "dimensionality": t.EFFECTIVE_DIMENSIONALITY,
    "temporal": t.TEMPORAL_R2_CORRECTED,
    "partition": UNIQUE,
}


@pytest.fixture(autouse=True)
def two_benchmarks(make_benchmark, monkeypatch):
    """One without time, one in time with categories."""
    monkeypatch.setitem(BENCHMARKS, "tiny", lambda: make_benchmark())
    timed = {"num_bins": 2, "name": "timed", "categories": tuple("ab"[i % 2] for i in range(24))}
    monkeypatch.setitem(BENCHMARKS, "timed", lambda: make_benchmark(**timed))


def brain(*metrics, benchmarks=("tiny",), **changes):
    return BrainScoreCallback(benchmarks, metrics=metrics, **{"figures": False, "stages": ["pool0"], **changes})


def steps_by_metric(path):
    table = t.read_table(path / t.SCORES_FILE)
    return {
        name: sorted(set(table[table[t.METRIC] == metric][t.STEP]))
        for name, metric in ROWS.items()
        if (table[t.METRIC] == metric).any()
    }


def test_settings_are_those_of_the_callback():
    default = EvaluationSchedule(every_n_epochs=2, at_steps=frozenset({0, 3}), at_start=True, at_end=True)
    found = metric_schedules(
        [
            "encoding",
            {"name": "rsa", "every_n_steps": 5},
            {"name": "dimensionality", "every_n_epochs": 0, "at_start": False},
            {"name": "temporal", "log_spaced": [1, 100, 3], "at_end": False},
            {"name": "partition", "at_start": False, "every_n_steps": None},
        ],
        default,
    )
    ends = {"at_start": True, "at_end": True}
    assert found == {
        "encoding": default,
        "rsa": EvaluationSchedule(every_n_steps=5, **ends),
        "dimensionality": EvaluationSchedule(at_end=True),
        "temporal": EvaluationSchedule(at_steps=frozenset({1, 10, 100}), at_start=True),
        "partition": EvaluationSchedule(every_n_epochs=2, at_steps=frozenset({3}), at_end=True),
    }
    assert metric_names(["encoding", {"name": "rsa", "every_n_steps": 5}]) == ["encoding", "rsa"]


@pytest.mark.parametrize(
    ("metrics", "message"),
    [
        ([{"every_n_epochs": 2}], "expected a metric as a name or as {name: NAME, every_n_epochs: 10}, got {'every"),
        ([3], "got 3"),
        ([{"name": "rsa", "every": 2}], "metric rsa: unknown setting 'every'; known are every_n_epochs, every_n_"),
        ([{"name": "rsa", "every_n_epochs": -1}], "metric rsa: every_n_epochs must be 0"),
        ([{"name": "rsa", "at_steps": 3}], "metric rsa: "),
        (["rsa", {"name": "rsa", "every_n_epochs": 1}], "metric 'rsa' is named twice"),
    ],
)
def test_settings_that_cannot_be(metrics, message):
    with pytest.raises(MetricError) as raised:
        metric_schedules(metrics, EvaluationSchedule())
    assert message in str(raised.value)


def test_each_metric_is_computed_on_its_schedule_and_the_trained_network_with_all(fit, tmp_path):
    logger = CSVLogger(tmp_path, name="csv", version="")
    scoring = brain(
        "encoding",
        {"name": "rsa", "every_n_epochs": 2, "at_start": False},
        {"name": "dimensionality", "log_spaced": [1, 8, 4]},
        {"name": "temporal", "every_n_epochs": 0},
        {"name": "partition:untrained:self", "at_steps": [6], "at_start": False},
        benchmarks=["tiny", "timed"],
    )
    _, trainer = fit(scoring, epochs=3, logger=logger)
    expected = {
        "encoding": [0, 4, 8, 12],
        "rsa": [8, 12],
        "dimensionality": [0, 1, 2, 4, 8, 12],
        "temporal": [0, 12],
        "partition": [6, 12],
    }
    assert steps_by_metric(tmp_path / "run") == expected
    table = t.read_table(tmp_path / "run" / t.SCORES_FILE)
    assert set(table[table[t.METRIC].str.startswith("temporal")][t.BENCHMARK]) == {"timed"}
    assert not table.duplicated(list(t.KEY_COLUMNS)).any()
    logged = pd.read_csv(tmp_path / "csv" / "metrics.csv")
    for name, steps in {
        "tiny/best": expected["encoding"],
        "tiny/rsa/best": expected["rsa"],
        "tiny/dimensionality/pool0": expected["dimensionality"],
        "timed/temporal/best": expected["temporal"],
        "timed/partition_untrained-self/best": expected["partition"],
        "timed/partition_untrained-self/all": expected["partition"],
    }.items():
        assert sorted(set(logged.dropna(subset=f"brain/{name}")["step"])) == steps, name
    assert all(np.isfinite(trainer.callback_metrics[f"brain/{name}"]) for name in ("tiny/best", "timed/temporal/best"))


def test_a_score_has_the_step_of_its_own_metric(fit):
    seen = []

    class Look(pl.Callback):
        def on_train_epoch_start(self, trainer, pl_module):
            seen.append([score_at(f"brain/tiny/{name}", trainer)[0] for name in ("best", "rsa/best")])

    scoring = brain("encoding", {"name": "rsa", "every_n_epochs": 2, "at_start": False})
    fit(scoring, Look(), epochs=4)
    assert seen == [[0, -1], [4, -1], [8, 8], [12, 8]]
    assert (scoring.last_step, scoring.step_of("brain/tiny/pool0"), scoring.step_of("brain/nowhere")) == (16, 16, -1)


def test_training_is_bitwise_the_same_with_every_metric(fit):
    plain, _ = fit()
    names = [name for name in EVERY_METRIC if not load_metric(name).of_heads]
    metrics = [{"name": name, "every_n_steps": number % 3 + 1} for number, name in enumerate(names)]
    scored, _ = fit(brain(*metrics, benchmarks=["timed"], on_error="raise"))
    for name, value in plain.state_dict().items():
        assert torch.equal(value, scored.state_dict()[name]), name


def test_a_metric_that_raises_is_no_loss_of_the_others(fit, tmp_path, monkeypatch, caplog):
    def broken(*_, **__):
        torch.rand(1)
        raise RuntimeError("no course today")

    plain, _ = fit(folder="plain")
    monkeypatch.setattr(temporal_metric, "_encoded", broken)
    scored, _ = fit(brain("encoding", "temporal", "rsa", benchmarks=["timed"]))
    assert steps_by_metric(tmp_path / "run") == {"encoding": [0, 4, 8], "rsa": [0, 4, 8]}
    table = t.read_table(tmp_path / "run" / t.SCORES_FILE)
    assert sorted(table[table[t.METRIC] == t.FAILED][t.STEP]) == [0, 4, 8]
    assert "scoring timed with temporal at step 8 failed" in caplog.text
    assert all(torch.equal(value, scored.state_dict()[name]) for name, value in plain.state_dict().items())


class Killed(Exception):
    """Stands for the end of a process."""


class Kill(pl.Callback):
    def __init__(self, step):
        self.step = step

    def on_train_batch_start(self, trainer, *_):
        if trainer.global_step == self.step:
            raise Killed


def test_killed_and_resumed_is_as_if_it_had_not_been(fit, tmp_path):
    """Also metrics that were due at the checkpoint's own step, after the checkpoint was saved."""

    def watched():
        return brain(
            "encoding",
            {"name": "rsa", "every_n_steps": 3},
            {"name": "temporal", "at_steps": [3, 5]},
            {"name": "partition:untrained:self", "every_n_epochs": 0, "at_start": False},
            benchmarks=["timed"],
        )

    whole, _ = fit(watched(), folder="whole")
    keep = ModelCheckpoint(tmp_path / "kept", filename="{step}", save_top_k=-1, every_n_train_steps=3)
    with pytest.raises(Killed):
        fit(watched(), keep, Kill(7))
    path = tmp_path / "run" / t.SCORES_FILE
    table = t.read_table(path)
    assert steps_by_metric(tmp_path / "run") == {"encoding": [0, 4], "rsa": [0, 3, 6], "temporal": [0, 3, 5]}
    # As if the process had been killed while the table of the checkpoint's step was written.
    lost = (table[t.STEP] == 3) & table[t.METRIC].str.contains("temporal")
    table[~lost].to_csv(path, index=False, na_rep="nan")
    resumed, _ = fit(watched(), ckpt_path=str(tmp_path / "kept" / "step=3.ckpt"))
    after, expected = (t.read_table(tmp_path / folder / t.SCORES_FILE) for folder in ("run", "whole"))
    assert steps_by_metric(tmp_path / "run") == {
        "encoding": [0, 4, 8],
        "rsa": [0, 3, 6, 8],
        "temporal": [0, 3, 5, 8],
        "partition": [8],
    }
    keys = [name for name in t.KEY_COLUMNS if name != t.RUN]
    merged = after.merge(expected, on=keys, how="outer", suffixes=("", "_whole"), indicator=True)
    assert set(merged["_merge"]) == {"both"}
    first = merged[t.STEP] <= 3  # later ones are those of other weights: the order of batches is not restored here
    np.testing.assert_array_equal(merged[first][t.VALUE], merged[first]["value_whole"])
    assert resumed.network.conv.weight.shape == whole.network.conv.weight.shape


def test_states_of_earlier_versions_have_one_step():
    scoring = brain("encoding", "rsa")
    scoring.load_state_dict({"last_step": 8, "values": {"brain/tiny/best": 0.5}})
    state = {"last_steps": {"encoding": 8, "rsa": 8}, "values": {"brain/tiny/best": 0.5}, "training": ""}
    assert scoring.state_dict() == state
