"""Ctrl-C: the run saves, says how to resume, and ends as an undisturbed one; a second Ctrl-C leaves at once."""

import os
import random
import signal
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
import torch
import yaml
from torch import distributed as dist

from datamodules.data_module import AuditoryDataModule
from tests.helpers.terminal import TerminalCommand
from tests.helpers.training_processes import before_step, start, wait_for
from train.run import stop_signals
from train.run.metric_history import read_history
from train.run.resume_command import resume_command
from train.run.stop_signals import EXIT_STOPPED

LAST = "checkpoints/last.ckpt"
needs_gloo = pytest.mark.skipif(not dist.is_gloo_available(), reason="PyTorch is built without gloo")
PROJECT = Path(__file__).resolve().parents[3]


def interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def step_of(run_dir: Path) -> int:
    return torch.load(run_dir / LAST, weights_only=True)["global_step"]


def test_ctrl_c_saves_and_says_how_to_resume(config, capfd):
    """Also with processes that load data, which a terminal interrupts, too."""

    def stop():
        os.setpgrp()
        before_step(3, lambda: os.killpg(0, signal.SIGINT))

    config["data"]["num_workers"] = 2
    assert wait_for(start(config, prepare=stop)) == EXIT_STOPPED
    run_dir = Path(config["run_dir"])
    assert step_of(run_dir) == 3
    shown = capfd.readouterr().err
    assert "Ctrl-C: the run saves and stops after this step" in shown
    assert f"stopped by Ctrl-C after step 3, saved in {run_dir / LAST}. Resume with:\n" in shown
    assert f"  cochlearn fit --config {run_dir.with_suffix('.yaml')} --resume true\n" in shown
    assert "Traceback" not in shown


def test_a_second_ctrl_c_leaves_at_once(config, capfd):
    def stop():
        stop_signals.SAME_PRESS_S = 0.0
        before_step(3, lambda: (interrupt(), interrupt()))

    assert wait_for(start(config, prepare=stop)) == -signal.SIGINT
    assert not (Path(config["run_dir"]) / LAST).exists()
    assert "left at once; what follows the last checkpoint is lost. Resume with:\n" in capfd.readouterr().err


def test_a_second_ctrl_c_after_saving_names_the_step(monkeypatch, capfd):
    stop = stop_signals.StopSignals()
    stop.saved, stop._saved_step = "runs/mine/checkpoints/last.ckpt", 50
    monkeypatch.setattr(stop_signals.signal, "signal", lambda number, handler: None)
    monkeypatch.setattr(stop_signals.os, "kill", lambda process, number: sys.exit(number))
    with pytest.raises(SystemExit):
        stop._leave_now(signal.SIGINT)
    shown = capfd.readouterr().err
    assert "left at once; step 50 is saved in runs/mine/checkpoints/last.ckpt. Resume with:" in shown
    assert "without saving" not in shown


def test_a_repeated_signal_is_one_ctrl_c(config):
    """Launchers pass on what the terminal has already sent."""

    def stop():
        before_step(3, lambda: (interrupt(), interrupt()))

    assert wait_for(start(config, prepare=stop)) == EXIT_STOPPED
    assert step_of(Path(config["run_dir"])) == 3


def test_ctrl_c_before_training_is_one_line(config, capfd):
    def stop():
        original = AuditoryDataModule.train_dataloader
        AuditoryDataModule.train_dataloader = lambda self: (interrupt(), original(self))[1]

    assert wait_for(start(config, prepare=stop)) == 130
    lines = capfd.readouterr().err.strip().splitlines()
    assert lines[-1].startswith("error: interrupted; what is saved is whole. Start or resume the run with: cochlearn ")
    assert not [line for line in lines if "Traceback" in line or "graceful" in line]


def test_a_command_in_the_background_ignores_ctrl_c(config):
    def stop():
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        before_step(3, interrupt)

    assert wait_for(start(config, prepare=stop)) == 0


@pytest.mark.parametrize(
    ("arguments", "environment", "command"),
    [
        (["/x/train/__main__.py", "fit", "--config", "a b.yaml"], {}, "python -m train fit --config 'a b.yaml'"),
        (["/bin/cochlearn", "fit", "--resume", "false", "-c", "a"], {}, "cochlearn fit -c a"),
        (["/x/train/__main__.py", "fit", "--resume=true"], {}, "python -m train fit"),
        (
            ["/x/train/__main__.py", "fit"],
            {"TORCHELASTIC_RUN_ID": "none", "LOCAL_WORLD_SIZE": "2", "WORLD_SIZE": "2", "RANK": "0"},
            "torchrun --nproc-per-node 2 -m train fit",
        ),
    ],
)
def test_the_command_that_resumes(arguments, environment, command):
    assert resume_command(arguments, environment) == f"{command} --resume true"


@pytest.mark.parametrize(
    "environment", [{"SLURM_PROCID": "0"}, {"TORCHELASTIC_RUN_ID": "x", "LOCAL_WORLD_SIZE": "2", "WORLD_SIZE": "4"}]
)
def test_a_launcher_on_several_machines_is_not_guessed(environment):
    assert resume_command(["/x/train/__main__.py", "fit"], environment) is None


def outcome(run_dir: Path) -> tuple[dict, pd.DataFrame, pd.DataFrame]:
    state = torch.load(run_dir / LAST, weights_only=True)["state_dict"]
    scores = pd.read_csv(run_dir / "scores.csv").drop(columns="run")
    history = pd.DataFrame(read_history(run_dir))
    logged = history[sorted(name for name in history if name.startswith(("train/", "val/")))]
    return state, scores.sort_values(list(scores.columns)).reset_index(drop=True), logged


@pytest.mark.slow
@pytest.mark.parametrize("num_ranks", [1, pytest.param(2, marks=needs_gloo)])
def test_ctrl_c_in_a_terminal_at_ten_random_moments(config, tmp_path, num_ranks):
    """Until the run ends: saved each time, and at the end bitwise what an undisturbed run gives."""
    config["brain"] = {"benchmarks": ["tests.helpers.noise_benchmark:tiny"], "figures": False, "every_n_steps": 50}
    config["data"] |= {"num_workers": 2, "batch_size": 6 // num_ranks}
    config["trainer"] |= {"max_epochs": 60, "devices": num_ranks, "strategy": "ddp" if num_ranks > 1 else "auto"}
    config["trainer"] |= {"enable_progress_bar": True, "log_every_n_steps": 1, "check_val_every_n_epoch": 5}
    config["checkpoint"] = {"every_n_epochs": 50}

    def command(name: str) -> TerminalCommand:
        path = tmp_path / f"{name}.yaml"
        path.write_text(yaml.safe_dump(config | {"run_dir": str(tmp_path / name)}))
        launcher = ["-m", "torch.distributed.run", "--nproc-per-node", "2"] if num_ranks > 1 else []
        words = [sys.executable, *launcher, "-m", "train", "fit", "--config", str(path), "--resume", "true"]
        return TerminalCommand(words, cwd=PROJECT, environment={"OMP_NUM_THREADS": "1"})

    def wait_for_training(running: TerminalCommand) -> None:
        """Wait until the terminal shows the bar of an epoch."""
        while running.is_running and "Epoch " not in running.shown:
            time.sleep(0.02)

    undisturbed = command("undisturbed")
    wait_for_training(undisturbed)
    begin_s = time.monotonic()
    assert undisturbed.wait() == 0, undisturbed.shown
    duration_s = time.monotonic() - begin_s

    rng, run_dir, steps = random.Random(0), tmp_path / "run", [0]
    for number in range(10):
        running = command("run")
        wait_for_training(running)
        time.sleep(duration_s / 25 * rng.uniform(0, 2))  # the run is not finished after ten times
        running.press_ctrl_c()
        status = running.wait()
        (tmp_path / f"shown{number}.txt").write_text(running.shown)
        assert status == (EXIT_STOPPED if num_ranks == 1 else 1), running.shown  # torchrun has a status of its own
        assert "stopped by Ctrl-C after step" in running.shown, running.shown
        launched = "torchrun --nproc-per-node 2 -m" if num_ranks > 1 else "python -m"
        again = f"Resume with:\r\n  {launched} train fit --config {tmp_path / 'run.yaml'} --resume true\r\n"
        assert again in running.shown, running.shown
        steps.append(step_of(run_dir))
    assert steps == sorted(set(steps)), "each Ctrl-C saved what was trained since the one before"
    assert command("run").wait() == 0
    found, expected = outcome(run_dir), outcome(tmp_path / "undisturbed")
    assert [name for name in expected[0] if not torch.equal(found[0][name], expected[0][name])] == []
    pd.testing.assert_frame_equal(found[1], expected[1], check_exact=True)
    pd.testing.assert_frame_equal(found[2], expected[2], check_exact=True)


@pytest.mark.slow
@pytest.mark.parametrize("num_ranks", [1, pytest.param(2, marks=needs_gloo)])
def test_a_second_ctrl_c_in_a_terminal_leaves_at_once(config, tmp_path, num_ranks):
    """While a step takes minutes."""
    (tmp_path / "slow_loss.py").write_text(
        "import time\nimport train.learning.module as m\n"
        "step = m.AuditoryModule.training_step\n"
        "def slow(self, batch, batch_idx):\n"
        "    if self.global_step == 2:\n        print('SLOW', flush=True)\n        time.sleep(600)\n"
        "    return step(self, batch, batch_idx)\n"
        "m.AuditoryModule.training_step = slow\n"
        "import sys, train.__main__ as t\nsys.argv[0] = t.__file__\nt.main()\n"
    )
    config["trainer"] |= {"devices": num_ranks, "strategy": "ddp" if num_ranks > 1 else "auto"}
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(config))
    launcher = ["-m", "torch.distributed.run", "--nproc-per-node", "2"] if num_ranks > 1 else []
    words = [sys.executable, *launcher, str(tmp_path / "slow_loss.py"), "fit", "--config", str(tmp_path / "run.yaml")]
    running = TerminalCommand(words, cwd=PROJECT, environment={"PYTHONPATH": str(PROJECT), "OMP_NUM_THREADS": "1"})
    while running.is_running and running.shown.count("SLOW") < num_ranks:
        time.sleep(0.05)
    running.press_ctrl_c()
    time.sleep(2)
    assert running.is_running
    assert "Ctrl-C again leaves at once" in running.shown
    pressed_s = time.monotonic()
    running.press_ctrl_c()
    assert running.wait() != 0
    assert time.monotonic() - pressed_s < 10
    assert "left at once" in running.shown
