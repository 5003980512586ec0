"""The command that resumes a run, written out so that it can be copied into a terminal."""

import os
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence

from networks.commands.program import CONSOLE_SCRIPT, is_console_script

_RESUME = "--resume"


def resume_command(arguments: Sequence[str] | None = None, environment: Mapping[str, str] = os.environ) -> str | None:
    """Write the command that resumes the run that this process trains.

    Args:
        arguments: Command line of this process with the program's name; None means `sys.argv`.
        environment: Environment variables, which say whether torchrun started this process.

    Returns:
        The command with `--resume true`, after `torchrun` if that started all processes on one machine. None if this
        process cannot know all of it: it was started by another launcher, or on several machines.
    """
    started_as, *rest = sys.argv if arguments is None else arguments
    is_script = is_console_script(started_as)
    words = shlex.join([*_without_resume(rest), _RESUME, "true"])
    if "TORCHELASTIC_RUN_ID" in environment:
        num_local, num_all = environment.get("LOCAL_WORLD_SIZE"), environment.get("WORLD_SIZE")
        module = CONSOLE_SCRIPT if is_script else "train"
        return f"torchrun --nproc-per-node {num_all} -m {module} {words}" if num_local == num_all else None
    if any(name in environment for name in ("SLURM_PROCID", "RANK", "JSM_NAMESPACE_RANK", "OMPI_COMM_WORLD_RANK")):
        return None
    return f"{CONSOLE_SCRIPT} {words}" if is_script else f"python -m train {words}"


def how_to_resume() -> str:
    """Say how to start or resume this run, after a colon or as the end of a sentence."""
    return resume_command() or f"the same command with `{_RESUME} true`"


def _without_resume(arguments: Sequence[str]) -> Iterator[str]:
    """Leave out `--resume VALUE` and `--resume=VALUE`."""
    takes_value = False
    for argument in arguments:
        if takes_value or argument.partition("=")[0] == _RESUME:
            takes_value = argument == _RESUME
        else:
            yield argument
