"""The run directory: one folder that holds all of a run.

- `config.yaml`: the configuration; `config.until-step-....yaml`: earlier ones, if the run resumed with another.
- `checkpoints/`: `untrained`, `step-...`, `best-...`, `last`, and `non_finite` if the loss diverged.
- `csv/` and `tensorboard/`, and `wandb/` if asked for: losses and metrics.
- `scores.csv` and `figures/`: brain scores.
- `summary.csv`: accuracies and brain scores at the end.
- `index.html` and `run_page.json`: the run page and its state.
- `non_finite_batch.rank....pt`: the batches at which the loss diverged.
"""

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from datamodules.files import check_writable, replacing
from evaluate.watch.checkpoint_folder import CHECKPOINTS_FOLDER
from evaluate.watch.wandb_scores import WANDB_ID_FILE

EARLIER_CONFIG_FILE = "config.until-step-{step:07d}.yaml"
"""What was trained with until that step, where a run went on with another configuration."""
SUMMARY_FILE = "summary.csv"
LAST_CHECKPOINT = "last.ckpt"
UNTRAINED_CHECKPOINT = "untrained.ckpt"
STEP_NAME = "step-{step:07d}"
BEST_PREFIX = "best-"
"""Names of checkpoints that are kept: of a step, and of the best at a step."""

CSV_FOLDER = "csv"
TENSORBOARD_FOLDER = "tensorboard"
PAGE_FILE = "index.html"
PAGE_STATE_FILE = "run_page.json"
NON_FINITE_BATCH_FILE = "non_finite_batch.rank{rank}.pt"


class RunDirectoryError(ValueError):
    """A run directory that cannot be started or continued in."""


def checkpoints_in(run_dir: str | Path) -> Path:
    """Where a run keeps its checkpoints."""
    return Path(run_dir) / CHECKPOINTS_FOLDER


@contextmanager
def durable_file(path: Path) -> Iterator[IO[bytes]]:
    """Yield a file to write to; if the block succeeds, it replaces `path` once all of it is on the disk."""
    with replacing(path) as temporary, temporary.open("xb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())


def check_run_dir(run_dir: str | Path) -> None:
    """See that a run directory, which need not exist, can be written, before anything else takes time.

    Raises:
        RunDirectoryError: if it cannot be made or written.
    """
    try:
        check_writable(run_dir)
    except OSError as error:
        raise RunDirectoryError(f"--run_dir: {error}") from error


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
