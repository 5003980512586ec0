"""Brain scores of a watcher next to a training run, in Weights & Biases, over the step of the checkpoint."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from evaluate.callback.logged import PREFIX, STEP_KEY, logged_stages, logged_values
from evaluate.metrics.metric import ScoreKind
from evaluate.run_folder import WANDB_ID_FILE
from evaluate.scoring import table as t

if TYPE_CHECKING:
    import pandas as pd


JOB_TYPE = "watch"

_log = logging.getLogger(__name__)


class WandbProject(NamedTuple):
    """Where runs go at Weights & Biases.

    Attributes:
        entity: User or team; None for the user's default.
        project: Name of the project.
    """

    entity: str | None
    project: str


def parse_wandb_project(name: str) -> WandbProject:
    """Parse the name of a project as the pages of Weights & Biases write it.

    Args:
        name: `project` or `team/project`.

    Returns:
        Its parts.

    Raises:
        ValueError: The name has an unexpected format.
    """
    *teams, project = (part.strip() for part in name.split("/"))
    if len(teams) > 1 or not all((*teams, project)):
        raise ValueError(f"expected the name of a project as PROJECT or TEAM/PROJECT, got {name!r}")
    return WandbProject(teams[0] if teams else None, project)


def first_line(error: BaseException) -> str:
    """Say in one line what went wrong."""
    return " ".join(str(error).split()) or type(error).__name__


class WandbScores:
    """Logs scores to a separate run in the training run's group, or to the training run itself.

    If a second process writes into a run that another one has open, rows of that run's history are lost, unless both
    opened it in wandb's shared mode. So the default is a separate run, "NAME scores", in the group NAME (that of the
    run directory), with curves over the same steps as those of training; it resumes when the watcher is started again.
    Offline, this is the only way.

    An error of Weights & Biases is logged as a warning of one line; scores are still written to the table.

    Args:
        run_dir: The run directory.
        project: Name of the project, as `project` or `team/project`.
        key: Distinguishes watchers of one run.
        kinds: Scores that are logged.
        is_joined: Whether to log into the training run itself, which was started with `WANDB_MODE=shared`.
    """

    def __init__(
        self, run_dir: Path, *, project: str, key: str, kinds: Sequence[ScoreKind], is_joined: bool = False
    ) -> None:
        self._kinds = kinds
        self._run: Any = None
        try:
            where = parse_wandb_project(project)
            self._run = _start(run_dir, where, key=key, is_joined=is_joined)
        except Exception as error:  # wandb fails in many ways
            self._leave_out(error)

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
                stages = logged_stages(of_step, self._kinds)
                indices = {name: stage.place for name, stage in stages.items()}
                names = {f"{name}_name": stage.name for name, stage in stages.items()}
                self._run.log(values | indices | names | {STEP_KEY: step})
        except Exception as error:
            self._leave_out(error)

    def finish(self) -> None:
        """Send the last values."""
        if self._run is None:
            return
        try:
            self._run.finish()
        except Exception as error:
            self._leave_out(error)

    def _leave_out(self, error: Exception) -> None:
        self._run = None
        _log.warning("Weights & Biases is left out (%s): scores are only in the table", first_line(error))


def _start(run_dir: Path, where: WandbProject, *, key: str, is_joined: bool) -> Any:
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
        run = wandb.init(
            entity=where.entity, project=where.project, id=training_id, dir=str(run_dir), settings=settings
        )
    else:
        if is_joined:
            _log.warning("the training run cannot be joined (offline, or no %s): a separate run is started", id_path)
        run = wandb.init(
            entity=where.entity,
            project=where.project,
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
