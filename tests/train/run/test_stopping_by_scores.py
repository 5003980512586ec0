"""Brain scores by steps of a list, the best checkpoint and early stopping by them, as a configuration asks for it."""

import os
import signal
import sys
from pathlib import Path

import pandas as pd
import pytest
import torch
import yaml

from evaluate.callback import callback as callback_module
from train.__main__ import main
from train.learning.module import AuditoryModule
from train.run.stop_signals import StoppedBySignal

MONITOR = "brain/tiny/best"


pytestmark = pytest.mark.usefixtures("tiny_benchmark")


def test_a_configuration_stops_early_and_keeps_the_best(config, tmp_path, monkeypatch):
    """Scores rise up to the third evaluation of training and then fall."""
    original, scores = callback_module.logged_values, iter([0.0, 0.1, 0.2, 0.3, 0.25, 0.2, 0.1, 0.1])
    monkeypatch.setattr(callback_module, "logged_values", lambda *args: original(*args) | {MONITOR: next(scores)})
    run_dir = tmp_path / "run"
    config |= {
        "run_dir": str(run_dir),
        "brain": {"benchmarks": ["tiny"], "figures": False, "stages": ["relu3"], "every_n_steps": 4},
        "best_checkpoint": {"monitor": MONITOR},
    }
    stopping = {
        "class_path": "train.run.early_stopping.StopByBrainScore",
        "init_args": {"monitor": MONITOR, "patience": 2},
    }
    config["trainer"] |= {"max_epochs": 20, "callbacks": [stopping]}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    monkeypatch.setattr(sys, "argv", ["train", "fit", "--config", str(tmp_path / "config.yaml")])
    main()
    steps = sorted(set(pd.read_csv(run_dir / "scores.csv")["step"]))
    assert steps[:6] == [0, 4, 8, 12, 16, 20]
    assert steps[-1] <= 21  # stopped at the second evaluation without a rise, or a step later, within an epoch
    assert [path.name for path in run_dir.glob("checkpoints/best-*.ckpt")] == ["best-step-0000012.ckpt"]
    saved = yaml.safe_load((run_dir / "config.yaml").read_text())
    assert saved["brain"]["every_n_steps"] == 4
    assert saved["trainer"]["callbacks"][0]["class_path"] == "train.run.early_stopping.StopByBrainScore"


@pytest.mark.slow
def test_a_list_of_steps_on_a_logarithmic_axis(config, tmp_path, monkeypatch):
    run_dir = tmp_path / "run"
    config |= {
        "run_dir": str(run_dir),
        "brain": {"benchmarks": ["tiny"], "figures": False, "stages": ["relu3"], "log_spaced": [1, 8, 4]},
    }
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    monkeypatch.setattr(sys, "argv", ["train", "fit", "--config", str(tmp_path / "config.yaml")])
    main()
    assert sorted(set(pd.read_csv(run_dir / "scores.csv")["step"])) == [0, 1, 2, 4, 8, 12]


def test_what_a_stopped_run_goes_on_from_knows_the_best_score(config, tmp_path, monkeypatch):
    """The score at the very step that it was stopped at, too: the best checkpoint is saved before the last."""
    original, scores = callback_module.logged_values, iter([0.0, 0.1, 0.2, 0.3])
    monkeypatch.setattr(callback_module, "logged_values", lambda *args: original(*args) | {MONITOR: next(scores)})
    run_dir = tmp_path / "run"
    config |= {
        "brain": {"benchmarks": ["tiny"], "figures": False, "stages": ["relu3"], "every_n_steps": 1},
        "best_checkpoint": {"monitor": MONITOR},
    }
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    step = AuditoryModule.training_step

    def training_step(self, batch, batch_idx):
        if batch_idx == 2:
            os.kill(os.getpid(), signal.SIGTERM)
        return step(self, batch, batch_idx)

    monkeypatch.setattr(AuditoryModule, "training_step", training_step)
    monkeypatch.setattr(sys, "argv", ["train", "fit", "--config", str(tmp_path / "config.yaml")])
    with pytest.raises(StoppedBySignal):
        main()
    callbacks = torch.load(run_dir / "checkpoints" / "last.ckpt", weights_only=True)["callbacks"]
    (best,) = [state for state in callbacks.values() if state.get("monitor") == MONITOR]
    assert best["best_model_score"].item() == pytest.approx(0.3)
    assert Path(best["best_model_path"]).name == "best-step-0000003.ckpt"


def test_a_mistyped_score_is_told_in_one_line(config, tmp_path, monkeypatch, capsys):
    config |= {
        "brain": {"benchmarks": ["tiny"], "stages": ["relu3"]},
        "best_checkpoint": {"monitor": "brain/Tiny/best"},
    }
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    monkeypatch.setattr(sys, "argv", ["train", "fit", "--config", str(tmp_path / "config.yaml")])
    with pytest.raises(SystemExit):
        main()
    told = "error: a checkpoint's `monitor`: there is no brain score 'brain/Tiny/best'; there are brain/tiny/best, "
    assert told in capsys.readouterr().err
