"""Rebuild networks from training checkpoints, without Lightning and without running code from the file."""

import os
from pathlib import Path
from typing import Any, NamedTuple

import torch

from networks.auditory_network import AuditoryNetwork
from networks.description import Description, build
from networks.weights.strict import CheckpointError, load_weights
from networks.weights.tensor_files import read_tensor_file

NETWORK_KEY = "auditory_network"
"""Key of the network's description in a checkpoint."""
PREFIX = "network."
"""Prefix of the network's tensors in a checkpoint's state dict."""


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


def describe_network(network: AuditoryNetwork, *, run: str, epoch: int, tasks: list[dict[str, Any]]) -> Description:
    """Make the content of a checkpoint under `NETWORK_KEY`, of plain Python values."""
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
        path: A `.ckpt` file.

    Returns:
        The network in evaluation mode, with its point in training.

    Raises:
        FileNotFoundError: The file does not exist.
        CheckpointError: The file is not a checkpoint of this project, is damaged, would run code on loading, or its
            weights do not match its description.
    """
    return network_of(read_tensor_file(path), source=str(path))


def is_checkpoint(content: Any) -> bool:
    """Whether the content of a file, from `read_tensor_file`, is a checkpoint of this project."""
    return isinstance(content, dict) and NETWORK_KEY in content


def is_before_training(checkpoint: Any) -> bool:
    """Whether a checkpoint was saved by Lightning at step 0, before any training."""
    return int(checkpoint["global_step"]) == 0 and "loops" in checkpoint


def network_of(checkpoint: Any, *, source: str) -> LoadedCheckpoint:
    """Rebuild the network from the content of a checkpoint, see `load_checkpoint`."""
    if not is_checkpoint(checkpoint):
        raise CheckpointError(
            f"{source}: expected a checkpoint saved by `python -m train fit` (with an entry {NETWORK_KEY!r}); "
            "published weights are read by networks.load_published"
        )
    saved = checkpoint[NETWORK_KEY]
    try:
        network: AuditoryNetwork = build(saved["network"])
    except (ValueError, TypeError, AttributeError, LookupError, ArithmeticError, RuntimeError, MemoryError) as error:
        raise CheckpointError(f"{source}: its network cannot be built: {error}") from error
    if not isinstance(network, AuditoryNetwork):
        raise CheckpointError(f"{source}: expected the description of a network, got that of {type(network).__name__}")
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
