"""Load networks by name: checkpoints, published weights, external networks, controls."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn

import networks
from networks.auditory_network import AuditoryNetwork
from networks.backbones.backbone import Backbone
from networks.commands.program import program
from networks.description import Description
from networks.external.known import EXTERNAL_NETWORKS, external_network
from networks.installation import InstallationError
from networks.named_objects import load_object, parse_object_name
from networks.spectrotemporal import SpectroTemporal
from networks.weights.checkpoint import NETWORK_KEY, is_before_training, is_checkpoint, network_of
from networks.weights.controls import permute_weights, untrained
from networks.weights.factories import make_network
from networks.weights.fresh_weights import reset_weights
from networks.weights.identity import NetworkIdentity, NetworkKind
from networks.weights.model_folder import is_model, read_checkpoint
from networks.weights.published import PUBLISHED_TASKS, published_network, weights_of
from networks.weights.source_names import BACKBONES, Source, SourceError, SourceKind, known_forms, parse_source
from networks.weights.strict import CheckpointError

# Heads of an untrained network named by its backbone: the published word task. They do not affect the stages.
_UNTRAINED_HEADS = {"word": 794}


class LoadedNetwork(NamedTuple):
    """A network in evaluation mode and its origin.

    Attributes:
        network: Network with stages: a `networks.AuditoryNetwork`, `networks.SpectroTemporal`, `networks.StagedNetwork`
            or the result of a user's factory.
        identity: Its identity, for the table of scores.
        tasks: Tasks it was trained on, as plain dictionaries; empty for the baseline, untrained and external networks.
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
    if source.kind in ("checkpoint", "ema", "published"):
        return _from_file(source)
    if source.kind == "untrained" and (Path(source.target).is_file() or is_model(source.target)):
        trained = load_network(Source("checkpoint", source.target))
        network = untrained(trained.network.description(), seed=source.seed or 0)
        network.class_names = trained.network.class_names
        identity = replace(_control_of(trained.identity, source), step=0, epoch=0)
        return LoadedNetwork(network.eval(), identity, [])
    try:
        network = _makers(run_factories)[source.kind](source)
    except (InstallationError, FileNotFoundError) as error:
        raise SourceError(str(error)) from error
    return LoadedNetwork(network.eval(), _identity(source), [])


def _from_file(source: Source) -> LoadedNetwork:
    """Load the network of a checkpoint or of published weights."""
    content = read_checkpoint(source.target)
    if source.kind == "ema" or (source.kind == "checkpoint" and is_checkpoint(content)):
        return _trained(content, source)
    try:
        return _published(source, content)
    except CheckpointError as error:
        if source.kind == "published":
            raise
        raise CheckpointError(
            f"{error}. It is not a checkpoint saved by `{program('train', 'fit')}` either, which has an entry "
            f"{NETWORK_KEY!r}"
        ) from error


def _trained(content: Any, source: Source) -> LoadedNetwork:
    """Load the network of a checkpoint of this project."""
    loaded = network_of(content, source=source.target, averaged=source.kind == "ema")
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
        "untrained": partial(_untrained, run_factories=run_factories),
        "external": lambda source: external_network(source.target.partition(":")[0], source.target.partition(":")[2]),
        "factory": _from_factory if run_factories else _refused,
    }


def _untrained(source: Source, *, run_factories: bool) -> nn.Module:
    name, _, folder = source.target.partition(":")
    if name not in EXTERNAL_NETWORKS:
        if _is_factory(source.target, run_factories):
            return _untrained_from_factory(source)
        return untrained(_description(source.target), seed=source.seed or 0)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(source.seed or 0)
        return external_network(name, folder, trained=False) if folder else external_network(name)


def _is_factory(target: str, run_factories: bool) -> bool:
    """Whether a name is that of a network or of a function that makes one, not of a backbone."""
    name = parse_object_name(target)
    if name is None or not (run_factories or name.module.endswith(".py")):
        return False
    if not run_factories:
        _refused(Source("factory", target))
    try:
        found = load_object(name)
    except ValueError as error:
        raise SourceError(f"network {target!r}: {error}") from error
    return not (isinstance(found, type) and issubclass(found, Backbone))


def _untrained_from_factory(source: Source) -> nn.Module:
    network = _from_factory(source)
    try:
        return reset_weights(network, seed=source.seed or 0)
    except ValueError as error:
        raise SourceError(f"network '{source}': {error}") from error


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
