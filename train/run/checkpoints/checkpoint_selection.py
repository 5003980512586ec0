"""Which checkpoint a command starts from: the newest of a run, or one that was named."""

import re
from collections.abc import Mapping
from pathlib import Path

from networks.files.relative_paths import where_looked
from networks.weights.run_layout import LAST_CHECKPOINT
from train.run.checkpoints.peeking import peek
from train.run.run_directory import BEST_PREFIX, RunDirectoryError, checkpoints_in

NEWEST = "last"
"""Stands for the newest checkpoint of the run directory."""

_STEP_IN_NAME = re.compile(r"step[-=](\d+)")


def newest_checkpoint(run_dir: str | Path) -> Path | None:
    """Find the checkpoint that a run resumes from.

    Args:
        run_dir: Run directory, which need not exist.

    Returns:
        `last.ckpt`. If it was not kept, or training continued without writing it, the checkpoint of the highest step;
        the best one only if there is no other. None if there is no checkpoint; the untrained network does not count.
    """
    steps = _steps_in(run_dir)
    newest = max(steps, key=lambda path: (not _is_best(path), steps[path]), default=None)
    last = checkpoints_in(run_dir) / LAST_CHECKPOINT
    return newest if not last.is_file() or _is_left_over(last, steps) else last


def _steps_in(run_dir: str | Path) -> dict[Path, int]:
    """The checkpoints whose names have a step."""
    # Hidden files are being written, or were when a run was killed.
    paths = [path for path in checkpoints_in(run_dir).glob("*.ckpt") if not path.name.startswith(".")]
    return {path: step for path in paths if (step := step_in_name(path)) is not None}


def step_in_name(checkpoint: Path) -> int | None:
    """Read the step of a checkpoint from its name; None if the name has none."""
    match = _STEP_IN_NAME.search(checkpoint.stem)
    return int(match[1]) if match else None


def checkpoint_of_step(run_dir: str | Path, step: int) -> Path | None:
    """Find a checkpoint that was kept of a step: the best one before others; None if there is none."""
    paths = [path for path in checkpoints_in(run_dir).glob("*.ckpt") if not path.name.startswith(".")]
    found = [path for path in paths if step_in_name(path) == step]
    return min(found, key=lambda path: (not _is_best(path), path.name), default=None)


def _is_left_over(last: Path, steps: Mapping[Path, int]) -> bool:
    """Whether training continued without writing its last checkpoint.

    One later checkpoint does not show this: a run that is killed between writing the two has not logged that step yet.
    """
    kept = sorted(steps[path] for path in steps if not _is_best(path))
    return len(kept) > 1 and _step_in(last) < kept[-2]


def _is_best(checkpoint: Path) -> bool:
    return checkpoint.name.startswith(BEST_PREFIX)


def _step_in(checkpoint: Path) -> float:
    """Step of a checkpoint whose name does not contain it; a damaged one is the latest, and never skipped silently."""
    saved = peek(checkpoint)
    return float("inf") if saved is None else int(saved["global_step"])


def checkpoint_to_resume(run_dir: str | Path, *, resume: bool) -> Path | None:
    """Find the checkpoint that training in a run directory starts from.

    A directory holds a run if there is a checkpoint to resume from, or if more than the first step was logged: a run
    that failed earlier has left nothing that could be lost.

    Args:
        run_dir: Run directory, which need not exist.
        resume: Whether to resume the run in it.

    Returns:
        The newest checkpoint, or None to start from the beginning.

    Raises:
        RunDirectoryError: The directory holds a run and `resume` is not set.
    """
    if resume:
        return newest_checkpoint(run_dir)
    check_new(run_dir)
    return None


def check_new(run_dir: str | Path) -> None:
    """Check that a directory holds no run; quick, as torch is not imported.

    Raises:
        RunDirectoryError: It holds one.
    """
    if (checkpoints_in(run_dir) / LAST_CHECKPOINT).is_file() or _steps_in(run_dir):
        raise RunDirectoryError(
            f"{run_dir} already holds a run: add `--resume true` to resume it, choose another `--run_dir`, or remove "
            "the folder"
        )
    from train.run.metric_history import read_history

    if any(values.index.max() > 0 for values in read_history(run_dir).values()):
        raise RunDirectoryError(
            f"{run_dir} already holds a run, but no checkpoint to resume from: add `--resume true` to start it "
            "from the beginning, choose another `--run_dir`, or remove the folder"
        )


def checkpoint_to_evaluate(run_dir: str | Path) -> Path:
    """Find the checkpoint to validate or test if none is named.

    Args:
        run_dir: Run directory.

    Returns:
        The newest checkpoint.

    Raises:
        RunDirectoryError: There is none.
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
        name: A file, or "last" for the newest checkpoint of the run. Names with a scheme (`s3://...`, `registry:...`)
            are not checked.
        run_dir: Run directory.

    Returns:
        What Lightning has to load.

    Raises:
        RunDirectoryError: It does not exist.
    """
    found = newest_checkpoint(run_dir) if name == NEWEST else name
    if found is not None and (":" in str(found) or Path(found).exists()):
        return str(found)
    place = "" if name == NEWEST else where_looked(name)
    raise RunDirectoryError(
        f"there is no checkpoint {name}{place}: `--ckpt_path` names a file, or is `{NEWEST}` for the newest one in "
        f"{run_dir}"
    )
