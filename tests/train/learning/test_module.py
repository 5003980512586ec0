"""What the module tells and keeps while it trains."""

import os
import signal
from pathlib import Path

import pandas as pd
import pytest
import pytorch_lightning as pl
import torch

from networks.weights.checkpoint import NETWORK_KEY
from tests.helpers.training_processes import before_step, start, wait_for
from train.cli.command_line import TrainCLI
from train.run.metric_history import read_history
from train.run.stop_signals import EXIT_STOPPED

HOOKS = ("train_start", "train_epoch_start", "train_batch_end", "validation_end", "train_epoch_end", "train_end")


@pytest.fixture
def epochs_in_hooks(monkeypatch):
    """Hooks as they come, with the step and the passes that the module says are finished."""
    seen = []

    def hook(name):
        return lambda self, trainer, module, *_: seen.append((name, trainer.global_step, module.epochs_completed))

    probe = type("Probe", (pl.Callback,), {f"on_{name}": hook(name) for name in HOOKS})
    make = TrainCLI.instantiate_trainer

    def with_probe(self, **kwargs):
        trainer = make(self, **kwargs)
        trainer.callbacks.append(probe())
        return trainer

    monkeypatch.setattr(TrainCLI, "instantiate_trainer", with_probe)
    return seen


def epoch(number, steps):
    """What is told in an epoch, from 0, with the steps of its batches."""
    within = [("train_batch_end", step, number) for step in steps]
    end = [("validation_end", steps[-1], number + 1), ("train_epoch_end", steps[-1], number + 1)]
    return [("train_epoch_start", steps[0] - 1, number), *within, *end]


def test_passes_are_finished_when_they_are(fit_here, config, epochs_in_hooks):
    first = [("train_start", 0, 0), *epoch(0, range(1, 7)), *epoch(1, range(7, 13)), ("train_end", 12, 2)]
    run_dir = fit_here(config | {"checkpoint": {"every_n_epochs": 5}})
    assert epochs_in_hooks == first
    saved = torch.load(str(run_dir / "checkpoints/last.ckpt"), weights_only=True)
    assert saved[NETWORK_KEY]["epochs_completed"] == 2  # saved at the end of training
    epochs_in_hooks.clear()
    fit_here(config, "--resume", "true", "--trainer.max_epochs", "3")
    assert epochs_in_hooks == [("train_start", 12, 2), *epoch(2, range(13, 19)), ("train_end", 18, 3)]


def test_a_pass_that_is_broken_off_is_not_finished(fit_here, config, epochs_in_hooks):
    del config["trainer"]["max_epochs"]
    fit_here(config, "--trainer.max_steps", "8")
    assert epochs_in_hooks[-2:] == [("train_epoch_end", 8, 1), ("train_end", 8, 1)]
    epochs_in_hooks.clear()
    fit_here(config, "--resume", "true", "--trainer.max_steps", "12")
    assert [epochs for _, _, epochs in epochs_in_hooks] == [1, 1, 1, 1, 1, 2, 2, 2]


def test_accuracies_of_an_epoch_that_is_ended_again_stay(fit_here, config):
    """Where steps are counted, Lightning calls the last hooks of a finished epoch again when training goes on."""
    del config["trainer"]["max_epochs"]
    run_dir = fit_here(config, "--trainer.max_steps", "6")
    before = read_history(run_dir)["train/word/top1"]
    fit_here(config, "--resume", "true", "--trainer.max_steps", "8")
    assert read_history(run_dir)["train/word/top1"][5] == before[5]


@pytest.mark.parametrize(("every", "log_every", "accumulated", "steps"), [(5, 1, 1, [0, 5, 10]), (4, 4, 2, [0, 4])])
def test_gradient_norms_are_written_at_their_steps(fit_here, config, every, log_every, accumulated, steps):
    config["model"]["gradient_norms_every_n_steps"] = every
    config["trainer"] |= {"log_every_n_steps": log_every, "accumulate_grad_batches": accumulated}
    rows = pd.read_csv(fit_here(config) / "metrics.csv")
    for task in ("word", "speaker", "texture"):
        written = rows[["step", f"train/{task}/gradient_norm"]].dropna()
        assert list(written["step"]) == steps
        assert written.iloc[:, 1].is_unique


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"freeze": ["head.word"]}, "no module matches 'head.word'"),
        ({"freeze": ["front_end", "backbone", "heads"]}, "`freeze` leaves nothing to train"),
        ({"loss_weights": {"words": 2.0}}, "loss_weights names unknown tasks ['words']"),
        (
            {"lr_scheduler": {"class_path": "torch.optim.lr_scheduler.StepLR", "init_args": {"step_size": 1}}},
            "give `lr_scheduler` or the course of the rate in `schedule`, not both",
        ),
    ],
)
def test_what_cannot_be_trained_is_told_in_one_line(fit_here, config, capsys, changes, message):
    config["model"] |= changes
    config["schedule"] = {"drop_every": 1}  # in the same file, where neither replaces the other
    with pytest.raises(SystemExit) as stop:
        fit_here(config)
    assert stop.value.code == 2
    assert message in capsys.readouterr().err.splitlines()[-1]


def test_a_run_that_cannot_go_on_is_told_in_one_line(fit_here, config, capsys):
    config["trainer"]["max_epochs"] = 1
    fit_here(config)
    for changes, message in [
        ({"uncertainty_weighting": True}, "uncertainty_weighting is False in the checkpoint, True here"),
        ({"freeze": ["heads.word"]}, "resume with the same `freeze`"),
    ]:
        with pytest.raises(SystemExit) as stop:
            fit_here(config | {"model": config["model"] | changes}, "--resume", "true", "--trainer.max_epochs", "2")
        assert stop.value.code == 2
        assert message in capsys.readouterr().err.splitlines()[-1]


def test_a_rate_that_waits_for_a_plateau_goes_on_with_its_run(fit_here, config, tmp_path):
    """A threshold of 0.999 makes every epoch after the first one of the plateau."""
    plateau = {"monitor": "val/mixed/loss", "patience": 0, "factor": 0.5, "threshold": 0.999}
    config["model"]["lr_scheduler"] = {"class_path": "pytorch_lightning.cli.ReduceLROnPlateau", "init_args": plateau}
    whole = fit_here(config | {"run_dir": str(tmp_path / "whole")}, "--trainer.max_epochs", "4")
    run_dir = fit_here(config)
    fit_here(config, "--resume", "true", "--trainer.max_epochs", "4")
    expected, found = (torch.load(folder / "checkpoints/last.ckpt", weights_only=True) for folder in (whole, run_dir))
    assert found["optimizer_states"][0]["param_groups"][0]["lr"] == pytest.approx(0.003 * 0.5**3)
    assert found["lr_schedulers"] == expected["lr_schedulers"]
    assert [
        name for name, value in expected["state_dict"].items() if not torch.equal(value, found["state_dict"][name])
    ] == []


@pytest.mark.parametrize(
    ("kind", "more", "message"),
    [
        (
            "torch.optim.lr_scheduler.ReduceLROnPlateau",
            {},
            "pytorch_lightning.cli.ReduceLROnPlateau, with its `monitor`",
        ),
        ("pytorch_lightning.cli.ReduceLROnPlateau", {"lr_interval": "step"}, "`model.lr_interval` must be epoch"),
        ("pytorch_lightning.cli.ReduceLROnPlateau", {}, "not available"),
    ],
)
def test_a_plateau_of_nothing_is_told_in_one_line(fit_here, config, capsys, kind, more, message):
    arguments = {} if kind.startswith("torch") else {"monitor": "val/nothing/loss"}
    config["model"] |= {"lr_scheduler": {"class_path": kind, "init_args": arguments}, **more}
    with pytest.raises(SystemExit) as stop:
        fit_here(config)
    assert stop.value.code == 2
    assert message in capsys.readouterr().err.splitlines()[-1]


def _stop():
    os.kill(os.getpid(), signal.SIGTERM)


def test_frozen_parts_are_held_where_a_run_goes_on_within_an_epoch(config, tmp_path):
    config["model"]["freeze"] = ["backbone"]
    whole = config | {"run_dir": str(tmp_path / "whole")}
    assert wait_for(start(whole)) == 0
    assert wait_for(start(config, prepare=lambda: before_step(3, _stop))) == EXIT_STOPPED
    assert wait_for(start(config, "--resume", "true")) == 0
    checkpoints = [Path(run["run_dir"]) / "checkpoints" for run in (whole, config)]
    places = (checkpoints[0] / "untrained.ckpt", *(folder / "last.ckpt" for folder in checkpoints))
    before, expected, found = (torch.load(place, weights_only=True)["state_dict"] for place in places)
    assert [name for name in expected if not torch.equal(expected[name], found[name])] == []
    held = [name for name in before if ".backbone." in name]
    assert [name for name in held if not torch.equal(before[name], found[name])] == []
