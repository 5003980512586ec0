import logging
import random

import numpy as np
import pandas as pd
import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.loggers import CSVLogger, TensorBoardLogger

from evaluate.benchmarks import BENCHMARKS, BenchmarkError
from evaluate.callback import BrainScoreCallback
from evaluate.callback.logged import described_scores, logged_stages, logged_values
from evaluate.metrics import MetricError
from evaluate.metrics.encoding.encoding_metric import CORRECTED
from evaluate.scoring import table as t
from evaluate.scoring.engine import ScoringEngine
from evaluate.scoring.score_network import score_network
from networks import NetworkIdentity

NUM_STEPS = 4  # optimiser steps of an epoch


@pytest.fixture(autouse=True)
def tiny_benchmark(make_benchmark, monkeypatch):
    monkeypatch.setitem(BENCHMARKS, "tiny", make_benchmark)


def brain(*args, **changes):
    """The callback without pictures, which take the most time."""
    return BrainScoreCallback(*args, **{"figures": False, **changes})


def weights(module):
    return {name: value.clone() for name, value in module.state_dict().items()}


def assert_same_weights(one, other):
    assert one.keys() == other.keys()
    for name, value in one.items():
        assert torch.equal(value, other[name]), name


def steps_of(path):
    return sorted(set(t.read_table(path / t.SCORES_FILE)[t.STEP]))


def spoil_everything(*args, **kwargs):
    """What an evaluation must not do, then an error."""
    random.random()
    np.random.rand(3)  # noqa: NPY002
    torch.randn(3)
    raise RuntimeError("the evaluation broke")


def spoiling(original):
    def measure(*args, **kwargs):
        random.seed(0)
        np.random.seed(0)  # noqa: NPY002
        torch.manual_seed(0)
        return original(*args, **kwargs)

    return measure


def test_training_is_bitwise_the_same_with_the_callback(fit, monkeypatch):
    plain, _ = fit()
    monkeypatch.setattr(ScoringEngine, "_measure", spoiling(ScoringEngine._measure))
    scored, _ = fit(brain(["tiny"]))
    assert_same_weights(weights(plain), weights(scored))
    assert scored.network.conv.training == plain.network.conv.training


@pytest.mark.parametrize(("init_from", "kind"), [(None, "untrained"), ("before.ckpt", "trained")])
def test_a_run_from_weights_of_another_is_not_untrained_at_its_start(fit, tmp_path, monkeypatch, init_from, kind):
    monkeypatch.setattr(pl.LightningModule, "init_from", init_from, raising=False)
    fit(brain(["tiny"], stages=["relufc"]), epochs=1)
    table = t.read_table(tmp_path / "run" / t.SCORES_FILE)
    assert dict(zip(table[t.STEP], table[t.KIND], strict=True)) == {0: kind, NUM_STEPS: "trained"}


def test_training_is_bitwise_the_same_when_the_evaluation_raises(fit, monkeypatch, tmp_path, caplog):
    plain, _ = fit()
    monkeypatch.setattr(ScoringEngine, "_measure", spoil_everything)
    with caplog.at_level(logging.WARNING):
        scored, _ = fit(brain(["tiny"]))
    assert_same_weights(weights(plain), weights(scored))
    assert "scoring tiny with encoding at step 4 failed" in caplog.text
    assert "RuntimeError: the evaluation broke" in caplog.text
    table = t.read_table(tmp_path / "run" / t.SCORES_FILE)
    assert list(table[t.METRIC]) == [t.FAILED] * 3
    assert table[t.VALUE].isna().all()


def test_error_is_raised_where_asked_for(fit, monkeypatch):
    monkeypatch.setattr(ScoringEngine, "_measure", spoil_everything)
    random_before = []

    class Keep(pl.Callback):
        def on_train_start(self, trainer, pl_module):
            random_before.append(torch.get_rng_state())

    with pytest.raises(RuntimeError, match="the evaluation broke"):
        fit(Keep(), brain(["tiny"], on_error="raise"))
    assert torch.equal(torch.get_rng_state(), random_before[0])


def test_a_table_that_cannot_be_written_does_not_stop_training(fit, tmp_path, caplog):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / t.SCORES_FILE).write_text("not a table")
    _, trainer = fit(brain(["tiny"]), epochs=1)
    assert trainer.global_step == NUM_STEPS
    assert "writing brain scores failed" in caplog.text
    assert (tmp_path / "run" / t.SCORES_FILE).read_text() == "not a table"


@pytest.mark.parametrize(
    ("options", "epochs", "expected"),
    [
        ({}, 2, [0, 4, 8]),
        ({"every_n_epochs": 2}, 3, [0, 8, 12]),
        ({"every_n_epochs": 0}, 2, [0, 8]),
        ({"every_n_epochs": 0, "at_start": False}, 2, [8]),
        ({"at_start": False, "at_end": False, "every_n_epochs": 2}, 3, [8]),
    ],
)
def test_when_scores_are_taken(fit, tmp_path, options, epochs, expected):
    fit(brain(["tiny"], stages=["pool0"], **options), epochs=epochs)
    assert steps_of(tmp_path / "run") == expected
    table = t.read_table(tmp_path / "run" / t.SCORES_FILE)
    assert (table[t.EPOCH] * NUM_STEPS == table[t.STEP]).all()
    assert set(table[t.RUN]) == {"run"}


def test_each_step_is_scored_once(fit, monkeypatch):
    calls = []
    original = ScoringEngine._tabulate
    monkeypatch.setattr(ScoringEngine, "_tabulate", lambda *args: calls.append(args[-1].step) or original(*args))
    fit(brain(["tiny"]))
    assert calls == [0, 4, 8]


def test_a_checkpoint_gives_the_numbers_of_the_callback(fit, tmp_path, tiny_network_class, make_benchmark):
    keep = ModelCheckpoint(tmp_path / "ckpt", filename="{step}", save_top_k=-1)
    fit(keep, brain(["tiny"], batch_size=5))
    table = t.read_table(tmp_path / "run" / t.SCORES_FILE)
    for step in (4, 8):
        saved = torch.load(tmp_path / "ckpt" / f"step={step}.ckpt", weights_only=True)
        network = tiny_network_class()
        network.load_state_dict({k.removeprefix("network."): v for k, v in saved["state_dict"].items()})
        identity = NetworkIdentity(run="run", step=step, epoch=step // NUM_STEPS)
        rows = score_network(network, make_benchmark(), batch_size=5, identity=identity)
        at_step = table[table[t.STEP] == step].reset_index(drop=True)
        pd.testing.assert_frame_equal(at_step, rows, check_exact=True)


def test_checkpoints_are_chosen_by_a_score(fit, tmp_path):
    best = ModelCheckpoint(tmp_path / "ckpt", monitor="brain/tiny/best", mode="max", every_n_epochs=1, save_top_k=1)
    fit(best, brain(["tiny"]), epochs=3)
    table = t.read_table(tmp_path / "run" / t.SCORES_FILE)
    rows = table[
        (table[t.METRIC] == t.BEST_STAGE_R2_CORRECTED)
        & (table[t.REGION] == "all")
        & (table[t.SUBJECT] == "all")
        & (table[t.STEP] > 0)
    ]
    assert best.best_model_score.item() == pytest.approx(rows[t.VALUE].max(), rel=1e-6)
    winner = rows.loc[rows[t.VALUE].idxmax(), t.STEP]
    assert f"step={winner}" in best.best_model_path


@pytest.mark.parametrize("at_start", [True, False])
def test_each_epoch_has_a_value_to_monitor(fit, tmp_path, at_start):
    seen = []

    class Watch(pl.Callback):
        def on_train_epoch_start(self, trainer, pl_module):
            if trainer.current_epoch:
                seen.append(trainer.callback_metrics["brain/tiny/best"].item())

    scoring = brain(["tiny"], every_n_epochs=2, at_start=at_start)
    best = ModelCheckpoint(tmp_path / "ckpt", monitor="brain/tiny/best", mode="max", every_n_epochs=2)
    fit(scoring, best, Watch(), epochs=4)
    assert np.isnan(seen[0]) == (not at_start)
    assert seen[1] == seen[2]  # after epoch 3 the value of epoch 2
    assert "epoch=1" in best.best_model_path or "epoch=3" in best.best_model_path


def test_a_failed_evaluation_is_not_a_good_one(fit, monkeypatch):
    original = ScoringEngine._measure
    calls = []

    def second_fails(*args, **kwargs):
        calls.append(1)
        return spoil_everything() if len(calls) == 2 else original(*args, **kwargs)

    monkeypatch.setattr(ScoringEngine, "_measure", second_fails)
    _, trainer = fit(brain(["tiny"]), epochs=1)
    assert np.isnan(trainer.callback_metrics["brain/tiny/best"].item())
    assert np.isnan(trainer.callback_metrics["brain/tiny/relu0"].item())


def test_resumed_training_goes_on_with_the_table(fit, tmp_path):
    keep = ModelCheckpoint(tmp_path / "ckpt", filename="{step}", save_top_k=-1)
    fit(keep, brain(["tiny"]), epochs=1)
    first = t.read_table(tmp_path / "run" / t.SCORES_FILE)
    scoring = brain(["tiny"], every_n_epochs=5, at_end=False)
    _, trainer = fit(scoring, epochs=2, ckpt_path=str(tmp_path / "ckpt" / "step=4.ckpt"))
    assert steps_of(tmp_path / "run") == [0, 4]  # neither start nor end were scored again
    expected = logged_values(first[first[t.STEP] == 4], [CORRECTED])
    assert scoring.state_dict()["values"] == expected
    assert trainer.callback_metrics["brain/tiny/best"].item() == pytest.approx(expected["brain/tiny/best"])
    assert scoring.state_dict()["last_steps"] == {"encoding": 4}


def test_state_is_plain(fit, tmp_path):
    keep = ModelCheckpoint(tmp_path / "ckpt", filename="{step}", save_last=True)
    scoring = brain(["tiny"])
    fit(keep, scoring, epochs=1)
    saved = torch.load(tmp_path / "ckpt" / "last.ckpt", weights_only=True)
    state = saved["callbacks"]["BrainScoreCallback"]
    assert state == scoring.state_dict()
    assert all(type(value) is float for value in state["values"].values())
    other = brain(["tiny"])
    other.load_state_dict(state)
    assert other.state_dict() == state


def test_loggers_get_every_score_with_its_step(fit, tmp_path):
    logger = CSVLogger(tmp_path, name="csv", version="")
    fit(brain(["tiny"]), logger=logger)
    logged = pd.read_csv(tmp_path / "csv" / "metrics.csv").dropna(subset="brain/tiny/best")
    assert list(logged["step"]) == list(logged["brain/checkpoint_step"]) == [0, 4, 8]
    table = t.read_table(tmp_path / "run" / t.SCORES_FILE)
    for step in (0, 4, 8):
        for name, value in logged_values(table[table[t.STEP] == step], [CORRECTED]).items():
            assert logged.set_index("step").loc[step, name] == pytest.approx(value, abs=1e-12)
    names = {name for name in logged.columns if name.startswith("brain/")} - {"brain/checkpoint_step"}
    stages = {f"{region}best_stage" for region in ("", "A/", "B/")}
    assert names == {f"brain/tiny/{name}" for name in ("relu0", "pool0", "relufc", "A", "B", "best", *stages)}
    found = logged_stages(table[table[t.STEP] == 8], [CORRECTED])
    names = {name: stage.name for name, stage in found.items()}
    best = table[(table[t.STEP] == 8) & (table[t.METRIC] == CORRECTED.best_metric)].query("region == subject == 'all'")
    shown = f"tiny {best[t.VALUE].item():.3f} ({names['brain/tiny/best_stage']})"
    assert described_scores(logged_values(table[table[t.STEP] == 8], [CORRECTED]), names) == [shown]
    assert described_scores({"brain/tiny/best": float("nan")}, names) == ["tiny undefined"]
    for name in stages:
        stage = found[f"brain/tiny/{name}"]
        assert logged.set_index("step").loc[8, f"brain/tiny/{name}"] == stage.place
        assert stage.name == ("relu0", "pool0", "relufc")[stage.place]


def test_tensorboard_has_the_names_of_the_best_stages(fit, tmp_path, monkeypatch):
    logger, texts = TensorBoardLogger(tmp_path, name="board", version=""), []
    monkeypatch.setattr(type(logger.experiment), "add_text", lambda _, *text: texts.append(text))
    fit(brain(["tiny"], stages=["relufc"]), epochs=1, logger=logger)
    names = ["brain/tiny/best_stage_name", "brain/tiny/B/best_stage_name", "brain/tiny/A/best_stage_name"]
    assert texts == [(name, "relufc", step) for step in (0, 4) for name in names]


def test_wandb_has_the_checkpoints_step_as_x_axis(fit, tmp_path, monkeypatch):
    pytest.importorskip("wandb")
    from pytorch_lightning.loggers import WandbLogger

    defined, logged = [], []

    class Run:
        name = id = "run"

        def define_metric(self, name, step_metric=None, **_):
            defined.append((name, step_metric))

        def log(self, metrics, **_):
            logged.append(metrics)

    class OfflineLogger(WandbLogger):
        experiment = Run()

        def finalize(self, status):
            pass

    logger = OfflineLogger(save_dir=tmp_path, offline=True, log_model=False)
    fit(brain(["tiny"]), logger=logger)
    assert defined[-2:] == [("brain/checkpoint_step", None), ("brain/*", "brain/checkpoint_step")]
    scores = [metrics for metrics in logged if "brain/tiny/best" in metrics]
    assert [metrics["brain/checkpoint_step"] for metrics in scores] == [0, 4, 8]
    named = [metrics for metrics in logged if "brain/tiny/best_stage_name" in metrics]
    assert [metrics["brain/checkpoint_step"] for metrics in named] == [0, 4, 8]
    assert {metrics["brain/tiny/A/best_stage_name"] for metrics in named} <= {"relu0", "pool0", "relufc"}


def test_pictures_are_drawn(fit, tmp_path):
    fit(brain(["tiny"], figures=True), epochs=1)
    names = {path.name for path in (tmp_path / "run" / "figures").iterdir()}
    assert names == {"tiny_training.png", "tiny_stages.png", "tiny_heatmap.png"}


def test_run_directory_may_be_named(fit, tmp_path):
    fit(brain(["tiny"], run_dir=str(tmp_path / "elsewhere")), epochs=1)
    assert steps_of(tmp_path / "elsewhere") == [0, 4]
    assert not (tmp_path / "run" / t.SCORES_FILE).exists()


class Never(pl.Callback):
    def on_train_batch_start(self, *_):
        pytest.fail("training started")


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"benchmarks": ["nowhere"]}, BenchmarkError, "unknown benchmark 'nowhere'"),
        ({"benchmarks": ["tiny"], "stages": ["conv7"]}, ValueError, "'conv7'.*relu0, pool0, relufc"),
    ],
)
def test_bad_requests_raise_before_training(fit, options, error, message):
    with pytest.raises(error, match=message):
        fit(Never(), BrainScoreCallback(**options))


def test_bad_sounds_raise_before_training(fit, make_benchmark, monkeypatch):
    broken = make_benchmark(waveforms=lambda *_: np.full((24, 64), np.nan, np.float32))
    monkeypatch.setitem(BENCHMARKS, "broken", lambda: broken)
    with pytest.raises(BenchmarkError, match="not finite in the sound of 'sound0'"):
        fit(Never(), BrainScoreCallback(["broken"]))


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"benchmarks": "tiny"}, TypeError),
        ({"benchmarks": ["tiny"], "every_n_epochs": -1}, ValueError),
        ({"benchmarks": ["tiny"], "on_error": "ignore"}, ValueError),
    ],
)
def test_bad_arguments(options, error):
    with pytest.raises(error):
        BrainScoreCallback(**options)


def test_module_without_a_network_is_named(fit, tmp_path):
    class Other(pl.LightningModule):
        pass

    callback, trainer = brain(["tiny"]), pl.Trainer(logger=False)
    callback.setup(trainer, Other(), "fit")
    with pytest.raises(TypeError, match=r"Other\.network .*networks\.StagedNetwork"):
        callback.on_fit_start(trainer, Other())


def test_nothing_happens_outside_of_fit():
    BrainScoreCallback(["nowhere"]).setup(None, None, "validate")


def test_no_benchmarks_means_no_scores(fit, tmp_path):
    fit(BrainScoreCallback([]), epochs=1)
    assert not (tmp_path / "run" / t.SCORES_FILE).exists()


def test_every_metric_can_be_watched(fit, tmp_path):
    watched = brain(["tiny"], metrics=["encoding", "rsa", "dimensionality"])
    _, trainer = fit(watched, epochs=1)
    table = t.read_table(tmp_path / "run" / t.SCORES_FILE)
    assert {t.BEST_STAGE_R2_CORRECTED, t.BEST_STAGE_RSA, t.EFFECTIVE_DIMENSIONALITY} <= set(table[t.METRIC])
    logged = trainer.callback_metrics
    for name in ("best", "rsa/best", "rsa/relu0", "dimensionality/relufc"):
        assert np.isfinite(logged[f"brain/tiny/{name}"].item()), name
    assert set(watched.score_names) >= set(watched.values)
    with pytest.raises(MetricError, match="unknown metric 'cka'"):
        fit(brain(["tiny"], metrics=["cka"]), epochs=1)


def test_what_a_metric_lacks_is_scored_when_training_is_resumed(fit, tmp_path):
    keep = ModelCheckpoint(tmp_path / "ckpt", filename="{step}", save_top_k=-1)
    fit(keep, brain(["tiny"]), epochs=1)
    scoring = brain(["tiny"], metrics=["encoding", "rsa"])
    fit(scoring, epochs=2, ckpt_path=str(tmp_path / "ckpt" / "step=4.ckpt"))
    table = t.read_table(tmp_path / "run" / t.SCORES_FILE)
    assert sorted(set(table[table[t.METRIC] == t.RSA][t.STEP])) == [4, 8]
