"""Networks in training checkpoints: how to rebuild one, without Lightning and without running code from the file."""

import pickle
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

import torch

from networks.auditory_network import AuditoryNetwork
from networks.description import Description, build
from networks.weights import CheckpointError, load_weights

NETWORK_KEY = "auditory_network"
"""Where a checkpoint keeps the description of its network."""
PREFIX = "network."
"""Prefix of the network's tensors in a checkpoint's state dict."""


class LoadedCheckpoint(NamedTuple):
    """A network with its trained weights, in evaluation mode, and where in its training it was saved.

    Attributes:
        network: the network.
        step: optimiser steps done.
        epoch: epochs completed.
        run: name of the run that saved it, "" if it had none.
        tasks: the tasks it was trained on, plain dictionaries (name, kind, side, labels, ...).
    """

    network: AuditoryNetwork
    step: int
    epoch: int
    run: str
    tasks: list[dict[str, Any]]


def describe_network(network: AuditoryNetwork, *, run: str, epoch: int, tasks: list[dict[str, Any]]) -> Description:
    """What a checkpoint keeps under :data:`NETWORK_KEY`, plain Python only."""
    return {"network": network.description(), "run": run, "epochs_completed": epoch, "tasks": tasks}


def load_checkpoint(path: str | Path) -> LoadedCheckpoint:
    """Rebuild the network of a checkpoint that training saved.

    Args:
        path: a ``.ckpt`` file.

    Returns:
        The network in evaluation mode, with its place in training.

    Raises:
        FileNotFoundError: if there is no such file.
        CheckpointError: if the file is no checkpoint of this project, is damaged, would run code on loading, or holds
            weights of another architecture than it says.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such checkpoint")
    try:
        checkpoint = torch.load(str(path), map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, zipfile.BadZipFile, KeyError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise CheckpointError(
            f"{path}: expected a checkpoint of plain tensors and values, but loading it failed: {reason}"
        ) from error
    if not isinstance(checkpoint, dict) or NETWORK_KEY not in checkpoint:
        raise CheckpointError(
            f"{path}: expected a checkpoint saved by `python -m train fit` (with an entry {NETWORK_KEY!r}); "
            "published weights are read by networks.load_published"
        )
    saved = checkpoint[NETWORK_KEY]
    network: AuditoryNetwork = build(saved["network"])
    weights = {
        name.removeprefix(PREFIX): tensor
        for name, tensor in checkpoint["state_dict"].items()
        if name.startswith(PREFIX)
    }
    load_weights(network, weights, source=str(path))
    return LoadedCheckpoint(
        network=network.eval(),
        step=int(checkpoint["global_step"]),
        epoch=int(saved["epochs_completed"]),
        run=str(saved["run"]),
        tasks=list(saved["tasks"]),
    )
