"""Tasks as values: what to recognise on which side of a mixture, with which labels and loss weight.

A label column of the shards is a task by its name alone. A task with settings of its own is a value, which a
configuration names as `package.module:NAME` or `path/file.py:NAME`:

    # my_tasks.py
    from datamodules.tasks import Task

    INSTRUMENT = Task("instrument", kind="one_label", side="signal", loss_weight=0.5)

    # data:
    #   tasks: [word, my_tasks:INSTRUMENT]
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, get_args

from networks.named_objects import make_object, parse_object_name

TaskKind = Literal["one_label", "many_labels"]
Side = Literal["signal", "noise"]

NULL_LABEL = "<null>"
"""The class for absent sounds: the target if a task's side of the mixture is missing."""


class TaskError(ValueError):
    """A task that is unknown or does not fit the shards; the message lists what is known."""


UNLABELLED = -1
"""Target of an example without a label for a one-label task; for a many-labels task it is a row of NaN."""


@dataclass(frozen=True)
class LabelSet:
    """The classes of a label column of a shard set.

    Args:
        kind: "one_label" (each clip has exactly one label) or "many_labels" (any number).
        labels: Class names; a class's number is its index here.
        null_label: The null class among them; None without one.

    Raises:
        TaskError: Labels are missing or occur twice, or the null label is not among them.
    """

    kind: TaskKind
    labels: tuple[str, ...]
    null_label: str | None = NULL_LABEL

    def __post_init__(self) -> None:
        if self.kind not in get_args(TaskKind):
            raise TaskError(f"kind must be one of {get_args(TaskKind)}, got {self.kind!r}")
        if not self.labels:
            raise TaskError("a label set needs at least one label")
        if len(set(self.labels)) < len(self.labels):
            double = sorted({label for label in self.labels if self.labels.count(label) > 1})
            raise TaskError(f"labels {double} occur twice in one label set")
        if self.null_label is not None and self.null_label not in self.labels:
            raise TaskError(f"null label {self.null_label!r} is not one of the {len(self.labels)} labels")


@dataclass(frozen=True)
class Task:
    """One thing that a network learns to recognise.

    Args:
        name: Name of the task, of its label column in the shards, of its head, and of its target in a batch.
        kind: "one_label" (softmax and cross-entropy) or "many_labels" (sigmoids, binary cross-entropy).
        side: Side of the mixture that the task is about.
        loss_weight: Weight of its loss in the sum over tasks.
        null_label: Label if that side is absent; None if the task has no such class, so that every example must have
            that side.
        labels: Class names in the order of the logits; empty until the task is resolved against shards.
    """

    name: str
    kind: TaskKind
    side: Side
    loss_weight: float = 1.0
    null_label: str | None = NULL_LABEL
    labels: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.name or "." in self.name or "/" in self.name:
            raise TaskError(f"a task's name must be non-empty, without '.' and '/', got {self.name!r}")
        for what, allowed in (("kind", get_args(TaskKind)), ("side", get_args(Side))):
            if getattr(self, what) not in allowed:
                raise TaskError(f"task {self.name!r}: {what} must be one of {allowed}, got {getattr(self, what)!r}")
        if not self.loss_weight >= 0:
            raise TaskError(f"task {self.name!r}: loss_weight must be at least 0, got {self.loss_weight}")
        if self.labels and self.null_label is not None and self.null_label not in self.labels:
            raise TaskError(f"task {self.name!r}: null label {self.null_label!r} is not one of its labels")

    @property
    def num_classes(self) -> int:
        """Number of classes, including the null class; an error before the task is resolved."""
        if not self.labels:
            raise TaskError(f"task {self.name!r} has no labels yet: resolve it against a shard set first")
        return len(self.labels)

    @property
    def null_index(self) -> int | None:
        """Index of the null class; None if the task has none."""
        return None if self.null_label is None else self.labels.index(self.null_label)


TASKS: dict[str, Task] = {
    # Loss weights: Feather et al. 2019, as in the published recipes of Tuckute, Feather et al. 2023.
    "word": Task("word", "one_label", "signal", loss_weight=1.0),
    "speaker": Task("speaker", "one_label", "signal", loss_weight=0.25),
    "audioset": Task("audioset", "many_labels", "noise", loss_weight=300.0),
    "genre": Task("genre", "one_label", "signal", loss_weight=1.0),
}
"""The published tasks by name."""


def resolve_task(task: str | Mapping[str, Any] | Task, label_sets: Mapping[str, Mapping[str, LabelSet]]) -> Task:
    """Find the definition of a task, and add the labels of the shards that it is trained on.

    Args:
        task: Name of a published task or of a label column; `package.module:NAME` of a `Task` of your own; a mapping
            with `name`, which is any of these, and any of `kind`, `side`, `loss_weight`, `null_label` to override or
            define; or a `Task`. `null_label: null` leaves out the null class of the shards.
        label_sets: Label sets of the shards by name, for each side ("signal" and "noise").

    Returns:
        The task with its labels.

    Raises:
        TaskError: The task is unknown, the shards lack its labels, or kinds or null labels disagree.
    """
    defined = task if isinstance(task, Task) else _defined(task, label_sets)
    label_set = label_sets.get(defined.side, {}).get(defined.name)
    if label_set is None and defined.side not in label_sets:
        raise TaskError(
            f"task {defined.name!r} is about the {defined.side}, and `data.{defined.side}` is null: set it to the "
            f"folder of the {defined.side} shards, or leave the task out of `data.tasks`"
        )
    if label_set is None:
        raise TaskError(
            f"task {defined.name!r} is about the {defined.side}, whose shards have no such label column. "
            f"{_available(label_sets)} Build the shards with that column, or set the task's `side`."
        )
    if label_set.kind != defined.kind:
        raise TaskError(
            f"task {defined.name!r} is of kind {defined.kind!r}, but the {defined.side} shards hold "
            f"{label_set.kind!r}: set the task's `kind`, or build the shards again"
        )
    labels = label_set.labels
    if defined.null_label is None:
        labels = tuple(label for label in labels if label != label_set.null_label)
    elif defined.null_label != label_set.null_label:
        raise TaskError(
            f"task {defined.name!r}: its null label is {defined.null_label!r}, the shards' is "
            f"{label_set.null_label!r}; set the task's `null_label` to that of the shards, or to null"
        )
    if not labels:
        raise TaskError(f"task {defined.name!r}: no label is left without the null label")
    return replace(defined, labels=labels)


def _defined(task: str | Mapping[str, Any], label_sets: Mapping[str, Mapping[str, LabelSet]]) -> Task:
    given: dict[str, Any] = {"name": task} if isinstance(task, str) else dict(task)
    allowed = [field.name for field in fields(Task) if field.name != "labels"]
    unknown = sorted(set(given) - set(allowed))
    if unknown or "name" not in given:
        raise TaskError(f"a task needs `name` and may have {allowed[1:]}; got {given}")
    name = given["name"]
    if name in TASKS:
        return replace(TASKS[name], **given)
    if parse_object_name(str(name)) is not None:
        return replace(_named_task(name), **{field: value for field, value in given.items() if field != "name"})
    sides = [side for side in get_args(Side) if name in label_sets.get(side, {})]
    side = given.get("side", sides[0] if len(sides) == 1 else None)
    if side is None and len(sides) > 1:
        raise TaskError(f"task {name!r}: both signal and noise have such labels; set the task's `side`")
    label_set = label_sets.get(side, {}).get(name) if side is not None else None
    if label_set is None and not {"kind", "side"} <= set(given):
        raise TaskError(
            f"unknown task {name!r}: known are {sorted(TASKS)}. {_available(label_sets)} "
            "A task of your own is named after a label column of the shards, or package.module:NAME."
        )
    if label_set is not None:
        given.setdefault("kind", label_set.kind)
        given.setdefault("null_label", label_set.null_label)
    return Task(**{**given, "side": side})


def _named_task(name: str) -> Task:
    try:
        task: Task = make_object(name, lambda made: isinstance(made, Task), expected="a datamodules.tasks.Task")
    except ValueError as error:
        raise TaskError(f"task {name!r}: {error}") from error
    return task


def _available(label_sets: Mapping[str, Mapping[str, LabelSet]]) -> str:
    found = [f"{side}: {sorted(label_sets[side])}" for side in get_args(Side) if side in label_sets]
    quiet = "" if "noise" in label_sets else " Noise is left out, as `data.noise` is null."
    return f"Label columns of the shards: {', '.join(found) or 'none'}.{quiet}"
