"""What a network was trained for: the tasks of its recipe, in noise or in quiet."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evaluate.report.figures.series import Series
from evaluate.run_folder import CONFIG_FILE, run_dir_of
from evaluate.scoring import table as t
from networks.files.strict_yaml import StrictYamlError, read_yaml

SPEECH_TASKS = ("word", "speaker")
"""Tasks of speech; other tasks are of sounds in general: AudioSet, genre, texture."""


@dataclass(frozen=True)
class Training:
    """Training of a network.

    Attributes:
        tasks: Names of its tasks, in the order of its recipe.
        is_in_quiet: Whether no background was mixed to its sounds.
    """

    tasks: tuple[str, ...]
    is_in_quiet: bool

    @property
    def is_for_speech(self) -> bool:
        """Whether all of its tasks are of speech."""
        return bool(self.tasks) and set(self.tasks) <= set(SPEECH_TASKS)

    @property
    def is_for_sounds(self) -> bool:
        """Whether none of its tasks is of speech."""
        return bool(self.tasks) and not set(self.tasks) & set(SPEECH_TASKS)

    @property
    def name(self) -> str:
        """Name of the recipe in sentences, such as "word + speaker, in quiet"."""
        return " + ".join(self.tasks) + (", in quiet" if self.is_in_quiet else "")


def trainings_of(series: Iterable[Series], run_dirs: Sequence[Path]) -> dict[str, Training]:
    """Find what networks were trained for, from the configuration in their run directories.

    Args:
        series: Networks of a report.
        run_dirs: Folders of the tables, which may be run directories.

    Returns:
        Training by name of the series, without those whose configuration is not found.
    """
    found = {}
    for one in series:
        if one.kind != "run" or one.is_external:
            continue
        folders = [run_dir_of(Path(name).parent) for name in dict.fromkeys(map(str, one.rows[t.CHECKPOINT])) if name]
        folders += [folder for folder in run_dirs if folder.resolve().name == str(one.rows[t.RUN].iloc[-1])]
        trainings = (read_training(folder / CONFIG_FILE) for folder in folders)
        if training := next(filter(None, trainings), None):
            found[one.name] = training
    return found


def read_training(path: Path) -> Training | None:
    """Read what a recipe trains for; None if the file is missing or not such a configuration."""
    try:
        data = read_yaml(path)["data"]
        tasks = tuple(_task_name(task) for task in data["tasks"])
    except (OSError, StrictYamlError, KeyError, TypeError):
        return None
    return Training(tasks, is_in_quiet=data.get("noise") is None) if tasks else None


def _task_name(task: str | Mapping[str, Any]) -> str:
    if isinstance(task, str):
        return task
    settings = task.get("init_args") or {}
    return str(task.get("name") or settings.get("name") or task["class_path"].rpartition(".")[2])
