"""Two trainings of a user's own loop in one folder: no rows are lost, and no trajectory is made of both."""

import pandas as pd
import pytest
import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader

from evaluate import BrainScoreCallback
from evaluate.benchmarks import BENCHMARKS
from evaluate.callback.training_rows import OWNERS_FILE
from evaluate.scoring import table as t
from networks import NetworkIdentity
from tests.evaluate.callback.test_plain_modules import WithStages


@pytest.fixture(autouse=True)
def tiny_benchmark(make_benchmark, monkeypatch):
    monkeypatch.setitem(BENCHMARKS, "tiny", make_benchmark)


@pytest.fixture
def train(tmp_path):
    def run(name, epochs, **fitting):
        pl.seed_everything(0, verbose=False)
        options = fitting.pop("trainer", {})
        trainer = pl.Trainer(
            max_epochs=epochs,
            accelerator="cpu",
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            callbacks=[
                BrainScoreCallback(
                    ["tiny"],
                    metrics=["dimensionality"],
                    network="inner.0",
                    run_dir=str(tmp_path / "run"),
                    figures=False,
                )
            ],
            **options,
        )
        trainer.fit(WithStages(), DataLoader(torch.randn(8, 64), batch_size=2), **fitting)
        path = tmp_path / f"{name}.ckpt"
        trainer.save_checkpoint(path)
        return str(path)

    return run


def steps_of(path):
    return sorted(set(pd.read_csv(path)[t.STEP]))


def asides(tmp_path):
    return sorted((tmp_path / "run").glob("scores.*.csv"))


def test_a_second_start_keeps_the_rows_of_the_first(train, tmp_path, caplog):
    train("first", 3)
    table = tmp_path / "run" / t.SCORES_FILE
    first = table.read_text()
    train("second", 1)
    assert steps_of(table) == [0, 4]
    (aside,) = asides(tmp_path)
    assert aside.read_text() == first
    assert f"rows of another training: they are in {aside} now" in caplog.text


def test_the_first_training_resumes_with_its_own_rows(train, tmp_path):
    first = train("first", 2)
    train("second", 3)
    table = tmp_path / "run" / t.SCORES_FILE
    second = table.read_text()
    train("again", 4, ckpt_path=first)
    assert steps_of(table) == [0, 4, 8, 12, 16]
    (aside,) = asides(tmp_path)
    assert aside.read_text() == second
    rows = pd.read_csv(table)
    assert not rows.duplicated(list(t.KEY_COLUMNS)).any()


def test_resuming_again_and_again_moves_nothing(train, tmp_path, caplog):
    first = train("first", 1)
    train("second", 3, ckpt_path=first)
    train("third", 2, ckpt_path=first)
    assert steps_of(tmp_path / "run" / t.SCORES_FILE) == [0, 4, 8]
    assert asides(tmp_path) == []
    assert "another training" not in caplog.text


def test_a_table_of_an_earlier_version(train, tmp_path):
    """It does not say whose rows it holds: a new training moves it aside, one that resumes continues it."""
    first = train("first", 1)
    (tmp_path / "run" / OWNERS_FILE).unlink()
    train("again", 2, ckpt_path=first)
    assert asides(tmp_path) == []
    (tmp_path / "run" / OWNERS_FILE).write_text("{")
    train("second", 1)
    assert [path.name for path in asides(tmp_path)] == ["scores.earlier.csv"]
    assert steps_of(asides(tmp_path)[0]) == [0, 4, 8]


def test_rows_of_other_networks_stay(train, tmp_path):
    """Those of the training's own checkpoints, which `watch` adds, go with it."""
    train("first", 1)
    table = tmp_path / "run" / t.SCORES_FILE
    for run, step in (("run", 6), ("SpectroTemporal", 9)):
        t.append_rows(table, t.failed_row("other", NetworkIdentity(run=run, checkpoint="some.ckpt", step=step)))
    train("second", 1)
    assert steps_of(table) == [0, 4, 9]
    assert steps_of(asides(tmp_path)[0]) == [0, 4, 6]


def test_a_trial_run_changes_nothing(train, tmp_path):
    train("first", 2)
    table = tmp_path / "run" / t.SCORES_FILE
    first = table.read_text()
    train("trial", 1, trainer={"fast_dev_run": True})
    assert table.read_text() == first
    assert asides(tmp_path) == []
