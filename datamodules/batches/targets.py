"""From the labels of clips to the targets of an example."""

from collections.abc import Mapping, Sequence

import numpy as np

from datamodules.shards.clip_sources import ClipSource
from datamodules.shards.reader import Clip
from datamodules.tasks import UNLABELLED, Side, Task

Target = int | np.ndarray
"""A class number, or (C,) float32 of 0 and 1; `UNLABELLED` or NaN if the clip is unlabelled."""


class Targets:
    """The targets of examples.

    Args:
        tasks: The tasks, resolved against these clips.
        clips: The clips of each side; None for quiet.
    """

    def __init__(self, tasks: Sequence[Task], clips: Mapping[Side, ClipSource | None]) -> None:
        self.tasks = tuple(tasks)
        self._classes = {task.name: _class_map(task, clips[task.side]) for task in tasks}

    def of(self, clips: Mapping[Side, Sequence[Clip]], heard_db: float) -> dict[str, Target]:
        """Give the target of each task.

        Args:
            clips: The clips of each side: none, one, or several noises.
            heard_db: Signal-to-noise ratio of the mixture itself, which shows which side can be heard: a silent stretch
                has the null class, too.
        """
        heard = {"signal": heard_db != -np.inf, "noise": heard_db != np.inf}
        return {task.name: self._target(task, clips[task.side], heard[task.side]) for task in self.tasks}

    def _target(self, task: Task, clips: Sequence[Clip], heard: bool) -> Target:
        null = () if task.null_index is None else (task.null_index,)
        if clips and (heard or not null):
            found = [clip.labels[task.name] for clip in clips]
            numbers = [number for one in found for number in ((one,) if isinstance(one, int) else one)]
            if UNLABELLED in numbers:
                return _unlabelled(task)
            indices = [int(self._classes[task.name][i]) for i in numbers]
        else:
            indices = list(null)
        if task.kind == "one_label":
            return indices[0]
        target = np.zeros(task.num_classes, dtype=np.float32)
        target[indices] = 1.0
        return target


def _class_map(task: Task, clips: ClipSource | None) -> np.ndarray:
    """Class of the task for each class number of the clips; they differ if the task has no null class."""
    assert clips is not None, f"task {task.name!r} was not resolved against these clips"
    number = {label: place for place, label in enumerate(task.labels)}
    return np.array([number.get(label, -1) for label in clips.label_sets[task.name].labels])


def _unlabelled(task: Task) -> Target:
    if task.kind == "one_label":
        return UNLABELLED
    return np.full(task.num_classes, np.nan, dtype=np.float32)
