"""What launchers say in environment variables, checked before Lightning reads them.

Lightning believes a variable of SLURM, torchrun, jsrun or mpirun that is only there because a shell or a script was
started with it: it then raises from its insides, waits for processes that nobody starts, or lets each process train
alone in the same folder. These checks say in one line which variable to set or unset.
"""

import os
from collections.abc import Mapping
from importlib.util import find_spec
from typing import NamedTuple

from networks.commands.program import module_of, program
from train.errors import TrainingError

NUMBERS = (
    "RANK",
    "LOCAL_RANK",
    "GROUP_RANK",
    "NODE_RANK",
    "WORLD_SIZE",
    "MASTER_PORT",
    "SLURM_NTASKS",
    "SLURM_NTASKS_PER_NODE",
    "SLURM_NNODES",
    "SLURM_PROCID",
    "SLURM_LOCALID",
    "SLURM_NODEID",
    "JSM_NAMESPACE_RANK",
    "JSM_NAMESPACE_LOCAL_RANK",
    "JSM_NAMESPACE_SIZE",
)
"""Variables that Lightning or this project read as integers."""

_TORCHRUN = ("RANK", "LOCAL_RANK", "WORLD_SIZE")
_SRUN = ("SLURM_PROCID", "SLURM_LOCALID", "SLURM_NODEID")
_JSRUN = ("JSM_NAMESPACE_RANK", "JSM_NAMESPACE_LOCAL_RANK", "JSM_NAMESPACE_SIZE")
_LSF = ("LSB_JOBID", "LSB_DJOB_RANKFILE")
_MPI_SIZES = ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "MV2_COMM_WORLD_SIZE")
"""Set by Open MPI, by MPICH, Intel MPI and Cray's PALS (which PBS clusters use), and by MVAPICH2."""
_ALL_DEVICES = ("auto", "-1")
"""How `Trainer` is asked for all devices: on a CPU that is one, however many processes there are."""
_NOT_A_JOB = ("bash", "interactive")
"""Names of SLURM jobs in which Lightning ignores SLURM."""


def check_numbers(environment: Mapping[str, str] = os.environ) -> None:
    """Check that the variables that must be integers are; some are read while Lightning is imported.

    Raises:
        TrainingError: One is not.
    """
    for name in NUMBERS:
        value = environment.get(name)
        if value is not None and not value.strip().isdecimal():
            raise TrainingError(
                f"the environment variable {name} must be an integer, got {value!r}: `unset {name}`, unless a "
                "launcher needs it"
            )


def check_launcher(environment: Mapping[str, str] = os.environ) -> None:
    """Check that the variables of a launcher are all there, or none.

    Raises:
        TrainingError: Lightning could not start with them.
    """
    # In the order in which Lightning looks for launchers.
    if "TORCHELASTIC_RUN_ID" in environment:
        if missing := _missing(_TORCHRUN, environment):
            raise TrainingError(
                f"TORCHELASTIC_RUN_ID is set, as by torchrun, but {missing} not: `unset TORCHELASTIC_RUN_ID` to train "
                "without torchrun"
            )
        return
    _check_ranks(environment)
    if "SLURM_NTASKS" in environment:
        _check_slurm(environment)
    else:
        _check_jsrun(environment)
        _check_mpi(environment)


class Started(NamedTuple):
    """The processes that a launcher has started.

    Attributes:
        num_processes: Their number on all machines.
        num_nodes: Number of machines; None if the launcher does not say.
        variable: Environment variable that says how many processes there are.
    """

    num_processes: int
    num_nodes: int | None
    variable: str


def started_processes(environment: Mapping[str, str] = os.environ) -> Started | None:
    """Read how many processes a launcher has started.

    Args:
        environment: Environment variables that `check_launcher` accepts.

    Returns:
        Their numbers; None if no launcher has started this process, or only Lightning itself.
    """
    # In the order in which Lightning looks for launchers.
    if "TORCHELASTIC_RUN_ID" in environment:
        num_all, num_local = int(environment["WORLD_SIZE"]), int(environment.get("LOCAL_WORLD_SIZE", "0"))
        return Started(num_all, num_all // num_local if num_local else None, "WORLD_SIZE")
    if "SLURM_NTASKS" in environment and environment.get("SLURM_JOB_NAME") not in _NOT_A_JOB:
        num_nodes = environment.get("SLURM_NNODES")
        return Started(int(environment["SLURM_NTASKS"]), int(num_nodes) if num_nodes else None, "SLURM_NTASKS")
    if "JSM_NAMESPACE_SIZE" in environment:
        return Started(int(environment["JSM_NAMESPACE_SIZE"]), None, "JSM_NAMESPACE_SIZE")
    if (name := _mpi_size(environment)) is not None:
        return Started(int(environment[name]), None, name)
    if all(name in environment for name in _TORCHRUN):  # set by a script
        return Started(int(environment["WORLD_SIZE"]), None, "WORLD_SIZE")
    return None


def devices_to_use(devices: object, num_nodes: int, environment: Mapping[str, str] = os.environ) -> tuple[object, int]:
    """Use as many devices as a launcher has started processes; with fewer, each process would train alone.

    Args:
        devices: As in `Trainer`; only a number or a list says how many there are.
        num_nodes: Number of machines; 1 is also the default, and stands for the number that the launcher reports.
        environment: Environment variables that `check_launcher` accepts.

    Returns:
        Devices of each machine and number of machines: as given if no launcher was used.

    Raises:
        TrainingError: The given numbers differ from those of the launcher.
    """
    started = started_processes(environment)
    if started is None:
        return devices, num_nodes
    nodes = started.num_nodes or num_nodes if num_nodes == 1 else num_nodes
    num_devices = _number_of(devices)
    if num_devices is None and str(devices).strip() in _ALL_DEVICES and started.num_processes % nodes == 0:
        return started.num_processes // nodes, nodes
    if num_devices is None or num_devices * nodes == started.num_processes:
        return devices, nodes
    raise TrainingError(
        f"{started.num_processes} processes were started ({started.variable}={started.num_processes}), but the run has "
        f"{num_devices} devices on each of {nodes} machines: set `--trainer.devices {started.num_processes // nodes} "
        f"--trainer.num_nodes {nodes}`, leave both out, or start {num_devices * nodes}"
    )


def _number_of(devices: object) -> int | None:
    """Number of devices; None if that is up to Lightning ("auto" and -1) or written in another way ("0,1")."""
    if isinstance(devices, list):
        return len(devices)
    text = str(devices).strip()
    return int(text) if text.isdecimal() else None


def _check_ranks(environment: Mapping[str, str]) -> None:
    """Check variables that torchrun sets, if another launcher or a user has set them."""
    given = [name for name in ("RANK", "LOCAL_RANK") if name in environment]
    if "RANK" not in environment and environment.get("LOCAL_RANK", "0") == "0":
        return
    if missing := _missing(_TORCHRUN if "RANK" in environment else ("WORLD_SIZE",), environment):
        names = " and ".join(f"{name}={environment[name]}" for name in given)
        raise TrainingError(
            f"{names} is set, but {missing} not: `unset {' '.join(given)}` to train in one process, or start several "
            f"with `torchrun --nproc-per-node N -m {module_of('train')} fit ...`"
        )


def _check_slurm(environment: Mapping[str, str]) -> None:
    num_tasks = int(environment["SLURM_NTASKS"])
    alone = "`export SLURM_JOB_NAME=interactive` to train in one process, without SLURM"
    together = f"`#SBATCH --ntasks-per-node=N` and `srun {program('train', 'fit')} ...`"
    if environment.get("SLURM_JOB_NAME") in _NOT_A_JOB:
        if int(environment.get("SLURM_PROCID", "0")) > 0:
            raise TrainingError(
                f"srun started several processes in a job named {environment['SLURM_JOB_NAME']!r}, where each would "
                f"train alone in the same folder: give the job another name, with {together}"
            )
        return
    if num_tasks > 1 and "SLURM_NTASKS_PER_NODE" not in environment:
        raise TrainingError(
            f"SLURM_NTASKS={num_tasks} is set, but SLURM_NTASKS_PER_NODE is not: {alone}, or start one process per "
            f"device with {together}"
        )
    if missing := _missing(_SRUN, environment):
        raise TrainingError(
            f"SLURM_NTASKS={num_tasks} is set, but {missing} not, as srun did not start this process: {alone}, or "
            f"start one process per device with {together}"
        )


def _check_jsrun(environment: Mapping[str, str]) -> None:
    given = [name for name in _JSRUN if name in environment]
    if given and (missing := _missing((*_JSRUN, *_LSF), environment)):
        raise TrainingError(
            f"{given[0]} is set, as by jsrun, but {missing} not: `unset {' '.join(given)}` to train in one process, or "
            "start the run with jsrun in a job of LSF"
        )
    if given and not os.path.isfile(environment["LSB_DJOB_RANKFILE"]):
        raise TrainingError(
            f"LSB_DJOB_RANKFILE names {environment['LSB_DJOB_RANKFILE']}, which is no file: `unset {' '.join(given)}` "
            "to train in one process, or start the run with jsrun in a job of LSF"
        )


def _check_mpi(environment: Mapping[str, str]) -> None:
    name = _mpi_size(environment)
    if name is None or find_spec("mpi4py") is not None:
        return
    raise TrainingError(
        f"{name}={environment[name]} is set, as by mpirun, but mpi4py is not installed, so each process would train "
        f"alone in the same folder: start them with torchrun, install mpi4py, or `unset {name}` to train in one process"
    )


def _mpi_size(environment: Mapping[str, str]) -> str | None:
    """Name the variable that says how many processes mpirun has started, if Lightning starts none itself."""
    if "LOCAL_RANK" in environment:
        return None
    return next((name for name in _MPI_SIZES if environment.get(name, "1") not in ("0", "1")), None)


def _missing(names: tuple[str, ...], environment: Mapping[str, str]) -> str:
    """Name the variables that are not set: "RANK is" or "RANK and LOCAL_RANK are"; "" if all are."""
    missing = [name for name in names if name not in environment]
    return f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'}" if missing else ""
