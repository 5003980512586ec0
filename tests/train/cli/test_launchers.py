"""Variables of launchers that are half set, such as in an interactive shell: one line that says what to do."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml
from torch import distributed as dist

from tests.helpers.training_processes import start, start_ranks, wait_for
from train.cli.failures import explain
from train.cli.launchers import NUMBERS, check_launcher, check_numbers, devices_to_use
from train.errors import TrainingError

SRUN = {
    "SLURM_NTASKS": "4",
    "SLURM_NTASKS_PER_NODE": "4",
    "SLURM_PROCID": "1",
    "SLURM_LOCALID": "1",
    "SLURM_NODEID": "0",
}
TORCHRUN = {"TORCHELASTIC_RUN_ID": "none", "RANK": "1", "LOCAL_RANK": "1", "WORLD_SIZE": "2", "GROUP_RANK": "0"}
JSRUN = {
    "LSB_JOBID": "1",
    "LSB_DJOB_RANKFILE": __file__,
    "JSM_NAMESPACE_RANK": "0",
    "JSM_NAMESPACE_LOCAL_RANK": "0",
    "JSM_NAMESPACE_SIZE": "2",
}


def without(environment: dict, *names: str) -> dict:
    return {name: value for name, value in environment.items() if name not in names}


SOUND = {
    "nothing": {},
    "srun": SRUN,
    "salloc with one task per node": SRUN | {"SLURM_NTASKS": "1", "SLURM_NTASKS_PER_NODE": "1", "SLURM_PROCID": "0"},
    "a shell named bash": {"SLURM_NTASKS": "4", "SLURM_JOB_NAME": "bash", "SLURM_PROCID": "0"},
    "a shell named interactive": {"SLURM_NTASKS": "4", "SLURM_JOB_NAME": "interactive"},
    "torchrun": TORCHRUN,
    "torchrun within salloc": TORCHRUN | {"SLURM_NTASKS": "4"},
    "Lightning's own children": {"LOCAL_RANK": "1", "NODE_RANK": "0", "WORLD_SIZE": "2", "MASTER_PORT": "29500"},
    "what Lightning leaves in its own process": {"LOCAL_RANK": "0"},
    "ranks set by a script": {"RANK": "3", "LOCAL_RANK": "1", "WORLD_SIZE": "4"},
    "jsrun": JSRUN,
    "bsub without jsrun": {"LSB_JOBID": "1", "LSB_DJOB_RANKFILE": "/none"},
    "a job of PBS": {"PBS_JOBID": "12.server", "PBS_NODEFILE": "/none", "PBS_NP": "4"},
    "one process of MPI": {"OMPI_COMM_WORLD_SIZE": "1"},
    "ranks taken from MPI": {"PMI_SIZE": "4", "RANK": "1", "LOCAL_RANK": "1", "WORLD_SIZE": "4"},
}
HALF = {
    "salloc": ({"SLURM_NTASKS": "4"}, "SLURM_NTASKS=4 .*export SLURM_JOB_NAME=interactive"),
    "salloc, one task": ({"SLURM_NTASKS": "1"}, "SLURM_PROCID and .* are not, .*export SLURM_JOB_NAME=interactive"),
    "sbatch without per node": (without(SRUN, "SLURM_NTASKS_PER_NODE"), "--ntasks-per-node=N"),
    "another name": ({"SLURM_NTASKS": "4", "SLURM_JOB_NAME": "zsh"}, "export SLURM_JOB_NAME=interactive"),
    "no local id": (without(SRUN, "SLURM_LOCALID"), "SLURM_LOCALID is not"),
    "srun in a shell": (SRUN | {"SLURM_JOB_NAME": "bash"}, "several processes in a job named 'bash'"),
    "rank alone": ({"RANK": "0"}, "RANK=0 is set, but LOCAL_RANK and WORLD_SIZE are not: `unset RANK`"),
    "rank and size": ({"RANK": "1", "WORLD_SIZE": "2"}, "LOCAL_RANK is not"),
    "local rank alone": ({"LOCAL_RANK": "2"}, "LOCAL_RANK=2 is set, but WORLD_SIZE is not"),
    "torchrun without size": (without(TORCHRUN, "WORLD_SIZE"), "WORLD_SIZE is not: `unset TORCHELASTIC_RUN_ID`"),
    "jsrun without rank": (without(JSRUN, "JSM_NAMESPACE_RANK"), "JSM_NAMESPACE_RANK is not"),
    "jsrun without rank file": (JSRUN | {"LSB_DJOB_RANKFILE": "/none/here"}, "/none/here, which is no file"),
    "only a size of jsrun": ({"JSM_NAMESPACE_SIZE": "2"}, "`unset JSM_NAMESPACE_SIZE`"),
    "mpirun": ({"OMPI_COMM_WORLD_SIZE": "4", "OMPI_COMM_WORLD_RANK": "1"}, "mpi4py is not installed"),
    "PALS under PBS": ({"PBS_JOBID": "12", "PMI_SIZE": "4"}, "PMI_SIZE=4 is set"),
}


@pytest.fixture(autouse=True)
def no_mpi4py(monkeypatch):
    monkeypatch.setattr("train.cli.launchers.find_spec", lambda name: None)


@pytest.mark.parametrize("environment", SOUND.values(), ids=SOUND)
def test_whole_sets_of_variables_are_left_to_lightning(environment):
    check_numbers(environment)
    check_launcher(environment)


@pytest.mark.parametrize(("environment", "message"), HALF.values(), ids=HALF)
def test_half_a_set_is_one_line(environment, message):
    check_numbers(environment)
    with pytest.raises(TrainingError, match=message) as found:
        check_launcher(environment)
    assert "\n" not in str(found.value)


@pytest.mark.parametrize("value", ["", "4(x2)", "one", "-1", "1.0"])
def test_what_is_no_number_is_named(value):
    for name in NUMBERS:
        with pytest.raises(TrainingError, match=f"{name} must be an integer"):
            check_numbers({name: value})


def ended(config: dict, path: Path, environment: dict) -> list[str]:
    """What a whole command with these variables writes to stderr."""
    path.write_text(yaml.safe_dump(config))
    command = [sys.executable, "-m", "train", "fit", "--config", str(path), "--trainer.devices", "1"]
    result = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, check=False)
    assert result.returncode == 2, result.stderr
    assert "Traceback" not in result.stderr
    return result.stderr.strip().splitlines()


@pytest.mark.parametrize(
    "environment", [pytest.param({"SLURM_NTASKS": "4"}, marks=pytest.mark.slow), {"RANK": "none"}], ids=str
)
def test_the_command_ends_with_that_line(config, tmp_path, environment):
    lines = ended(config, tmp_path / "config.yaml", environment)
    assert lines[-1].startswith("error: ")
    assert next(iter(environment)) in lines[-1]
    assert not Path(config["run_dir"]).exists()


MPIRUN = {"OMPI_COMM_WORLD_SIZE": "4"}
SCRIPT = {"RANK": "1", "LOCAL_RANK": "1", "WORLD_SIZE": "4"}
FOUR = {
    "srun": SRUN,
    "torchrun": TORCHRUN | {"WORLD_SIZE": "4"},
    "jsrun": JSRUN | {"JSM_NAMESPACE_SIZE": "4"},
    "mpirun": MPIRUN,
    "ranks set by a script": SCRIPT,
}


@pytest.mark.parametrize("environment", FOUR.values(), ids=FOUR)
@pytest.mark.parametrize(("devices", "num_nodes"), [(4, 1), ("4", 1), (2, 2), ([0, 1], 2), ("0,1,2,3", 1)])
def test_as_many_processes_as_devices(environment, devices, num_nodes):
    assert devices_to_use(devices, num_nodes, environment) == (devices, num_nodes)


@pytest.mark.parametrize("environment", FOUR.values(), ids=FOUR)
@pytest.mark.parametrize("devices", ["auto", -1, "-1"])
def test_by_default_there_are_as_many_devices_as_processes(environment, devices):
    """On a CPU, Lightning would use one: each process would train alone, all in the same folder."""
    assert devices_to_use(devices, 1, environment) == (4, 1)
    assert devices_to_use(devices, 2, environment) == (2, 2)


@pytest.mark.parametrize(
    "environment",
    [SRUN | {"SLURM_NNODES": "2"}, TORCHRUN | {"WORLD_SIZE": "4", "LOCAL_WORLD_SIZE": "2"}],
    ids=["srun", "torchrun"],
)
@pytest.mark.parametrize("devices", ["auto", 2])
def test_machines_are_those_of_the_launcher(environment, devices):
    assert devices_to_use(devices, 1, environment) == (2, 2)
    with pytest.raises(TrainingError, match=r"--trainer.devices 2 --trainer.num_nodes 2"):
        devices_to_use(4, 1, environment)


ALONE = (
    "nothing",
    "a shell named bash",
    "a shell named interactive",
    "Lightning's own children",
    "what Lightning leaves in its own process",
    "bsub without jsrun",
    "a job of PBS",
    "one process of MPI",
)


@pytest.mark.parametrize("name", ALONE)
def test_without_a_launcher_devices_are_up_to_lightning(name):
    assert devices_to_use("auto", 1, SOUND[name]) == ("auto", 1)


@pytest.mark.parametrize("environment", FOUR.values(), ids=FOUR)
@pytest.mark.parametrize(("devices", "num_nodes"), [(1, 1), ("1", 1), (3, 1), (4, 2), ([0], 1)])
def test_another_number_of_processes_is_one_line(environment, devices, num_nodes):
    with pytest.raises(TrainingError, match=rf"4 processes were started.*--trainer.devices {4 // num_nodes}"):
        devices_to_use(devices, num_nodes, environment)


@pytest.mark.skipif(not dist.is_gloo_available(), reason="PyTorch is built without gloo")
def test_ranks_without_a_number_of_devices_train_together(config, capfd):
    """One run with examples shared out, not two."""
    config["data"]["batch_size"] = 3
    assert "devices" not in config["trainer"]
    assert [wait_for(rank) for rank in start_ranks(config)] == [0, 0]
    run_dir = Path(config["run_dir"])
    assert torch.load(run_dir / "checkpoints/last.ckpt", weights_only=True)["global_step"] == 12
    assert yaml.safe_load((run_dir / "config.yaml").read_text())["trainer"]["devices"] == "auto"


def test_processes_that_would_each_train_alone_are_one_line(config, capfd):
    environment = SRUN | {"SLURM_PROCID": "0", "SLURM_LOCALID": "0", "SLURM_NNODES": "1"}
    process = start(config, "--trainer.devices", "1", prepare=lambda: os.environ.update(environment))
    assert wait_for(process) == 2
    errors = capfd.readouterr().err
    assert "Traceback" not in errors
    assert "4 processes were started" in errors.strip().splitlines()[-1]


def test_what_lightning_finds_out_later_is_one_line():
    error = ValueError("You set `devices=1` in Lightning, but ... does not match. HINT: Set `devices=4`.")
    assert explain(error).endswith("Set `devices=4` (`--trainer.devices`, `--trainer.num_nodes`)")


def test_a_shell_of_slurm_trains_under_the_name_that_the_line_gives(config):
    environment = {"SLURM_NTASKS": "4", "SLURM_JOB_NAME": "interactive"}
    process = start(config, "--trainer.fast_dev_run", "1", prepare=lambda: os.environ.update(environment))
    assert wait_for(process) == 0
