"""The run directory: one folder that holds all of a run, and the rules for starting in one.

``config.yaml``, ``checkpoints/`` (``untrained``, ``step-...``, ``best-...``, ``last``), ``csv/`` and ``tensorboard/``
(losses and metrics), ``wandb/`` where asked for, ``scores.csv`` and ``figures/`` (brain scores), ``summary.csv``,
``index.html`` (the run page).
"""

import os
import tempfile
import uuid
from pathlib import Path

from evaluate.checkpoint_files import CHECKPOINTS_FOLDER
from evaluate.wandb_scores import WANDB_ID_FILE

CONFIG_FILE = "config.yaml"
SUMMARY_FILE = "summary.csv"
LAST_CHECKPOINT = "last.ckpt"
UNTRAINED_CHECKPOINT = "untrained.ckpt"


class RunDirectoryError(ValueError):
    """A run directory that cannot be started or continued in."""


def checkpoints_in(run_dir: str | Path) -> Path:
    """Where a run keeps its checkpoints."""
    return Path(run_dir) / CHECKPOINTS_FOLDER


def checkpoint_to_resume(run_dir: str | Path, *, resume: bool) -> Path | None:
    """Where training in a run directory starts from.

    Args:
        run_dir: the run directory, which need not exist.
        resume: whether to go on with the run in it.

    Returns:
        The last checkpoint, or None to start from the beginning.

    Raises:
        RunDirectoryError: if the directory holds a run and ``resume`` is not set.
    """
    run_dir = Path(run_dir)
    if not (run_dir / CONFIG_FILE).exists():
        return None
    if not resume:
        raise RunDirectoryError(
            f"{run_dir} already holds a run: add `--resume true` to go on with it, choose another `--run_dir`, or "
            "remove the folder"
        )
    last = checkpoints_in(run_dir) / LAST_CHECKPOINT
    return last if last.is_file() else None


def check_writable(run_dir: str | Path) -> None:
    """See that a run directory, which need not exist, can be written, before anything else takes time.

    Raises:
        RunDirectoryError: if it cannot be made or written.
    """
    run_dir = Path(run_dir)
    existing = next(folder for folder in (run_dir, *run_dir.absolute().parents) if folder.exists())
    try:
        with tempfile.TemporaryFile(dir=existing):
            pass
    except OSError as error:
        raise RunDirectoryError(
            f"the run directory {run_dir} cannot be written ({error.strerror}): choose another `--run_dir`"
        ) from error


def wandb_run_id(run_dir: str | Path) -> str:
    """The run's identity at Weights & Biases, kept in its directory: a run that goes on goes on there too.

    Args:
        run_dir: the run directory; made where it does not exist.

    Returns:
        Eight characters, drawn when first asked for.
    """
    path = Path(run_dir) / WANDB_ID_FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        partial = path.with_name(f".{path.name}.{uuid.uuid4().hex}.partial")
        partial.write_text(uuid.uuid4().hex[:8])
        try:
            os.link(partial, path)  # of several ranks, the first decides
        except FileExistsError:
            pass
        finally:
            partial.unlink()
    return path.read_text().strip()
