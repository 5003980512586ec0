"""A whole run with brain scores: training is not touched, and a checkpoint gives the scores that were logged."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml

import evaluate.__main__ as evaluate_command
from evaluate.scoring import engine
from evaluate.scoring.table import KEY_COLUMNS
from train.__main__ import main

pytestmark = pytest.mark.usefixtures("tiny_benchmark")


def fit(config: dict, folder: Path, monkeypatch: pytest.MonkeyPatch, **brain: object) -> Path:
    run_dir = folder / "run"
    folder.mkdir()
    settings = config | {"run_dir": str(run_dir), "brain": {"benchmarks": ["tiny"], "figures": False} | brain}
    (folder / "config.yaml").write_text(yaml.safe_dump(settings))
    monkeypatch.setattr(sys, "argv", ["train", "fit", "--config", str(folder / "config.yaml")])
    main()
    return run_dir


def load(run_dir: Path, name: str = "last.ckpt") -> dict:
    return torch.load(str(run_dir / "checkpoints" / name), weights_only=True)


def test_scoring_leaves_training_bitwise_unchanged_also_when_it_raises(config, tmp_path, monkeypatch):
    without = load(fit(config, tmp_path / "without", monkeypatch, benchmarks=[]))["state_dict"]
    metrics = ["encoding", {"name": "rsa", "every_n_steps": 4}, {"name": "partition:untrained:self", "at_steps": [3]}]
    scored = fit(config, tmp_path / "with", monkeypatch, metrics=metrics)
    steps = pd.read_csv(scored / "scores.csv").groupby("metric")["step"].agg(lambda found: sorted(set(found)))
    assert steps[["encoding_r2_corrected", "rsa", "partition_shared_r2_corrected/untrained-self"]].tolist() == [
        [0, 6, 12],
        [0, 4, 8, 12],
        [0, 3, 12],
    ]

    def fail(*args: object, **kwargs: object) -> None:
        torch.rand(3)
        np.random.rand(3)  # noqa: NPY002 - the global state is what must be kept
        raise RuntimeError("no scores today")

    monkeypatch.setattr(engine, "cached_activations", fail)
    failed = fit(config, tmp_path / "failed", monkeypatch)
    assert set(pd.read_csv(failed / "scores.csv")["metric"]) == {"failed"}
    for run_dir in (scored, failed):
        weights = load(run_dir)["state_dict"]
        assert [name for name in without if not torch.equal(without[name], weights[name])] == []


def test_every_checkpoint_scores_afterwards_as_during_training(config, tmp_path, monkeypatch):
    run_dir = fit(config, tmp_path / "during", monkeypatch)
    during = pd.read_csv(run_dir / "scores.csv")
    checkpoints = [run_dir / "checkpoints" / "untrained.ckpt", *sorted(run_dir.glob("checkpoints/step-*.ckpt"))]
    assert len(checkpoints) == 3
    out = tmp_path / "after"
    arguments = ["score", *map(str, checkpoints), "--benchmark", "tiny", "--out", str(out)]
    assert evaluate_command.main(arguments) == 0
    after = pd.read_csv(out / "scores.csv")
    keys = [name for name in KEY_COLUMNS if name != "checkpoint"]
    merged = during.merge(after, on=[*keys, "epoch"], how="outer", suffixes=("_during", "_after"), indicator=True)
    assert set(merged["_merge"]) == {"both"}
    np.testing.assert_allclose(merged["value_during"], merged["value_after"], rtol=1e-9, atol=1e-9)
    assert set(during["epoch"]) == {0, 1, 2}


def test_checkpoints_with_every_callback_hold_only_tensors_and_plain_values(config, tmp_path, monkeypatch):
    best = {"monitor": "brain/tiny/best", "mode": "max"}
    run_dir = fit(config | {"best_checkpoint": best}, tmp_path / "run", monkeypatch)
    checkpoint = load(run_dir)
    assert any(name.startswith("BrainScoreCallback") for name in checkpoint["callbacks"])
    scores = pd.read_csv(run_dir / "scores.csv").query("stage == 'best' and subject == 'all' and region == 'all'")
    scores = scores[scores["metric"].str.startswith("best_stage_r2")]
    trained = scores[scores["step"] > 0]
    step = int(trained.loc[trained["value"].idxmax(), "step"])
    assert [path.name for path in run_dir.glob("checkpoints/best-*.ckpt")] == [f"best-step-{step:07d}.ckpt"]


def test_a_benchmark_that_cannot_be_loaded_stops_before_training(config, tmp_path, monkeypatch, capsys):
    with pytest.raises(SystemExit):
        fit(config, tmp_path / "run", monkeypatch, benchmarks=["nowhere"])
    assert "nowhere" in capsys.readouterr().err
    assert not (tmp_path / "run" / "run" / "checkpoints").exists()
