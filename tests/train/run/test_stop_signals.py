"""What a run that was told to stop has logged: each row once, as an undisturbed one."""

import os
import signal
from pathlib import Path

import pandas as pd
import pytest
import torch
from torch import distributed as dist

from datamodules.data_module import AuditoryDataModule
from evaluate.callback.callback import BrainScoreCallback
from tests.helpers.training_processes import before_step, start, start_ranks, wait_for
from train.run.checkpoints.checkpoint_selection import newest_checkpoint
from train.run.stop_signals import EXIT_STOPPED

needs_gloo = pytest.mark.skipif(not dist.is_gloo_available(), reason="PyTorch is built without gloo")


@pytest.fixture
def config(config):
    return config | {"trainer": config["trainer"] | {"log_every_n_steps": 1, "val_check_interval": 3}}


def rows(run_dir: Path) -> pd.DataFrame:
    """Everything in the table, sorted."""
    table = pd.read_csv(run_dir / "metrics.csv")
    table = table[sorted(table)]
    return table.sort_values(list(table)).reset_index(drop=True)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    return tmp_path_factory.mktemp("undisturbed") / "run"


@pytest.fixture
def undisturbed(config, finished):
    if not finished.exists():
        assert wait_for(start(config | {"run_dir": str(finished)})) == 0
    return finished


@pytest.mark.parametrize("batch", [4, 12, *(pytest.param(batch, marks=pytest.mark.slow) for batch in (3, 6))])
def test_no_row_is_lost_and_none_double(config, undisturbed, batch):
    """Within an epoch, before a validation within it, before its end, and at the end of the last epoch."""
    run_dir, last = Path(config["run_dir"]), 12

    def stop():
        before_step(batch, lambda: os.kill(os.getpid(), signal.SIGTERM))

    assert wait_for(start(config, prepare=stop)) == (EXIT_STOPPED if batch < last else 0)
    assert torch.load(run_dir / "checkpoints/last.ckpt", weights_only=True)["global_step"] == batch
    assert wait_for(start(config, "--resume", "true")) == 0
    found, expected = rows(run_dir), rows(undisturbed)
    assert len(expected["train/loss"].dropna()) == last
    pd.testing.assert_frame_equal(found, expected, check_exact=True)


@pytest.mark.parametrize(
    ("class_with_hook", "hook"),
    [(BrainScoreCallback, "_score"), (AuditoryDataModule, "train_dataloader")],
    ids=["while the untrained network is scored", "while data is set up"],
)
def test_a_run_told_to_stop_before_its_first_step_is_saved_after_it(config, tiny_benchmark, class_with_hook, hook):
    config["brain"] = {"benchmarks": ["tiny"], "figures": False, "stages": ["relu3"], "every_n_epochs": 0}

    def stop():
        original = getattr(class_with_hook, hook)

        def told(*arguments, **named):
            os.kill(os.getpid(), signal.SIGTERM)
            return original(*arguments, **named)

        setattr(class_with_hook, hook, told)

    assert wait_for(start(config, prepare=stop)) == EXIT_STOPPED
    saved = torch.load(Path(config["run_dir"]) / "checkpoints/last.ckpt", weights_only=True)
    assert saved["global_step"] == 1


@pytest.mark.slow
@needs_gloo
def test_ranks_with_accumulated_batches_stop_within_ten_batches(config):
    """Of an epoch of 9 batches on each rank and 4 to a step: not at its end."""

    def stop(rank):
        if rank == 1:
            before_step(2, lambda: os.kill(os.getpid(), signal.SIGTERM))

    config["data"] |= {"batch_size": 2}
    config["trainer"] |= {"devices": 2, "strategy": "ddp", "accumulate_grad_batches": 4}
    assert [wait_for(rank) for rank in start_ranks(config, prepare=stop)] == [EXIT_STOPPED, EXIT_STOPPED]
    saved = torch.load(Path(config["run_dir"]) / "checkpoints/last.ckpt", weights_only=True)
    assert saved["global_step"] == 2


@pytest.mark.slow
def test_what_a_stop_saved_is_not_gone_on_from_once_the_run_is_beyond_it(config):
    config["checkpoint"] = {"save_last": False}
    run_dir = Path(config["run_dir"])

    def stop():
        before_step(3, lambda: os.kill(os.getpid(), signal.SIGTERM))

    assert wait_for(start(config, prepare=stop)) == EXIT_STOPPED
    assert newest_checkpoint(run_dir).name == "step-0000003.ckpt"
    assert wait_for(start(config, "--resume", "true")) == 0
    assert newest_checkpoint(run_dir).name == "step-0000012.ckpt"
    assert not (run_dir / "checkpoints/last.ckpt").exists()


@pytest.mark.slow
@needs_gloo
def test_all_ranks_stop_where_one_is_told_also_in_short_epochs(config):
    """An epoch has fewer batches than lie between two exchanges: they leave at its end."""

    def stop(rank):
        if rank == 1:
            before_step(2, lambda: os.kill(os.getpid(), signal.SIGTERM))

    config["data"] |= {"batch_size": 3}
    config["trainer"] |= {"devices": 2, "strategy": "ddp"}
    run_dir = Path(config["run_dir"])
    whole = config | {"run_dir": str(run_dir.with_name("whole"))}
    assert [wait_for(rank) for rank in start_ranks(whole)] == [0, 0]
    assert [wait_for(rank) for rank in start_ranks(config, prepare=stop)] == [EXIT_STOPPED, EXIT_STOPPED]
    assert torch.load(run_dir / "checkpoints/last.ckpt", weights_only=True)["global_step"] == 6
    assert [wait_for(rank) for rank in start_ranks(config, "--resume", "true")] == [0, 0]
    pd.testing.assert_frame_equal(rows(run_dir), rows(Path(whole["run_dir"])), check_exact=True)
