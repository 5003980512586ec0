"""Failures of the machine: told in one line, nothing lost, nobody waits for ever."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
import yaml
from torch import distributed as dist

from tests.helpers.training_processes import KILLED, before_step, start, start_ranks, wait_for
from train.__main__ import main
from train.cli.failures import explain
from train.display.loggers import WANDB_TIMEOUT_S

TOLD = 2
LIMIT_S = 60


def last_line(capfd: pytest.CaptureFixture) -> str:
    errors = capfd.readouterr().err
    assert "Traceback" not in errors
    return errors.strip().splitlines()[-1]


@pytest.mark.parametrize(
    "environment",
    [
        pytest.param({"WANDB_API_KEY": ""}, id="no key"),
        # The server is asked again and again until the time is up.
        pytest.param(
            {"WANDB_API_KEY": "0" * 40, "WANDB_BASE_URL": "http://127.0.0.1:9"},
            id="unreachable",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_without_weights_and_biases_a_run_is_kept_to_be_sent_later(config, tmp_path, environment):
    pytest.importorskip("wandb")
    config["trainer"] |= {"max_epochs": 1, "limit_val_batches": 1}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    command = [sys.executable, "-m", "train", "fit", "--config", str(tmp_path / "config.yaml"), "--wandb", "project"]
    # A process of its own: wandb keeps the mode that it was first used in.
    environment = os.environ | {"WANDB_MODE": "online"} | environment
    ended = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=True, timeout=WANDB_TIMEOUT_S + LIMIT_S
    )
    assert "Weights & Biases cannot be used" in ended.stderr
    run_dir = Path(config["run_dir"])
    assert list(run_dir.glob("wandb/offline-run-*"))
    assert (run_dir / "checkpoints" / "last.ckpt").is_file()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there(config, capfd):
    config["trainer"]["accelerator"] = "gpu"
    assert wait_for(start(config)) == TOLD
    assert last_line(capfd) == "error: No supported gpu backend found; `--trainer.accelerator cpu` trains without one"


def test_a_torchaudio_that_does_not_load(config, tmp_path, monkeypatch, capfd):
    (tmp_path / "torchaudio.py").write_text("raise OSError('undefined symbol')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "torchaudio", raising=False)
    config["model"]["front_end"] = {"class_path": "networks.MelSpectrogram"}
    assert wait_for(start(config)) == TOLD
    line = last_line(capfd)
    assert "does not load with torch" in line
    assert "`pip install" in line


def test_a_run_directory_that_cannot_be_written(config, tmp_path, capfd):
    (tmp_path / "file").touch()
    assert wait_for(start(config, "--run_dir", str(tmp_path / "file" / "run"))) == TOLD
    assert "is not a folder" in last_line(capfd)


def test_a_loading_process_that_dies(config, capfd):
    def kill_workers():
        for worker in multiprocessing.active_children():
            os.kill(worker.pid, signal.SIGKILL)
        time.sleep(0.2)

    config["data"]["num_workers"] = 1
    assert wait_for(start(config, prepare=lambda: before_step(8, kill_workers)), LIMIT_S) == TOLD
    line = last_line(capfd)
    assert line.startswith("error: a loading process is killed by signal: Killed")
    assert "--resume true" in line
    assert wait_for(start(config, "--resume", "true"), LIMIT_S) == 0


def test_further_loading_processes_that_die_do_not_hide_the_error(monkeypatch, capsys):
    def fail(*_):
        raise RuntimeError("DataLoader worker (pid 1) is killed by signal: Killed. ")

    def explained(error):
        os.kill(os.getpid(), signal.SIGCHLD)  # the next one dies
        return "in one line"

    monkeypatch.setattr("train.cli.command_line.TrainCLI", fail)
    monkeypatch.setattr("train.cli.failures.explain", explained)
    monkeypatch.setattr("sys.argv", ["train", "fit"])
    before = signal.signal(signal.SIGCHLD, fail)  # as torch does while it loads
    try:
        with pytest.raises(SystemExit) as stopped:
            main()
    finally:
        signal.signal(signal.SIGCHLD, before)
    assert stopped.value.code == TOLD
    assert capsys.readouterr().err.strip() == "error: in one line"


@pytest.mark.skipif(not dist.is_gloo_available(), reason="PyTorch is built without gloo")
def test_a_rank_that_dies_ends_the_others(config, capfd):
    def prepare(rank):
        if rank == 1:
            before_step(2, lambda: os.kill(os.getpid(), signal.SIGKILL))

    config["trainer"] |= {"devices": 2, "strategy": "ddp"}
    ranks = start_ranks(config, prepare=prepare)
    assert [wait_for(rank, LIMIT_S) for rank in ranks] == [TOLD, KILLED]
    assert last_line(capfd).startswith("error: another rank has ended, see what it printed (")


@pytest.fixture
def small_disk(tmp_path):
    """A disk of half a megabyte, and a function that makes it larger."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=500k", "tmpfs", str(folder)]
    try:
        is_mounted = subprocess.run(mount, check=False, capture_output=True).returncode == 0
    except FileNotFoundError:
        is_mounted = False
    if not is_mounted:
        pytest.skip("no disk can be mounted here")
    yield folder, lambda: subprocess.run(["mount", "-o", "remount,size=100m", str(folder)], check=True)
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_loses_nothing(config, small_disk, capfd, tmp_path):
    disk, enlarge = small_disk
    assert wait_for(start(config | {"run_dir": str(tmp_path / "undisturbed")})) == 0
    capfd.readouterr()
    on_disk = config | {"run_dir": str(disk / "run")}
    assert wait_for(start(on_disk)) == TOLD
    line = last_line(capfd)
    assert "--resume true" in line
    assert "No space left" in line or "no space" in line
    enlarge()
    assert wait_for(start(on_disk, "--resume", "true")) == 0
    weights = [
        torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
        for folder in (tmp_path / "undisturbed", disk / "run")
    ]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (OSError(28, "No space left on device", "scores.csv"), "no space to write scores.csv: free some"),
        (PermissionError(13, "Permission denied", "csv"), "csv cannot be written: Permission denied"),
        (RuntimeError("DataLoader worker (pid(s) 1, 2) exited unexpectedly"), "a loading process exited"),
        (RuntimeError("shapes differ"), None),
        (FileNotFoundError(2, "No such file or directory", "x"), None),
    ],
)
def test_what_is_explained(error, line):
    told = explain(error)
    assert (told is None) if line is None else told.startswith(line)
