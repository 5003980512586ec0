"""Rebuild networks from training checkpoints, without Lightning and without running code from the file."""

import os
from pathlib import Path
from typing import Any, NamedTuple

import torch

from networks.auditory_network import AuditoryNetwork
from networks.commands.program import program
from networks.description import Description, build
from networks.weights.own_code import missing_code
from networks.weights.strict import CheckpointError, load_weights

NETWORK_KEY = "auditory_network"
"""Key of the network's description in a checkpoint."""
STARTED_FROM = "started_from"
"""Key in that description: the checkpoint whose weights the run started from."""
PREFIX = "network."
"""Prefix of the network's tensors in a checkpoint's state dict."""
EMA_PREFIX = "ema.network."
"""Prefix of the averages of its weights (exponential moving average), if training kept them."""
EMA = "ema"
"""How the averages are called in names of networks."""


class LoadedCheckpoint(NamedTuple):
    """A network with its trained weights, in evaluation mode, and the point in training at which it was saved.

    Attributes:
        network: The network.
        step: Optimiser step.
        epoch: Number of completed epochs.
        run: Name of the run that saved it, "" if it has none.
        tasks: The tasks it was trained on, as plain dictionaries (name, kind, side, labels, ...).
    """

    network: AuditoryNetwork
    step: int
    epoch: int
    run: str
    tasks: list[dict[str, Any]]


def describe_network(
    network: AuditoryNetwork, *, run: str, epoch: int, tasks: list[dict[str, Any]], started_from: str = ""
) -> Description:
    """Make the content of a checkpoint under `NETWORK_KEY`, of plain Python values.

    `started_from` is the checkpoint whose weights the run started from, if it did not start from random ones.
    """
    origin = {STARTED_FROM: started_from} if started_from else {}
    return {"network": network.description(), "run": run, "epochs_completed": epoch, "tasks": tasks} | origin


def save_checkpoint(
    network: AuditoryNetwork,
    path: str | Path,
    *,
    run: str,
    epoch: int = 0,
    step: int = 0,
    tasks: list[dict[str, Any]] | None = None,
) -> None:
    """Write a network as a checkpoint that `load_checkpoint` reads; training cannot resume from it.

    The file is written atomically.

    Args:
        network: The network.
        path: The file; an existing one is replaced.
        run: Name of the run.
        epoch: Number of completed epochs.
        step: Optimiser step.
        tasks: The tasks it was trained on, as plain dictionaries.

    Raises:
        OSError: The file cannot be written.
    """
    path = Path(path)
    content = {
        NETWORK_KEY: describe_network(network, run=run, epoch=epoch, tasks=tasks or []),
        "state_dict": {f"{PREFIX}{name}": tensor for name, tensor in network.state_dict().items()},
        "global_step": step,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        torch.save(content, temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def load_checkpoint(path: str | Path) -> LoadedCheckpoint:
    """Rebuild the network of a checkpoint that training saved.

    Args:
        path: A `.ckpt` file, or a folder of `cochlearn export`.

    Returns:
        The network in evaluation mode, with its point in training.

    Raises:
        FileNotFoundError: The file does not exist.
        CheckpointError: The file is not a checkpoint of this project, is damaged, would run code on loading, or its
            weights do not match its description.
    """
    from networks.weights.model_folder import read_checkpoint

    return network_of(read_checkpoint(path), source=str(path))


def averaged_run(run: str) -> str:
    """Name the averages of the weights of a run."""
    return f"{run} ({EMA})"


def is_checkpoint(content: Any) -> bool:
    """Whether the content of a file, from `read_tensor_file`, is a checkpoint of this project."""
    return isinstance(content, dict) and NETWORK_KEY in content


def is_before_training(checkpoint: Any) -> bool:
    """Whether a checkpoint was saved by Lightning at step 0, before any training, also that of an earlier run."""
    has_started = STARTED_FROM in checkpoint[NETWORK_KEY]
    return int(checkpoint["global_step"]) == 0 and "loops" in checkpoint and not has_started


def network_of(checkpoint: Any, *, source: str, averaged: bool = False) -> LoadedCheckpoint:
    """Rebuild the network from the content of a checkpoint, see `load_checkpoint`.

    With `averaged`, its weights are the averages that training kept, and its run is called `RUN (ema)`.
    """
    if not is_checkpoint(checkpoint):
        raise CheckpointError(
            f"{source}: expected a checkpoint saved by `{program('train', 'fit')}` (with an entry {NETWORK_KEY!r}); "
            "published weights are read by networks.load_published"
        )
    saved = checkpoint[NETWORK_KEY]
    try:
        network: AuditoryNetwork = build(saved["network"])
    except (ValueError, TypeError, AttributeError, LookupError, ArithmeticError, RuntimeError, MemoryError) as error:
        reason = missing_code(saved["network"], source) or error
        raise CheckpointError(f"{source}: its network cannot be built: {reason}") from error
    if not isinstance(network, AuditoryNetwork):
        raise CheckpointError(f"{source}: expected the description of a network, got that of {type(network).__name__}")
    prefix = EMA_PREFIX if averaged else PREFIX
    weights = {
        name.removeprefix(prefix): tensor
        for name, tensor in checkpoint["state_dict"].items()
        if name.startswith(prefix)
    }
    if averaged and not weights:
        raise CheckpointError(
            f"{source}: the checkpoint holds no averaged weights: they are kept by training with `model.ema_decay`"
        )
    load_weights(network, weights, source=source)
    network.class_names = {task["name"]: tuple(task["labels"]) for task in saved["tasks"] if task.get("labels")}
    return LoadedCheckpoint(
        network=network.eval(),
        step=int(checkpoint["global_step"]),
        epoch=int(saved["epochs_completed"]),
        run=averaged_run(str(saved["run"])) if averaged else str(saved["run"]),
        tasks=list(saved["tasks"]),
    )
