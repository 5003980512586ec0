"""Where a run starts from, and when its directory is taken."""

from pathlib import Path

import pandas as pd
import pytest
import torch

from networks.weights.run_layout import SUMMARY_FILE
from train.run.checkpoints.checkpoint_selection import (
    checkpoint_named,
    checkpoint_to_evaluate,
    checkpoint_to_resume,
    newest_checkpoint,
)
from train.run.checkpoints.peeking import peek
from train.run.finished import check_unfinished
from train.run.run_directory import RunDirectoryError


def touch(run_dir: Path, *names: str) -> None:
    (run_dir / "checkpoints").mkdir(exist_ok=True)
    for name in names:
        (run_dir / "checkpoints" / name).touch()


def log(run_dir: Path, *steps: int) -> None:
    pd.DataFrame({"step": steps, "train/loss": 1.0}).to_csv(run_dir / "metrics.csv", index=False)


def test_the_newest_checkpoint(tmp_path):
    assert newest_checkpoint(tmp_path / "new") is None
    touch(tmp_path, "untrained.ckpt", "non_finite.ckpt")
    assert newest_checkpoint(tmp_path) is None
    touch(tmp_path, "best-step-0000012.ckpt")
    assert newest_checkpoint(tmp_path).name == "best-step-0000012.ckpt"
    touch(tmp_path, "step-0000009.ckpt", "step-0000010.ckpt", ".last.ckpt.0.partial", ".step-0000099.0-1.tmp.ckpt")
    assert newest_checkpoint(tmp_path).name == "step-0000010.ckpt"
    touch(tmp_path, "epoch=3-step=1000.ckpt")
    assert newest_checkpoint(tmp_path).name == "epoch=3-step=1000.ckpt"
    touch(tmp_path, "last.ckpt")
    assert newest_checkpoint(tmp_path).name == "last.ckpt"


@pytest.mark.parametrize(
    ("last", "others", "newest"),
    [
        (3, ["step-0000006.ckpt", "step-0000012.ckpt"], "step-0000012.ckpt"),
        (6, ["step-0000006.ckpt", "step-0000012.ckpt"], "last.ckpt"),  # killed between step-... and last
        (12, ["step-0000006.ckpt", "step-0000012.ckpt", "best-step-0000014.ckpt"], "last.ckpt"),
        (13, ["step-0000006.ckpt", "step-0000012.ckpt"], "last.ckpt"),
        (3, ["best-step-0000006.ckpt", "best-step-0000012.ckpt"], "last.ckpt"),
    ],
)
def test_the_last_checkpoint_is_not_always_the_newest(tmp_path, last, others, newest):
    """A run that went on without keeping one left it behind."""
    touch(tmp_path, *others)
    torch.save({"global_step": last, "state_dict": {"weight": torch.zeros(3)}}, tmp_path / "checkpoints" / "last.ckpt")
    assert newest_checkpoint(tmp_path).name == newest


def test_where_to_resume(tmp_path):
    assert checkpoint_to_resume(tmp_path / "new", resume=True) is None
    # What a run leaves that failed before or in its first step: nothing to lose.
    (tmp_path / "config.yaml").touch()
    touch(tmp_path, "untrained.ckpt")
    log(tmp_path, 0)
    assert checkpoint_to_resume(tmp_path, resume=True) is None
    assert checkpoint_to_resume(tmp_path, resume=False) is None
    touch(tmp_path, "step-0000006.ckpt")
    assert checkpoint_to_resume(tmp_path, resume=True).name == "step-0000006.ckpt"
    with pytest.raises(RunDirectoryError, match="already holds a run: add `--resume true` to resume"):
        checkpoint_to_resume(tmp_path, resume=False)


def test_what_was_logged_is_not_overwritten_either(tmp_path):
    log(tmp_path, 9, 19)
    assert checkpoint_to_resume(tmp_path, resume=True) is None
    with pytest.raises(RunDirectoryError, match=r"already holds a run, but no checkpoint .* from the beginning"):
        checkpoint_to_resume(tmp_path, resume=False)


def test_which_checkpoint_to_evaluate(tmp_path):
    touch(tmp_path, "untrained.ckpt")
    with pytest.raises(RunDirectoryError, match=r"checkpoints holds no checkpoint to evaluate: .*`--ckpt_path`"):
        checkpoint_to_evaluate(tmp_path)
    touch(tmp_path, "step-0000006.ckpt")
    assert checkpoint_to_evaluate(tmp_path).name == "step-0000006.ckpt"


def test_a_checkpoint_that_is_named_is_there(tmp_path):
    for name in ("s3://bucket/last.ckpt", str(tmp_path)):
        assert checkpoint_named(name, tmp_path) == name
    for name in ("nowhere.ckpt", "best", "hpc", "last"):
        with pytest.raises(RunDirectoryError, match=f"there is no checkpoint {name}.*: `--ckpt_path` names a file"):
            checkpoint_named(name, tmp_path)
    touch(tmp_path, "step-0000006.ckpt")
    assert checkpoint_named("last", tmp_path) == str(tmp_path / "checkpoints" / "step-0000006.ckpt")


@pytest.mark.parametrize("content", [b"", b"no checkpoint", {"weights": torch.zeros(2)}, [1]])
def test_nothing_is_seen_in_what_is_no_checkpoint(tmp_path, content):
    path = tmp_path / "last.ckpt"
    path.write_bytes(content) if isinstance(content, bytes) else torch.save(content, path)
    assert peek(path) is None
    (tmp_path / SUMMARY_FILE).touch()
    check_unfinished(tmp_path, path, max_epochs=1, max_steps=-1, is_scheduled=False)  # loading it reports what is wrong


def test_a_checkpoint_without_the_state_of_loops_may_be_trained_further(tmp_path):
    torch.save({"global_step": 3}, tmp_path / "last.ckpt")
    assert peek(tmp_path / "last.ckpt") == {"global_step": 3}
    (tmp_path / SUMMARY_FILE).touch()
    check_unfinished(tmp_path, tmp_path / "last.ckpt", max_epochs=1, max_steps=-1, is_scheduled=False)
