"""Runs that learn without labels: alone or with tasks, resumed, on two processes, scored and probed."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import distributed as dist

from networks import load_network
from tests.helpers.killed import die
from tests.helpers.training_processes import KILLED, before_step, start, start_ranks, wait_for
from tests.train.conftest import TEXTURES, texture, write_corpus

OBJECTIVES = [
    {"class_path": "Contrastive", "init_args": {"num_hidden": 16, "num_projected": 8}},
    {
        "class_path": "train.learning.objectives:MaskedPatches",
        "init_args": {"patch_bands": 3, "patch_frames": 4, "num_hidden": 8, "loss_weight": 0.5},
    },
]


@pytest.fixture
def config(config):
    config["model"]["objectives"] = OBJECTIVES
    config["data"] |= {"second_crop": True, "signal_crop": "anywhere"}
    config["trainer"]["log_every_n_steps"] = 1
    return config


def trace(run_dir):
    table = pd.read_csv(run_dir / "metrics.csv").groupby("step").last()
    return table[sorted(name for name in table if name.startswith(("train/", "val/")))]


def state(run_dir):
    return torch.load(run_dir / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]


def test_a_network_learns_without_labels(fit_here, config, tmp_path, tiny_benchmark, capsys):
    rng = np.random.default_rng(1)
    sounds = [(texture(label, rng), {"label": label}) for _ in range(3) for label in TEXTURES]
    table = write_corpus(tmp_path / "sounds", sounds)
    probe = {"sounds": str(table), "name": "textures", "num_folds": 3, "stages": ["relu4"]}
    config["data"] |= {"tasks": [], "val_conditions": {"mixed": None}}
    config["brain"]["benchmarks"] = ["tiny"]
    config["trainer"]["callbacks"] = [
        {"class_path": "LinearProbe", "init_args": probe | names}
        for names in ({}, {"name": "again", "stages": ["relu2"]})
    ]
    config["model"]["ema_decay"] = 0.9
    config |= {"run_page": True}
    run_dir = fit_here(config)
    shown = capsys.readouterr().out
    assert "objectives without labels: contrastive (Contrastive), masked (MaskedPatches)" in shown
    metrics = pd.read_csv(run_dir / "metrics.csv")
    for name in ("train/contrastive/loss", "train/masked/loss", "val/mixed/contrastive/top1", "val/mixed/loss"):
        assert np.isfinite(metrics[name].dropna()).all()
        assert len(metrics[name].dropna()) >= 2, name
    for name, stage in (("textures", "relu4"), ("textures_ema", "relu4"), ("again", "relu2")):
        assert metrics[f"val/{name}/{stage}/top1"].dropna().between(0, 1).all()
    assert metrics["val/textures/cochleagram/top1"].dropna().tolist() == [1.0, 1.0]
    assert metrics["val/textures/relu4/chance"].dropna().tolist() == [0.5, 0.5]
    summary = pd.read_csv(run_dir / "summary.csv").set_index(["condition", "task"])
    assert {("textures", "relu4"), ("mixed", "contrastive"), ("brain", "tiny")} <= set(summary.index)
    page = (run_dir / "index.html").read_text()
    assert "could not be drawn" not in page
    loaded = load_network(str(run_dir / "checkpoints" / "last.ckpt"))
    assert (loaded.network.num_classes, loaded.tasks) == ({}, [])
    exported = load_network(str(run_dir / "model"))
    assert (exported.identity.run, exported.identity.step) == ("run", 12)
    assert torch.equal(*(each.network.backbone.conv0.weight for each in (loaded, exported)))
    assert "None: the network learnt without labels." in (run_dir / "model" / "model_card.md").read_text()


def test_everything_together_resumes_exactly(config, tmp_path):
    """Objectives, tasks, averages, smoothing, groups of parameters, warm-up and cosine."""
    config["model"] |= {
        "ema_decay": 0.99,
        "label_smoothing": 0.1,
        "decay_norms_and_biases": False,
        "layer_rate_decay": 0.8,
        "rate_factors": {"heads": 2.0},
    }
    config["schedule"] = {"length": 2, "warm_up": 0.5, "cosine": True}
    whole = config | {"run_dir": str(tmp_path / "whole")}
    assert wait_for(start(whole)) == 0
    assert wait_for(start(config, prepare=lambda: before_step(9, die))) == KILLED
    assert wait_for(start(config, "--resume", "true")) == 0
    found, expected = (state(Path(run["run_dir"])) for run in (config, whole))
    assert found.keys() == expected.keys()
    assert {name.split(".")[0] for name in found} == {"network", "objectives", "ema"}
    assert [name for name in expected if not torch.equal(expected[name], found[name])] == []
    pd.testing.assert_frame_equal(*(trace(Path(run["run_dir"])) for run in (config, whole)), check_exact=True)


@pytest.mark.skipif(not dist.is_gloo_available(), reason="PyTorch is built without gloo")
def test_two_processes_equal_one_with_twice_the_batch(config, tmp_path):
    """Without dropout and batch statistics, which each process has for itself."""
    optimizer = {"class_path": "torch.optim.SGD", "init_args": {"lr": 0.02, "momentum": 0.9}}
    model = config["model"] | {"optimizer": optimizer, "freeze": ["backbone.batchnorm*", "backbone.dropout*"]}
    one = config | {"run_dir": str(tmp_path / "one"), "model": model | {"ema_decay": 0.9}}
    assert wait_for(start(one)) == 0
    two = one | {
        "run_dir": str(tmp_path / "two"),
        "data": config["data"] | {"batch_size": None, "global_batch_size": 6},
        "trainer": config["trainer"] | {"devices": 2, "strategy": "ddp"},
    }
    assert [wait_for(process) for process in start_ranks(two)] == [0, 0]
    expected, found = (trace(Path(run["run_dir"])) for run in (one, two))
    assert list(found) == list(expected)
    # In validation, crops are compared within the batch of a process; accuracies of small batches may tie.
    same = [name for name in expected if name.endswith("loss") and (name.startswith("train/") or "masked" in name)]
    assert len(same) >= 10
    np.testing.assert_allclose(found[same].to_numpy(), expected[same].to_numpy(), rtol=1e-4, atol=1e-5)
    weights, others = state(tmp_path / "one"), state(tmp_path / "two")
    for name in weights:
        torch.testing.assert_close(others[name], weights[name], rtol=1e-3, atol=1e-5, msg=name)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data": {"second_crop": False}}, "set `data.second_crop` to true"),
        ({"data": {"tasks": []}, "model": {"objectives": []}}, "nothing to learn: name at least one task"),
        ({"model": {"objectives": [OBJECTIVES[0], OBJECTIVES[0]]}}, "each task and objective needs a name of its own"),
        ({"model": {"label_smoothing": 1.5}}, "label_smoothing must be at least 0 and below 1"),
    ],
)
def test_what_cannot_be_learnt_is_told_in_one_line(fit_here, config, capsys, changes, message):
    for group, values in changes.items():
        config[group] |= values
    with pytest.raises(SystemExit) as stop:
        fit_here(config)
    assert stop.value.code == 2
    assert message in capsys.readouterr().err.splitlines()[-1]
