"""A run says nothing that is of no use, and what is best goes by validations."""

import logging
import re
import warnings

import pytest

from train.display.quiet import leave_out_noise
from train.run.checkpoints.run_checkpoint import RunCheckpoint


def test_a_first_run_is_quiet_where_epochs_have_no_validation(fit_here, config, capfd, caplog, recwarn):
    config["trainer"] |= {"max_epochs": 4, "check_val_every_n_epoch": 2, "enable_model_summary": True}
    caplog.set_level(logging.INFO)
    folder = fit_here(config | {"best_checkpoint": {"monitor": "val/mixed/loss", "save_top_k": 9}})
    out, err = capfd.readouterr()
    printed = out + err + caplog.text + "".join(str(warning.message) for warning in recwarn)
    for noise in (
        "FLOPs",
        "litlogger",
        "weights_only",
        "LeafSpec",
        "logging interval",
        "could not find the monitored key",
    ):
        assert noise not in printed
    assert re.search(r"relu0 +│ +5x\d+x\d+ │", printed), "the network's stages have their shapes"
    assert "heads: word 3 classes + null, speaker 2 classes + null, texture 2 classes + null (null: " in printed
    assert re.search(r"[\d.]+ k parameters, [\d.]+ k of them trained", printed)
    assert "is not empty" not in printed
    saved = sorted(path.name for path in (folder / "checkpoints").glob("best-*"))
    assert saved == ["best-step-0000012.ckpt", "best-step-0000024.ckpt"]
    fit_here(config | {"resume": True, "trainer": {**config["trainer"], "max_epochs": 5}})
    resumed = "".join(capfd.readouterr()) + caplog.text + "".join(str(warning.message) for warning in recwarn)
    assert "is not empty" not in resumed
    assert "checkpoints/last.ckpt: step 24, 4 epochs are complete" in resumed
    assert "relu0" not in resumed, "the table of stages is in the log already"


def test_all_else_is_printed(caplog):
    deprecated = ("something is deprecated", "`isinstance(treespec, LeafSpec)` is deprecated, use another")
    with caplog.at_level(logging.INFO), warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        leave_out_noise()
        for line in ("a word of Lightning", "`weights_only` was not set, defaulting to `False`."):
            logging.getLogger("pytorch_lightning.utilities.rank_zero").info(line)
        for line in deprecated:
            warnings.warn(line, FutureWarning, stacklevel=1)
    assert caplog.messages == ["a word of Lightning"]
    assert [str(warning.message) for warning in warned] == [deprecated[0]]


def test_recommendations_for_values_of_all_processes_alone_are_left_out():
    recommended = "It is recommended to use `self.log('{}', ..., sync_dist=True)` when logging on epoch level"
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        leave_out_noise()
        for name in ("val/mixed/loss", "val/at 3 dB/word/top5", "train/word/top1", "train/word/loss", "mine"):
            warnings.warn(recommended.format(name), UserWarning, stacklevel=1)
    assert [str(warning.message).split("'")[1] for warning in warned] == ["train/word/loss", "mine"]


def test_one_process_speaks_for_all(caplog):
    leave_out_noise()
    with caplog.at_level(logging.INFO):
        for rank in (0, 1):
            for text in ("Seed set to 5", "Received SIGTERM: 15"):
                logging.getLogger("lightning_fabric.utilities.seed").info(f"[rank: {rank}] {text}")
        connected = (
            "---\ndistributed_backend=nccl\nAll distributed processes registered. Starting with 4 processes\n---\n"
        )
        for text in (connected, connected.replace("4 processes", "1 processes")):
            logging.getLogger("lightning_fabric.utilities.rank_zero").info(text)
    assert caplog.messages == ["Received SIGTERM: 15", "4 processes are connected (by nccl)"]


def test_lightning_speaks_in_plain_words(caplog):
    leave_out_noise()
    with caplog.at_level(logging.INFO):
        for text in (
            "`Trainer.fit` stopped: `max_epochs=2` reached.",
            "GPU available: False, used: False",
            "GPU available: True (cuda), used: True",
            "Restored all states from the checkpoint at runs/a b/checkpoints/last.ckpt",
        ):
            logging.getLogger("pytorch_lightning.utilities.rank_zero").info(text)
    assert caplog.messages == [
        "on the CPU (there is no GPU that PyTorch can use)",
        "on the GPU (cuda)",
    ]


def test_warnings_are_those_of_the_first_process(monkeypatch):
    for rank in (0, 1):
        monkeypatch.setenv("RANK", str(rank))
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            leave_out_noise()
            warnings.warn("a word of torch", UserWarning, stacklevel=1)
        assert len(warned) == int(rank == 0)


@pytest.mark.parametrize(("every", "forgets"), [({}, True), ({"every_n_train_steps": 3}, False)])
def test_validations_of_earlier_epochs_count_for_steps_alone(every, forgets):
    checkpoint = RunCheckpoint(monitor="val/mixed/loss", **every)
    checkpoint._is_validated = True
    checkpoint.on_train_epoch_start(None, None)
    assert checkpoint._is_validated != forgets
