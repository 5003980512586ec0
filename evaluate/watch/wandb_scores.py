"""Brain scores of a watcher in Weights & Biases, over the steps of the checkpoints."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evaluate.callback.logged import PREFIX, STEP_KEY, logged_values
from evaluate.metrics.metric import ScoreKind
from evaluate.scoring import table as t

if TYPE_CHECKING:
    import pandas as pd


WANDB_ID_FILE = "wandb_id.txt"
"""File in a run directory with the id of its Weights & Biases run."""
JOB_TYPE = "watch"

_log = logging.getLogger(__name__)


class WandbScores:
    """Logs scores to a separate run in the training run's group, or to the training run itself.

    If two processes write to the same run, rows of its history are lost, unless both have opened it in wandb's shared
    mode. By default, scores therefore go to a separate run "NAME scores" in the group NAME (that of the run directory),
    whose curves have the same steps as those of training. A restarted watcher continues this run. Offline, only a
    separate run is possible.

    Errors of Weights & Biases are logged as warnings; scoring continues.

    Args:
        run_dir: The run directory.
        project: Name of the project.
        key: Distinguishes watchers of the same run.
        kinds: Scores to log.
        is_joined: Whether to log to the training run itself, which was started with `WANDB_MODE=shared`.
    """

    def __init__(
        self, run_dir: Path, *, project: str, key: str, kinds: Sequence[ScoreKind], is_joined: bool = False
    ) -> None:
        self._kinds = kinds
        self._run: Any = None
        try:
            self._run = _start(run_dir, project=project, key=key, is_joined=is_joined)
        except Exception:  # of any kind: scores are still written to the table
            _log.warning("Weights & Biases is left out: scores are written only to the table", exc_info=True)

    def log(self, rows: pd.DataFrame) -> None:
        """Log the scores of a checkpoint.

        Args:
            rows: Score table; one value for each step and name is logged.
        """
        if self._run is None:
            return
        try:
            for step, of_step in rows.groupby(t.STEP):
                values = {
                    name: value for name, value in logged_values(of_step, self._kinds).items() if not isnan(value)
                }
                self._run.log(values | {STEP_KEY: step})
        except Exception:  # as above
            _log.warning("logging to Weights & Biases failed", exc_info=True)

    def finish(self) -> None:
        """Send the last values."""
        if self._run is not None:
            self._run.finish()


def _start(run_dir: Path, *, project: str, key: str, is_joined: bool) -> Any:
    import wandb

    name, id_path = run_dir.resolve().name, run_dir / WANDB_ID_FILE
    training_id = id_path.read_text().strip() if id_path.is_file() else ""
    run_dir.mkdir(parents=True, exist_ok=True)
    quiet: dict[str, Any] = {"silent": True, "console": "off", "x_disable_stats": True}
    is_offline = os.environ.get("WANDB_MODE") == "offline"
    if is_joined and training_id and not is_offline:
        settings = wandb.Settings(
            mode="shared", x_primary=False, x_label=JOB_TYPE, x_update_finish_state=False, **quiet
        )
        run = wandb.init(project=project, id=training_id, dir=str(run_dir), settings=settings)
    else:
        if is_joined:
            _log.warning("the training run cannot be joined (offline, or no %s): using a separate run", id_path)
        run = wandb.init(
            project=project,
            id=f"{training_id or name}-{key[:8]}",
            name=f"{name} scores",
            group=name,
            job_type=JOB_TYPE,
            resume="allow",
            dir=str(run_dir),
            settings=wandb.Settings(**quiet),
        )
    run.define_metric(STEP_KEY)
    run.define_metric(f"{PREFIX}/*", step_metric=STEP_KEY)
    return run
