"""Load networks by name: checkpoints, published weights, networks of other packages, controls."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn

import networks
from networks.auditory_network import AuditoryNetwork
from networks.backbones.backbone import Backbone
from networks.description import Description
from networks.external.known import EXTERNAL_NETWORKS, external_network
from networks.installation import InstallationError
from networks.named_objects import parse_object_name
from networks.spectrotemporal import SpectroTemporal
from networks.weights.checkpoint import NETWORK_KEY, is_before_training, is_checkpoint, network_of
from networks.weights.controls import permute_weights, untrained
from networks.weights.factories import make_network
from networks.weights.identity import NetworkIdentity, NetworkKind
from networks.weights.published import PUBLISHED_TASKS, published_network, weights_of
from networks.weights.source_names import BACKBONES, Source, SourceError, SourceKind, known_forms, parse_source
from networks.weights.strict import CheckpointError
from networks.weights.tensor_files import read_tensor_file

# Heads of an untrained network named by its backbone: the published word task. They do not affect the stages.
_UNTRAINED_HEADS = {"word": 794}


class LoadedNetwork(NamedTuple):
    """A network in evaluation mode and its origin.

    Attributes:
        network: Network with stages: a `networks.AuditoryNetwork`, `networks.SpectroTemporal`, `networks.StagedNetwork`
            or the result of a user's factory.
        identity: Its identity, for the table of scores.
        tasks: Tasks it was trained on, as plain dictionaries; empty for the baseline, untrained networks and those of
            other packages.
    """

    network: Any
    identity: NetworkIdentity
    tasks: list[dict[str, Any]]


def load_network(source: str | Source, *, run_factories: bool = True) -> LoadedNetwork:
    """Load or make the network of a name.

    Args:
        source: The name, see `parse_source`.
        run_factories: Whether `MODULE:FACTORY` may import the module and call the factory; False if the name comes from
            a file instead of the user.

    Returns:
        The network in evaluation mode, with its identity.

    Raises:
        SourceError: The name is unknown, the network cannot be made, or its factory may not be run.
        CheckpointError: The file is damaged, would run code, or contains other weights than expected.
    """
    source = parse_source(source) if isinstance(source, str) else source
    if source.kind == "permuted":
        loaded = load_network(source.target, run_factories=run_factories)
        permuted = permute_weights(loaded.network, seed=source.seed or 0)
        return LoadedNetwork(permuted, _control_of(loaded.identity, source), loaded.tasks)
    if source.kind == "checkpoint":
        content = read_tensor_file(source.target)
        if is_checkpoint(content):
            return _trained(content, source)
        try:
            return _published(source, content)
        except CheckpointError as error:
            raise CheckpointError(
                f"{error}. It is not a checkpoint saved by `python -m train fit` either, which has an entry "
                f"{NETWORK_KEY!r}"
            ) from error
    if source.kind == "published":
        return _published(source, read_tensor_file(source.target))
    if source.kind == "untrained" and Path(source.target).is_file():
        trained = load_network(Source("checkpoint", source.target))
        network = untrained(trained.network.description(), seed=source.seed or 0)
        identity = replace(_control_of(trained.identity, source), step=0, epoch=0)
        return LoadedNetwork(network.eval(), identity, [])
    try:
        network = _makers(run_factories)[source.kind](source)
    except (InstallationError, FileNotFoundError) as error:
        raise SourceError(str(error)) from error
    return LoadedNetwork(network.eval(), _identity(source), [])


def _trained(content: Any, source: Source) -> LoadedNetwork:
    """Load the network of a checkpoint of this project."""
    loaded = network_of(content, source=source.target)
    identity = NetworkIdentity(
        run=loaded.run,
        checkpoint=str(source),
        step=loaded.step,
        epoch=loaded.epoch,
        kind="untrained" if is_before_training(content) else "trained",
    )
    return LoadedNetwork(loaded.network, identity, loaded.tasks)


def _control_of(parent: NetworkIdentity, source: Source) -> NetworkIdentity:
    """Identity of a control, which keeps the step and epoch of its network."""
    assert source.kind in ("permuted", "untrained")
    return replace(
        parent,
        run=source.label_in(parent.run),
        checkpoint=str(source),
        kind=source.kind,
        parent=parent.run or Path(parent.checkpoint).stem,
        seed=source.seed or 0,
    )


def _identity(source: Source) -> NetworkIdentity:
    """Identity of a network that is not from a checkpoint."""
    if source.kind == "untrained":
        return NetworkIdentity(
            run=source.label,
            checkpoint=str(source),
            kind="untrained",
            parent=source.short_target,
            seed=source.seed or 0,
        )
    kind: NetworkKind = "baseline" if source.kind == "baseline" else "external"
    return NetworkIdentity(run=source.label, checkpoint=str(source), kind=kind)


def _makers(run_factories: bool) -> dict[SourceKind, Callable[[Source], nn.Module]]:
    return {
        "baseline": lambda source: SpectroTemporal(),
        "untrained": _untrained,
        "external": lambda source: external_network(source.target.partition(":")[0], source.target.partition(":")[2]),
        "factory": _from_factory if run_factories else _refused,
    }


def _untrained(source: Source) -> nn.Module:
    if source.target not in EXTERNAL_NETWORKS:
        return untrained(_description(source.target), seed=source.seed or 0)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(source.seed or 0)
        return external_network(source.target)


def _from_factory(source: Source) -> nn.Module:
    name = parse_object_name(source.target)
    try:
        if name is None:
            raise ValueError(f"expected MODULE:FACTORY, got {source.target!r}")
        return make_network(name)
    except ValueError as error:
        raise SourceError(f"network {source.target!r}: {error}") from error


def _refused(source: Source) -> nn.Module:
    raise SourceError(f"network {source.target!r} is made by a factory, whose code is not run here")


def _published(source: Source, content: Any) -> LoadedNetwork:
    network = published_network(weights_of(content, source.target))
    tasks = [PUBLISHED_TASKS[task] for task in network.heads if task in PUBLISHED_TASKS]
    return LoadedNetwork(network, NetworkIdentity(run=Path(source.target).stem, checkpoint=str(source)), tasks)


def _description(target: str) -> Description:
    """Describe the network with the named backbone and the published front end."""
    class_path = f"{getattr(networks, target).__module__}.{target}" if target in BACKBONES else target
    try:
        backbone = untrained({"class_path": class_path, "init_args": {}})
    except ValueError as error:
        raise SourceError(f"unknown network {target!r}: {error}. Known are: {known_forms()}") from error
    if not isinstance(backbone, Backbone):
        raise SourceError(
            f"expected a backbone, got {target!r}, a {type(backbone).__name__}. Known are: {known_forms()}"
        )
    return {
        "class_path": f"{AuditoryNetwork.__module__}.{AuditoryNetwork.__name__}",
        "init_args": {"backbone": backbone.description(), "num_classes": _UNTRAINED_HEADS},
    }
