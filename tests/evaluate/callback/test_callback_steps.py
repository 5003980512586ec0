"""The callback between the ends of epochs: by steps, at the end, resumed in the middle, stopping early."""

import numpy as np
import pandas as pd
import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import ModelCheckpoint

from evaluate.benchmarks import BENCHMARKS
from evaluate.callback import callback as callback_module
from evaluate.callback.callback import BrainScoreCallback
from evaluate.callback.evaluation_schedule import log_spaced_steps, make_schedule
from evaluate.scoring import table as t
from evaluate.scoring.engine import ScoringEngine
from evaluate.scoring.score_network import score_network
from networks import NetworkIdentity
from train.errors import TrainingError
from train.run.checkpoints.run_checkpoint import RunCheckpoint, best_mode
from train.run.early_stopping import StopByBrainScore

NUM_STEPS = 4  # optimiser steps of an epoch
MONITOR = "brain/tiny/best"


@pytest.fixture(autouse=True)
def tiny_benchmark(make_benchmark, monkeypatch):
    """Of few numbers: when it is scored matters here, not what."""
    monkeypatch.setitem(BENCHMARKS, "tiny", lambda: make_benchmark(num_units=2, num_repetitions=1))


def brain(**changes):
    return BrainScoreCallback(["tiny"], **{"figures": False, "stages": ["pool0"], **changes})


def table_of(path):
    return t.read_table(path / t.SCORES_FILE)


def steps_of(path):
    return list(dict.fromkeys(table_of(path)[t.STEP]))


def best_of(path):
    rows = table_of(path)
    chosen = rows[t.METRIC].isin(t.BEST_METRICS) & (rows[t.REGION] == "all") & (rows[t.SUBJECT] == "all")
    return rows[chosen].set_index(t.STEP)[t.VALUE]


def assert_same_weights(one, other):
    for name, value in one.state_dict().items():
        assert torch.equal(value, other.state_dict()[name]), name


class Killed(Exception):
    """Stands for the end of a process."""


class Kill(pl.Callback):
    """Ends training in a hook of a step."""

    def __init__(self, step, hook="on_train_batch_start"):
        def die(trainer, *_):
            if trainer.global_step == step:
                raise Killed

        setattr(self, hook, die)


def test_log_spaced_steps():
    assert log_spaced_steps(1, 1000, 4) == (1, 10, 100, 1000)
    assert log_spaced_steps(1, 8, 8) == (1, 2, 3, 4, 6, 8)  # 1.3 and 1.8 round to neighbours
    steps = log_spaced_steps(10, 100_000, 21)
    assert (steps[0], steps[-1], len(steps)) == (10, 100_000, 21)
    ratios = np.diff(np.log(steps))
    assert np.abs(ratios - ratios.mean()).max() < 0.05


@pytest.mark.parametrize(
    ("options", "steps", "epochs"),
    [
        ({}, [], [1, 2, 3, 4, 5, 6]),
        ({"every_n_epochs": 2}, [], [2, 4, 6]),
        ({"every_n_steps": 3}, [3, 6], []),
        ({"every_n_steps": 3, "every_n_epochs": 4}, [3, 6], [4]),
        ({"at_steps": [5, 0, 2]}, [0, 2, 5], []),
        ({"log_spaced": [1, 4, 3], "at_steps": [6]}, [1, 2, 4, 6], []),
        ({"every_n_epochs": 0}, [], []),
    ],
)
def test_schedules(options, steps, epochs):
    schedule = make_schedule(**options)
    assert [step for step in range(7) if schedule.is_after_step(step)] == steps
    assert [epoch for epoch in range(7) if schedule.is_after_epoch(epoch)] == epochs


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"every_n_steps": -1}, "every_n_steps must be 0"),
        ({"at_steps": [-3]}, "at_steps must be 0"),
        ({"log_spaced": [1, 10]}, r"expected log_spaced \[first, last, number\], got \[1, 10\]"),
        ({"log_spaced": [0, 10, 3]}, "1 <= first < last"),
        ({"log_spaced": [10, 10, 3]}, "1 <= first < last"),
    ],
)
def test_schedules_that_cannot_be(options, message):
    with pytest.raises(ValueError, match=message):
        BrainScoreCallback(["tiny"], **options)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"every_n_steps": 3}, [0, 3, 6, 8]),
        ({"every_n_steps": 3, "at_end": False, "at_start": False}, [3, 6]),
        ({"at_steps": [2, 5], "at_end": False, "at_start": False}, [2, 5]),
        ({"at_steps": [0, 4], "at_end": False, "at_start": False}, [0, 4]),
        ({"log_spaced": [1, 8, 4], "at_start": False}, [1, 2, 4, 8]),
        ({"every_n_steps": 3, "every_n_epochs": 1}, [0, 3, 4, 6, 8]),
    ],
)
def test_when_scores_are_taken(fit, tmp_path, options, expected):
    fit(brain(**options))
    assert steps_of(tmp_path / "run") == expected
    table = table_of(tmp_path / "run")
    assert (table[t.EPOCH] == table[t.STEP] // NUM_STEPS).all()
    assert not table.duplicated(list(t.KEY_COLUMNS)).any()


@pytest.mark.parametrize("last", [6, 8])
def test_a_pass_that_is_broken_off_is_not_counted(fit, tmp_path, last):
    fit(brain(every_n_epochs=0), epochs=-1, max_steps=last)
    assert steps_of(tmp_path / "run") == [0, last]
    assert set(table_of(tmp_path / "run")[t.EPOCH]) == {0, last // NUM_STEPS}


def test_steps_are_those_of_the_optimiser(fit, tmp_path, monkeypatch):
    calls = []
    original = ScoringEngine._tabulate
    monkeypatch.setattr(ScoringEngine, "_tabulate", lambda *args: calls.append(args[-1].step) or original(*args))
    fit(brain(every_n_steps=1, at_start=False), accumulate_grad_batches=2)
    assert calls == [1, 2, 3, 4]


def test_training_is_bitwise_the_same_when_scored_within_epochs(fit, monkeypatch):
    plain, _ = fit()

    def spoil(*args, **kwargs):
        torch.manual_seed(0)
        np.random.seed(0)  # noqa: NPY002
        return original(*args, **kwargs)

    original = ScoringEngine._measure
    monkeypatch.setattr(ScoringEngine, "_measure", spoil)
    scored, _ = fit(brain(every_n_steps=1))
    assert_same_weights(plain, scored)

    def fail(*args, **kwargs):
        torch.rand(1)
        raise RuntimeError("broken")

    monkeypatch.setattr(ScoringEngine, "_measure", fail)
    failed, _ = fit(brain(every_n_steps=1))
    assert_same_weights(plain, failed)


def test_accumulated_gradients_survive_an_evaluation(fit):
    plain, _ = fit(accumulate_grad_batches=3)
    scored, _ = fit(brain(every_n_steps=1), accumulate_grad_batches=3)
    assert_same_weights(plain, scored)


def test_a_checkpoint_within_an_epoch_gives_the_numbers_of_the_callback(fit, tmp_path, tiny_network_class):
    keep = ModelCheckpoint(tmp_path / "ckpt", filename="{step}", save_top_k=-1, every_n_train_steps=3)
    fit(keep, brain(every_n_steps=3, batch_size=5))
    table = table_of(tmp_path / "run")
    for step in (3, 6):
        saved = torch.load(tmp_path / "ckpt" / f"step={step}.ckpt", weights_only=True)
        network = tiny_network_class()
        network.load_state_dict({k.removeprefix("network."): v for k, v in saved["state_dict"].items()})
        identity = NetworkIdentity(run="run", step=step, epoch=step // NUM_STEPS)
        rows = score_network(network, BENCHMARKS["tiny"](), stages=["pool0"], batch_size=5, identity=identity)
        pd.testing.assert_frame_equal(table[table[t.STEP] == step].reset_index(drop=True), rows, check_exact=True)


def test_checkpoints_are_chosen_by_a_score_within_epochs(fit, tmp_path):
    best = ModelCheckpoint(tmp_path / "ckpt", monitor=MONITOR, mode="max", every_n_train_steps=3)
    fit(best, brain(every_n_steps=3, at_start=False, at_end=False), epochs=3)
    scores = best_of(tmp_path / "run")
    assert list(scores.index) == [3, 6, 9, 12]
    assert best.best_model_score.item() == pytest.approx(scores.max(), rel=1e-6)
    assert f"step={scores.idxmax()}" in best.best_model_path


def test_before_the_first_evaluation_there_is_no_best_network(fit, tmp_path):
    """NaN: kept as the only one there is, and given up for the first that has a score."""
    best = ModelCheckpoint(tmp_path / "ckpt", filename="{step}", monitor=MONITOR, mode="max", every_n_epochs=1)
    seen = []

    class Watch(pl.Callback):
        def on_train_epoch_start(self, trainer, pl_module):
            seen.append(best.best_model_score)

    fit(best, Watch(), brain(every_n_epochs=3, at_start=False, at_end=False), epochs=4)
    assert seen[:2] == [None, -np.inf]
    scores = best_of(tmp_path / "run")
    assert list(scores.index) == [12]
    assert best.best_model_score.item() == pytest.approx(scores[12], rel=1e-6)
    assert [path.name for path in (tmp_path / "ckpt").iterdir()] == ["step=12.ckpt"]


def test_the_score_at_a_foreseen_end_comes_in_time_to_choose_by(fit, tmp_path):
    best = ModelCheckpoint(tmp_path / "ckpt", filename="{step}", monitor=MONITOR, mode="max", every_n_epochs=1)
    fit(best, brain(every_n_epochs=0, at_start=False), epochs=2)
    assert best.best_model_score.item() == pytest.approx(best_of(tmp_path / "run")[8], rel=1e-6)
    assert [path.name for path in (tmp_path / "ckpt").iterdir()] == ["step=8.ckpt"]
    _, trainer = fit(brain(every_n_epochs=0, at_start=False), epochs=-1, max_steps=6, folder="steps")
    assert steps_of(tmp_path / "steps") == [6]
    assert MONITOR in trainer.callback_metrics


def resume_from(path):
    return str(path / "ckpt" / "last.ckpt")


@pytest.fixture
def keep(tmp_path):
    def make(every_n_train_steps=1, folder="ckpt"):
        return ModelCheckpoint(tmp_path / folder, filename="last", every_n_train_steps=every_n_train_steps)

    return make


@pytest.mark.parametrize(("saved_every", "killed_at"), [(1, 5), (4, 7)])
def test_killed_in_the_middle_and_resumed(fit, keep, tmp_path, saved_every, killed_at):
    """Rows are those of the undisturbed run, in their order, each once."""
    fit(keep(saved_every, "other"), brain(every_n_steps=3), folder="whole/run", epochs=3)
    with pytest.raises(Killed):
        fit(keep(saved_every), Kill(killed_at), brain(every_n_steps=3), epochs=3)
    assert steps_of(tmp_path / "run")[-1] == 3 * (killed_at // 3)
    fit(keep(saved_every), brain(every_n_steps=3), epochs=3, ckpt_path=resume_from(tmp_path))
    whole, resumed = table_of(tmp_path / "whole" / "run"), table_of(tmp_path / "run")
    columns = [name for name in t.COLUMNS if name != t.VALUE]  # the RNG is not restored here: values differ
    pd.testing.assert_frame_equal(resumed[columns], whole[columns])


def test_saved_before_the_callbacks_turn_the_step_is_scored_on_resuming(fit, tmp_path):
    class SaveAndDie(pl.Callback):
        def on_train_batch_end(self, trainer, *_):
            if trainer.global_step == 3:
                trainer.save_checkpoint(resume_from(tmp_path))
                raise Killed

    with pytest.raises(Killed):
        fit(SaveAndDie(), brain(every_n_steps=3))
    assert steps_of(tmp_path / "run") == [0]
    fit(brain(every_n_steps=3), ckpt_path=resume_from(tmp_path))
    assert steps_of(tmp_path / "run") == [0, 3, 6, 8]
    table = table_of(tmp_path / "run")
    assert (table[t.EPOCH] == table[t.STEP] // NUM_STEPS).all()


def test_saved_at_an_epochs_last_batch_the_epoch_is_scored_on_resuming(fit, tmp_path):
    class SaveAndDie(pl.Callback):
        def on_train_batch_end(self, trainer, *_):
            if trainer.global_step == 4:
                trainer.save_checkpoint(resume_from(tmp_path))

        def on_train_epoch_end(self, trainer, *_):
            raise Killed

    with pytest.raises(Killed):
        fit(SaveAndDie(), brain())
    assert steps_of(tmp_path / "run") == [0]
    fit(brain(), ckpt_path=resume_from(tmp_path))
    assert steps_of(tmp_path / "run") == [0, 4, 8]
    table = table_of(tmp_path / "run")
    assert (table[t.EPOCH] == table[t.STEP] // NUM_STEPS).all()


def test_lost_rows_of_the_checkpoints_step_are_scored_again(fit, keep, tmp_path):
    with pytest.raises(Killed):
        fit(keep(), Kill(3), brain(every_n_steps=3))
    (tmp_path / "run" / t.SCORES_FILE).unlink()
    fit(brain(every_n_steps=3, at_end=False), ckpt_path=resume_from(tmp_path))
    assert steps_of(tmp_path / "run") == [3, 6]


def test_rows_beyond_the_checkpoint_are_dropped_those_of_others_stay(fit, keep, tmp_path, caplog):
    fit(keep(4), brain(every_n_steps=2))
    path = tmp_path / "run" / t.SCORES_FILE
    others = [t.failed_row("tiny", NetworkIdentity(run=run, step=step)) for run, step in (("other", 100), ("run", 100))]
    of_checkpoint = t.failed_row("tiny", NetworkIdentity(run="run", checkpoint="checkpoints/step-99.ckpt", step=99))
    t.append_rows(path, pd.concat([*others, of_checkpoint]))
    fit(brain(every_n_steps=5, at_end=False), epochs=3, ckpt_path=resume_from(tmp_path))
    table = table_of(tmp_path / "run")
    assert list(dict.fromkeys(zip(table[t.RUN], table[t.STEP], strict=True))) == [
        *(("run", step) for step in (0, 2, 4, 6, 8)),
        ("other", 100),
        ("run", 10),
    ]


def test_rows_that_could_not_be_written_come_with_the_next(fit, tmp_path, monkeypatch, caplog):
    original, calls = t.append_rows, []

    def full_once(path, rows):
        calls.append(1)
        if len(calls) == 2:
            raise OSError("no space left on device")
        return original(path, rows)

    monkeypatch.setattr(t, "append_rows", full_once)
    fit(brain(every_n_steps=3))
    assert "writing brain scores failed" in caplog.text
    assert steps_of(tmp_path / "run") == [0, 3, 6, 8]


def stop_with(monkeypatch, values):
    """Makes evaluations give these scores, in turn."""
    original, scores = callback_module.logged_values, iter(values)
    monkeypatch.setattr(callback_module, "logged_values", lambda *args: original(*args) | {MONITOR: next(scores)})


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.1, 0.2, 0.15, 0.2], 16),  # two evaluations without a rise
        ([float("nan"), 0.2, float("nan"), 0.1, 0.1], 20),  # those that failed do not count
        ([0.1, 0.2, 0.3, 0.4, 0.5], 20),
    ],
)
def test_patience_counts_evaluations(fit, tmp_path, monkeypatch, values, expected):
    """The first is of the untrained network."""
    stop_with(monkeypatch, [9.0, *values])
    _, trainer = fit(StopByBrainScore(MONITOR, patience=2), brain(every_n_epochs=1), epochs=5)
    assert trainer.global_step == expected


def test_epochs_without_an_evaluation_do_not_count(fit, tmp_path, monkeypatch):
    stop_with(monkeypatch, [0.3, 0.2, 0.1])
    stopping = StopByBrainScore(MONITOR, patience=2)
    scoring = brain(every_n_epochs=2, at_start=False, at_end=False)
    _, trainer = fit(stopping, scoring, epochs=9)
    assert trainer.global_step == 6 * NUM_STEPS
    assert stopping.stopping_reason_message == "brain/tiny/best has not risen above 0.300 in 2 evaluations"


def test_training_stops_within_an_epoch(fit, monkeypatch):
    stop_with(monkeypatch, [0.3, 0.2, 0.1])
    _, trainer = fit(StopByBrainScore(MONITOR, patience=2), brain(every_n_steps=2, at_start=False), epochs=9)
    assert trainer.global_step in (6, 7)  # 7 where the callback comes before the evaluation


def test_patience_goes_on_after_resuming(fit, keep, tmp_path, monkeypatch):
    stop_with(monkeypatch, [0.3, 0.2, 0.1])
    scoring = {"every_n_steps": 3, "at_start": False}
    with pytest.raises(Killed):
        fit(StopByBrainScore(MONITOR, patience=2), keep(), Kill(7), brain(**scoring), epochs=9)
    _, trainer = fit(
        StopByBrainScore(MONITOR, patience=2), keep(), brain(**scoring), epochs=9, ckpt_path=resume_from(tmp_path)
    )
    assert trainer.global_step in (9, 10)


@pytest.mark.parametrize(
    ("scoring", "scores", "cadence", "expected"),
    [
        ({"every_n_epochs": 2}, [9.0, 0.2, 0.1], {}, {8: 0.2}),  # not the untrained network's, carried into epoch 1
        ({"every_n_epochs": 2}, [9.0, float("nan"), 0.1], {}, {12: 0.1}),
        ({"every_n_steps": 3}, [9.0, 0.1, 0.3, 0.2, 0.2], {}, {6: 0.3}),
        ({"every_n_steps": 3}, [9.0, 0.1, 0.3, 0.2, 0.25], {"every_n_epochs": 3}, {12: 0.25}),
        ({"every_n_steps": 3}, [9.0, 0.1, 0.3, 0.2, 0.25], {"every_n_train_steps": 9}, {9: 0.2}),
        ({"every_n_steps": 3}, [9.0, 0.1, 0.3, 0.2, 0.2], {"every_n_train_steps": 9, "every_n_epochs": 1}, {9: 0.2}),
        ({"every_n_steps": 3}, [9.0, 0.1, 0.3, 0.2, 0.25], {"every_n_epochs": 1}, {12: 0.25}),
        ({"every_n_epochs": 1}, [9.0, 0.1, 0.3, 0.2], {"mode": "min"}, {4: 0.1}),
    ],
)
def test_the_best_weights_are_those_that_had_the_score(fit, tmp_path, monkeypatch, scoring, scores, cadence, expected):
    stop_with(monkeypatch, scores)
    best = RunCheckpoint(dirpath=tmp_path / "ckpt", filename="{step}", monitor=MONITOR, **cadence)
    fit(best, brain(**scoring), epochs=3)
    assert {int(path.stem.removeprefix("step=")) for path in (tmp_path / "ckpt").iterdir()} == set(expected)
    assert best.best_model_score.item() == pytest.approx(*expected.values())


def test_the_memory_of_the_best_score_survives_resuming(fit, tmp_path, monkeypatch):
    stop_with(monkeypatch, [0.0, 0.1, 0.3, 0.2, 0.25])
    scoring = {"every_n_steps": 3, "at_end": False}

    def best():
        return RunCheckpoint(dirpath=tmp_path / "ckpt", filename="best-{step}", monitor=MONITOR)

    keep = {"dirpath": tmp_path / "ckpt", "filename": "last", "every_n_train_steps": 1}
    with pytest.raises(Killed):
        fit(best(), RunCheckpoint(**keep), Kill(7), brain(**scoring), epochs=3)
    resumed = best()
    fit(resumed, RunCheckpoint(**keep), brain(**scoring), epochs=3, ckpt_path=resume_from(tmp_path))
    assert resumed.best_model_score.item() == pytest.approx(0.3)
    assert [path.name for path in (tmp_path / "ckpt").glob("best-*")] == ["best-step=6.ckpt"]


@pytest.mark.parametrize(
    ("monitor", "expected"),
    [
        (None, "min"),
        ("val/mixed/loss", "min"),
        ("val/mixed/word/loss", "min"),
        ("train/uncertainty_loss", "min"),
        ("val/mixed/word/top1", "max"),
        ("val/mixed/tags/auroc", "max"),
        (MONITOR, "max"),
    ],
)
def test_which_values_are_best(monitor, expected):
    assert best_mode(monitor) == expected
    assert RunCheckpoint(monitor=monitor).mode == expected
    assert RunCheckpoint(monitor=monitor, mode="min").mode == "min"


@pytest.mark.parametrize("make", [StopByBrainScore, lambda monitor: RunCheckpoint(monitor=monitor)])
def test_going_by_a_score_that_is_not_there(fit, tmp_path, make):
    """Told before training, with all names that there are."""
    with pytest.raises(TrainingError, match=r"'brain/tiny/best'; no benchmarks are scored"):
        fit(make(MONITOR))
    names = "brain/tiny/best, brain/tiny/B, brain/tiny/A, brain/tiny/pool0"
    with pytest.raises(TrainingError, match=rf"no brain score 'brain/tiny/C'; there are {names}$"):
        fit(make("brain/tiny/C"), brain())
    assert not (tmp_path / "run").exists()


def test_the_names_of_scores_are_known_before_there_are_any(fit):
    scoring = brain(stages=None)
    fit(scoring)
    assert set(scoring.score_names) == set(scoring.values)
