"""One table of metrics, however often a run is killed and resumed."""

import os
from pathlib import Path

import pandas as pd
import pytest

from evaluate.callback.logged import STEP_KEY
from tests.helpers.training_processes import before_step, start, wait_for
from train.run.metrics_file import MetricsFile


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "run" / "metrics.csv"


def test_columns_are_added_as_they_come(path):
    table = MetricsFile(path)
    table.append({"train/loss": 0.1 + 0.2}, 0)
    table.append({"train/loss": 2.0, "epoch": 0}, 1)
    table.append({"train/loss": float("nan"), "val/a, b/loss": 1e-30}, 1)
    found = pd.read_csv(path)
    assert list(found) == ["step", "epoch", "train/loss", "val/a, b/loss"]
    assert found["train/loss"].tolist()[:2] == [0.1 + 0.2, 2.0]
    assert found["val/a, b/loss"].tolist()[2] == 1e-30
    # Another process, with a column that is known and a new one.
    MetricsFile(path).append({"epoch": 3, "new": 1}, 4)
    assert pd.read_csv(path).iloc[-1][["step", "epoch", "new"]].tolist() == [4, 3, 1]
    assert len(pd.read_csv(path)) == 4


def test_rows_that_training_writes_again_are_dropped(path):
    """Of brain scores, the step is the number of steps trained; of others the index of the step, from 0."""
    table = MetricsFile(path)
    for step in range(6):
        table.append({"train/loss": float(step)}, step)
        table.append({"brain/tiny/best": 0.1, STEP_KEY: step + 1}, step + 1)
    table.resume(4)
    found = pd.read_csv(path)
    assert found["train/loss"].dropna().tolist() == [0, 1, 2, 3]
    assert found[STEP_KEY].dropna().tolist() == [1, 2, 3, 4]
    table.resume(0)
    assert pd.read_csv(path).empty


@pytest.mark.parametrize("lost", [1, 5, 12])
def test_half_a_row_is_dropped(path, lost):
    table = MetricsFile(path)
    table.append({"train/loss": 1.25, "val/loss": 2.0}, 3)
    table.append({"train/loss": 1.5, "val/loss": 2.25}, 13)
    os.truncate(path, path.stat().st_size - lost)
    after = MetricsFile(path)
    after.resume(20)
    after.append({"train/loss": 2.0}, 20)
    assert pd.read_csv(path)["step"].tolist() == [3, 20]
    assert path.read_text().endswith("\n20,2.0,\n")


def test_a_resumed_run_has_one_table(config):
    """Killed between two checkpoints, and in no row twice."""
    config["trainer"]["log_every_n_steps"] = 1
    assert wait_for(start(config, prepare=lambda: before_step(9, lambda: os._exit(3)))) == 3
    run_dir = Path(config["run_dir"])
    assert pd.read_csv(run_dir / "metrics.csv").dropna(subset="train/loss")["step"].max() == 7
    assert wait_for(start(config, "--resume", "true")) == 0
    assert [str(path.relative_to(run_dir)) for path in run_dir.rglob("metrics.csv")] == ["metrics.csv"]
    losses = pd.read_csv(run_dir / "metrics.csv").dropna(subset="train/loss")
    assert losses["step"].tolist() == list(range(12))
