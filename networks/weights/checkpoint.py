"""Networks in training checkpoints: how to rebuild one, without Lightning and without running code from the file."""

import os
from pathlib import Path
from typing import Any, NamedTuple

import torch

from networks.auditory_network import AuditoryNetwork
from networks.description import Description, build
from networks.weights.strict import CheckpointError, load_weights
from networks.weights.tensor_files import read_tensor_file

NETWORK_KEY = "auditory_network"
"""Where a checkpoint keeps the description of its network."""
PREFIX = "network."
"""Prefix of the network's tensors in a checkpoint's state dict."""


class LoadedCheckpoint(NamedTuple):
    """A network with its trained weights, in evaluation mode, and where in its training it was saved.

    Attributes:
        network: The network.
        step: Optimiser steps done.
        epoch: Epochs completed.
        run: Name of the run that saved it, "" if it had none.
        tasks: The tasks it was trained on, plain dictionaries (name, kind, side, labels, ...).
    """

    network: AuditoryNetwork
    step: int
    epoch: int
    run: str
    tasks: list[dict[str, Any]]


def describe_network(network: AuditoryNetwork, *, run: str, epoch: int, tasks: list[dict[str, Any]]) -> Description:
    """What a checkpoint keeps under `NETWORK_KEY`, plain Python only."""
    return {"network": network.description(), "run": run, "epochs_completed": epoch, "tasks": tasks}


def save_checkpoint(
    network: AuditoryNetwork,
    path: str | Path,
    *,
    run: str,
    epoch: int = 0,
    step: int = 0,
    tasks: list[dict[str, Any]] | None = None,
) -> None:
    """Write a network as a checkpoint that `load_checkpoint` reads; training cannot go on from it.

    The file appears all at once or not at all.

    Args:
        network: The network.
        path: The file; one that is there is replaced.
        run: Name of the run.
        epoch: Epochs completed.
        step: Optimiser steps done.
        tasks: The tasks it was trained on, plain dictionaries.

    Raises:
        OSError: If the file cannot be written.
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
        path: A `.ckpt` file.

    Returns:
        The network in evaluation mode, with its place in training.

    Raises:
        FileNotFoundError: If there is no such file.
        CheckpointError: If the file is no checkpoint of this project, is damaged, would run code on loading, or holds
            weights of another architecture than it says.
    """
    return network_of(read_tensor_file(path), source=str(path))


def is_checkpoint(content: Any) -> bool:
    """Whether the content of a file is a checkpoint of this project.

    Args:
        content: Of `networks.weights.tensor_files.read_tensor_file`.

    Returns:
        True where it describes its network.
    """
    return isinstance(content, dict) and NETWORK_KEY in content


def is_before_training(checkpoint: Any) -> bool:
    """Whether a checkpoint holds a network as training began with it: at step 0, and saved by Lightning."""
    return int(checkpoint["global_step"]) == 0 and "loops" in checkpoint


def network_of(checkpoint: Any, *, source: str) -> LoadedCheckpoint:
    """Rebuild the network of a checkpoint that was read, see `load_checkpoint`."""
    if not is_checkpoint(checkpoint):
        raise CheckpointError(
            f"{source}: expected a checkpoint saved by `python -m train fit` (with an entry {NETWORK_KEY!r}); "
            "published weights are read by networks.load_published"
        )
    saved = checkpoint[NETWORK_KEY]
    network: AuditoryNetwork = build(saved["network"])
    weights = {
        name.removeprefix(PREFIX): tensor
        for name, tensor in checkpoint["state_dict"].items()
        if name.startswith(PREFIX)
    }
    load_weights(network, weights, source=source)
    return LoadedCheckpoint(
        network=network.eval(),
        step=int(checkpoint["global_step"]),
        epoch=int(saved["epochs_completed"]),
        run=str(saved["run"]),
        tasks=list(saved["tasks"]),
    )
