"""The run directory: one folder that holds all of a run.

- `config.yaml`: the configuration; `config.until-step-....yaml`: earlier ones, if the run resumed with another.
- `checkpoints/`: `untrained`, `step-...`, `best-...`, `last`, and `non_finite` if the loss diverged.
- `metrics.csv`, `tensorboard/`, and `wandb/` if asked for: losses and metrics.
- `scores.csv` and `figures/`: brain scores.
- `log.txt`: what the console showed.
- `summary.csv`: accuracies and brain scores at the end.
- `model/`: the network on its own, with a model card.
- `class_scores.csv`: average precision, AUROC and d' of each class of tasks with many labels, at the last validation.
- `index.html` and `run_page.json`: the run page and its state.
- `non_finite_batch.rank....pt`: the batches at which the loss diverged.
"""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from datamodules.files import check_writable, replacing, wait_for_disk
from evaluate.run_folder import CHECKPOINTS_FOLDER, WANDB_ID_FILE
from networks.files.write_once import write_once

EARLIER_CONFIG_FILE = "config.until-step-{step:07d}.yaml"
"""Configuration up to that step, if a run resumed with another one."""
CLASS_SCORES_FILE = "class_scores.csv"
UNTRAINED_CHECKPOINT = "untrained.ckpt"
STEP_NAME = "step-{step:07d}"
BEST_PREFIX = "best-"
"""Names of checkpoints that are kept: that of a step, and the best one, at a step."""

METRICS_FILE = "metrics.csv"
LOG_FILE = "log.txt"
TENSORBOARD_FOLDER = "tensorboard"
PAGE_FILE = "index.html"
PAGE_STATE_FILE = "run_page.json"
NON_FINITE_BATCH_FILE = "non_finite_batch.rank{rank}.pt"


class RunDirectoryError(ValueError):
    """A run cannot start or resume in this directory."""


def checkpoints_in(run_dir: str | Path) -> Path:
    """Folder of the checkpoints of a run."""
    return Path(run_dir) / CHECKPOINTS_FOLDER


@contextmanager
def durable_file(path: Path) -> Iterator[IO[bytes]]:
    """Yield a file to write to; if the block succeeds, it replaces `path` once all of it is on the disk."""
    with replacing(path) as temporary, temporary.open("xb") as file:
        yield file
        file.flush()
        wait_for_disk(file)


def check_run_dir(run_dir: str | Path) -> None:
    """Check that a run directory can be made or written to, before anything takes time.

    Raises:
        RunDirectoryError: It cannot.
    """
    try:
        check_writable(run_dir)
    except OSError as error:
        raise RunDirectoryError(f"--run_dir: {error}") from error


def wandb_run_id(run_dir: str | Path) -> str:
    """Get the ID of a run at Weights & Biases, kept in its directory so that a resumed run also resumes there.

    Args:
        run_dir: Run directory; made if it does not exist.

    Returns:
        Eight characters, drawn at random the first time.
    """
    path = Path(run_dir) / WANDB_ID_FILE
    write_once(path, uuid.uuid4().hex[:8])  # the first of several ranks decides
    return path.read_text().strip()
