"""Which checkpoint a command starts from: the newest of a run, or one that was named."""

import re
from collections.abc import Mapping
from pathlib import Path

import torch

from train.run.metric_history import read_history
from train.run.run_directory import BEST_PREFIX, LAST_CHECKPOINT, RunDirectoryError, checkpoints_in

NEWEST = "last"
"""Stands for the newest checkpoint of the run directory."""

_STEP_IN_NAME = re.compile(r"step[-=](\d+)")


def newest_checkpoint(run_dir: str | Path) -> Path | None:
    """Find the checkpoint that a run goes on from.

    Args:
        run_dir: the run directory, which need not exist.

    Returns:
        The last one; where that was not kept, or training went on without writing it, the one of the highest step,
        and the best one where no others are. None where there is none; the untrained network does not count.
    """
    folder = checkpoints_in(run_dir)
    # Hidden files are being written, or were when a run was killed.
    paths = [path for path in folder.glob("*.ckpt") if not path.name.startswith(".")]
    steps = {path: int(match[1]) for path in paths if (match := _STEP_IN_NAME.search(path.stem))}
    newest = max(steps, key=lambda path: (not _is_best(path), steps[path]), default=None)
    last = folder / LAST_CHECKPOINT
    return newest if not last.is_file() or _is_left_over(last, steps) else last


def _is_left_over(last: Path, steps: Mapping[Path, int]) -> bool:
    """Whether training went on without writing its last checkpoint.

    A single one beyond it is no sign: a run that is killed between the two has not logged the step of that one yet.
    """
    kept = sorted(steps[path] for path in steps if not _is_best(path))
    return len(kept) > 1 and _step_in(last) < kept[-2]


def _is_best(checkpoint: Path) -> bool:
    return checkpoint.name.startswith(BEST_PREFIX)


def _step_in(checkpoint: Path) -> float:
    """The step of a checkpoint that does not say it in its name; its tensors stay on the disk."""
    try:
        return int(torch.load(checkpoint, map_location="cpu", weights_only=True, mmap=True)["global_step"])
    except Exception:  # whatever is wrong with it is told when it is loaded: none is passed over in silence
        return float("inf")


def checkpoint_to_resume(run_dir: str | Path, *, resume: bool) -> Path | None:
    """Where training in a run directory starts from.

    A directory holds a run where there is a checkpoint to go on from, or where more than the first step was logged:
    one that failed before has left nothing that would be lost.

    Args:
        run_dir: the run directory, which need not exist.
        resume: whether to go on with the run in it.

    Returns:
        The newest checkpoint, or None to start from the beginning.

    Raises:
        RunDirectoryError: if the directory holds a run and ``resume`` is not set.
    """
    newest = newest_checkpoint(run_dir)
    if resume:
        return newest
    if newest is not None:
        raise RunDirectoryError(
            f"{run_dir} already holds a run: add `--resume true` to go on with it, choose another `--run_dir`, or "
            "remove the folder"
        )
    if any(values.index.max() > 0 for values in read_history(run_dir).values()):
        raise RunDirectoryError(
            f"{run_dir} already holds a run, but no checkpoint of it to go on from: add `--resume true` to start it "
            "from the beginning, choose another `--run_dir`, or remove the folder"
        )
    return None


def checkpoint_to_evaluate(run_dir: str | Path) -> Path:
    """Find the checkpoint that is validated or tested where none is named.

    Args:
        run_dir: the run directory.

    Returns:
        The newest checkpoint.

    Raises:
        RunDirectoryError: if there is none.
    """
    newest = newest_checkpoint(run_dir)
    if newest is None:
        raise RunDirectoryError(
            f"{checkpoints_in(run_dir)} holds no checkpoint to evaluate: name one with `--ckpt_path`, or the run with "
            "`--run_dir`"
        )
    return newest


def checkpoint_named(name: str, run_dir: str | Path) -> str:
    """Find a checkpoint that was named.

    Args:
        name: a file; with a scheme (``s3://...``, ``registry:...``) not looked for; "last" for the newest of the run.
        run_dir: the run directory.

    Returns:
        What Lightning is to load.

    Raises:
        RunDirectoryError: if it is not there.
    """
    found = newest_checkpoint(run_dir) if name == NEWEST else name
    if found is not None and (":" in str(found) or Path(found).exists()):
        return str(found)
    raise RunDirectoryError(
        f"there is no checkpoint {name}: `--ckpt_path` names a file, or is `{NEWEST}` for the newest one in {run_dir}"
    )
