"""Starting from a network that was trained on other tasks, and freezing parts of it."""

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

import torch
from torch import nn

from datamodules.tasks import Task
from networks import AuditoryNetwork, CheckpointError, load_checkpoint
from networks.files.relative_paths import where_looked
from networks.weights.run_layout import is_model
from train.errors import TrainingError

NUM_PARTS_LISTED = 12


class WarmStart(NamedTuple):
    """What a network took from a checkpoint.

    Attributes:
        taken: Names of the tasks whose heads were taken.
        fresh: Names of the tasks whose heads start from their initialisation: new tasks, and tasks with new labels.
    """

    taken: tuple[str, ...]
    fresh: tuple[str, ...]


def warm_start(network: AuditoryNetwork, path: str | Path, tasks: Sequence[Task]) -> WarmStart:
    """Take front end, backbone and the heads of known tasks from a checkpoint.

    Args:
        network: Network whose weights are set.
        path: Checkpoint of this project.
        tasks: Tasks of the network, with their labels. A head is taken if the checkpoint has a task of the same name
            with the same labels in the same order.

    Returns:
        Which heads were taken.

    Raises:
        CheckpointError: The checkpoint does not exist, or holds another backbone or front end.
    """
    if not (Path(path).is_file() or is_model(path)):
        raise CheckpointError(
            f"there is no checkpoint {path} to start from{where_looked(path)}: `init_from` must name a file, or a "
            "folder of `export`"
        )
    loaded = load_checkpoint(path)
    for part in ("front_end", "backbone"):
        saved, wanted = loaded.network.description()["init_args"][part], network.description()["init_args"][part]
        if saved != wanted:
            raise CheckpointError(f"{path}: its {part} is {saved}, the configuration's {wanted}: make them the same")
    labels = {task["name"]: list(task["labels"]) for task in loaded.tasks}
    taken = tuple(task.name for task in tasks if labels.get(task.name) == list(task.labels))
    with torch.no_grad():
        network.backbone.load_state_dict(loaded.network.backbone.state_dict())
        network.front_end.load_state_dict(loaded.network.front_end.state_dict())
        for name in taken:
            network.heads[name].load_state_dict(loaded.network.heads[name].state_dict())
    return WarmStart(taken, tuple(task.name for task in tasks if task.name not in taken))


def frozen_modules(network: nn.Module, patterns: Iterable[str]) -> list[nn.Module]:
    """Find the modules that patterns name.

    Args:
        network: The network.
        patterns: Names of submodules such as "backbone", "heads.word" or "backbone.conv*", with wildcards.

    Returns:
        The modules.

    Raises:
        TrainingError: A pattern matches no module; the message lists some names.
    """
    names = [name for name, _ in network.named_modules() if name]
    found: dict[str, nn.Module] = {}
    for pattern in patterns:
        matching = [name for name in names if fnmatchcase(name, pattern)]
        if not matching:
            shown = ", ".join(names[:NUM_PARTS_LISTED])
            raise TrainingError(f"freeze: no module matches {pattern!r}; available modules include {shown}, ...")
        found |= {name: network.get_submodule(name) for name in matching}
    return list(found.values())


def take_out_of_training(modules: Iterable[nn.Module]) -> None:
    """Exclude the parameters of modules from training; see also `keep_statistics`."""
    for module in modules:
        module.requires_grad_(False)


def keep_statistics(modules: Iterable[nn.Module]) -> None:
    """Put modules in evaluation mode, so that their batch normalisation uses and keeps its running statistics."""
    for module in modules:
        module.eval()
