"""The ID of a run at Weights & Biases, on file systems of all kinds."""

import errno
import os

import pytest

from train.run.run_directory import wandb_run_id


@pytest.mark.parametrize("number", [errno.ENOTSUP, errno.EPERM, errno.EXDEV])
def test_a_run_keeps_its_id_without_hard_links(tmp_path, monkeypatch, number):
    def refused(*_, **__):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "link", refused)
    run_id = wandb_run_id(tmp_path / "runs" / "mine")
    assert len(run_id) == 8
    assert wandb_run_id(tmp_path / "runs" / "mine") == run_id
    monkeypatch.undo()
    assert wandb_run_id(tmp_path / "runs" / "mine") == run_id


def test_an_id_of_an_earlier_release_stays(tmp_path):
    (tmp_path / "wandb_id.txt").write_text("abcd1234\n")
    assert wandb_run_id(tmp_path) == "abcd1234"
