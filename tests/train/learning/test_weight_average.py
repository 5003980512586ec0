"""Averages of the weights: validated, scored and saved next to them."""

import copy

import pandas as pd
import pytest
import torch
from torch import nn

from evaluate.scoring import table as t
from networks import AuditoryNetwork, CheckpointError, CochCNN9, load_network
from train.errors import TrainingError
from train.learning.weight_average import AveragedWeights


def test_the_average_follows_the_weights_by_its_equation():
    network = AuditoryNetwork(CochCNN9(width=0.02), {"word": 3})
    average = AveragedWeights(network, nn.ModuleDict(), decay=0.5)
    assert average.network.front_end is network.front_end
    assert not any(parameter.requires_grad for parameter in average.parameters())
    expected = network.heads["word"].weight.detach().clone()
    for step in range(12):
        with torch.no_grad():
            network.heads["word"].weight.normal_()
            network.backbone.batchnorm0.running_mean.fill_(step)
        decay = min(0.5, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * network.heads["word"].weight
        average.update(network, nn.ModuleDict(), num_steps=step)
    torch.testing.assert_close(average.network.heads["word"].weight, expected)
    assert 9 < average.network.backbone.batchnorm0.running_mean.item() < 11
    average.restart(network, nn.ModuleDict())
    assert torch.equal(average.network.heads["word"].weight, network.heads["word"].weight)


def test_averages_are_validated_scored_and_saved(fit_here, config, tiny_benchmark, capsys):
    config["model"]["ema_decay"] = 0.9
    config["brain"]["benchmarks"] = ["tiny"]
    run_dir = fit_here(config)
    assert "mixed_ema" in capsys.readouterr().out
    metrics = pd.read_csv(run_dir / "metrics.csv")
    raw, averaged = (metrics[f"val/mixed{end}/loss"].dropna() for end in ("", "_ema"))
    assert len(raw) == len(averaged) == 2
    assert (raw.to_numpy() != averaged.to_numpy()).all()
    assert {"brain/tiny/best", "brain/tiny_ema/best"} <= set(metrics)
    scores = t.read_table(run_dir / "scores.csv")
    steps = scores.groupby(t.RUN)[t.STEP].unique()
    assert sorted(steps["run"]) == sorted(steps["run (ema)"])
    last = run_dir / "checkpoints" / "last.ckpt"
    saved = torch.load(last, weights_only=True)["state_dict"]
    loaded = load_network(f"ema:{last}")
    assert loaded.identity.run == "run (ema)"
    assert (loaded.identity.step, loaded.identity.kind) == (12, "trained")
    weight = loaded.network.heads["word"].weight
    assert torch.equal(weight, saved["ema.network.heads.word.weight"])
    assert not torch.equal(weight, load_network(str(last)).network.heads["word"].weight)
    without = copy.deepcopy(config)
    del without["model"]["ema_decay"]
    with pytest.raises(SystemExit):
        fit_here(without, "--resume", "true", "--trainer.max_epochs", "3")
    assert "ema_decay is given in the checkpoint, not given here" in capsys.readouterr().err


def test_averages_that_do_not_exist(fit_here, config):
    config["trainer"] |= {"max_epochs": 1, "limit_train_batches": 1, "limit_val_batches": 1}
    last = fit_here(config) / "checkpoints" / "last.ckpt"
    with pytest.raises(CheckpointError, match="holds no averaged weights: they are kept by training with"):
        load_network(f"ema:{last}")
    network = AuditoryNetwork(CochCNN9(width=0.02), {"word": 3})
    with pytest.raises(TrainingError, match="ema_decay must be at least 0 and below 1"):
        AveragedWeights(network, nn.ModuleDict(), decay=1.0)
