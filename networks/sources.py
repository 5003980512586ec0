"""Networks by name, for command lines: checkpoints, published weights, networks of other packages, controls."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch
from torch import nn

from networks.auditory_network import AuditoryNetwork
from networks.backbone import Backbone
from networks.checkpoint import NETWORK_KEY, is_checkpoint, network_of
from networks.controls import permute_weights, untrained
from networks.description import Description
from networks.factories import make_network, parse_factory
from networks.installation import InstallationError
from networks.published import PUBLISHED_TASKS, published_network, weights_of
from networks.ready import READY
from networks.spectrotemporal import SpectroTemporal
from networks.tensor_files import read_tensor_file
from networks.weights import CheckpointError

BASELINE = "SpectroTemporal"
Kind = Literal["checkpoint", "published", "ready", "factory", "baseline", "permuted", "untrained"]
_WITH_SEED = re.compile(r"(?P<target>.+):(?P<seed>\d+)")
_DOTTED = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+")
# Heads of an untrained network that is made from its backbone's name: the published word task. Stages come before it.
_UNTRAINED_HEADS = {"word": 794}


class SourceError(ValueError):
    """The name of a network that is not known; the message lists what is."""


class Source(NamedTuple):
    """What a name on the command line stands for.

    Attributes:
        kind: which of the forms it has.
        target: a file's path; for "ready" ``NAME:FOLDER``, for "factory" ``MODULE:FACTORY``; for "untrained" a path,
            a backbone's class or the name of a ready network; for "permuted" the name of a trained network; the
            baseline's name.
        seed: of a control, else None.
    """

    kind: Kind
    target: str
    seed: int | None = None

    def __str__(self) -> str:
        """The name in full, seed included: the same for all ways of writing it."""
        if self.seed is not None:
            return f"{self.kind}:{self.target}:{self.seed}"
        return f"published:{self.target}" if self.kind == "published" else self.target

    @property
    def label(self) -> str:
        """Readable name: ``last.ckpt``, ``SpectroTemporal``, ``last (permuted, seed 0)``."""
        if self.kind in ("baseline", "ready", "factory"):
            return self.target
        if self.seed is None:
            return Path(self.target).name
        return self.label_in("")

    def label_in(self, run: str) -> str:
        """Readable name that also says which run it is of, as files of all runs are named alike.

        Args:
            run: the run that trained the network; empty where there is none.

        Returns:
            As ``words/last (permuted, seed 0)``; :attr:`label` for what is no control, or of no run.
        """
        if self.seed is None:
            return self.label
        name = _short(self.target)
        whose = name if run in ("", name, self.target) else f"{run}/{name}"
        return f"{whose} ({self.kind}, seed {self.seed})"


class LoadedNetwork(NamedTuple):
    """A network in evaluation mode and where it comes from.

    Attributes:
        network: the network, with stages: an :class:`networks.AuditoryNetwork`, :class:`networks.SpectroTemporal`,
            :class:`networks.StagedNetwork` or what a user's factory makes.
        step: optimiser steps done; 0 where it is not known, and for the baseline and untrained networks.
        epoch: epochs completed; 0 likewise.
        run: the run that trained it; where there is none, the readable name of :attr:`Source.label`; of a control,
            its readable name with that of the run (:meth:`Source.label_in`).
        tasks: the tasks it was trained on, plain dictionaries; empty for the baseline, untrained networks and those of
            other packages.
        checkpoint: the name it was asked for, in full (``str`` of its :class:`Source`).
    """

    network: Any
    step: int
    epoch: int
    run: str
    tasks: list[dict[str, Any]]
    checkpoint: str


def parse_source(name: str) -> Source:
    """Understand the name of a network, without loading it.

    - ``PATH``: a checkpoint of this project or a file of published weights, which are told apart by what is in them;
    - ``published:PATH``: a file of published weights;
    - ``NAME:FOLDER``: a network of another package (:data:`networks.ready.READY`) with the weights in a folder;
    - ``MODULE:FACTORY``, as ``package.module:function`` or ``path/file.py:function``: what a user's own function or
      class makes when it is called; the only form that runs code from elsewhere;
    - ``SpectroTemporal``, in any case: the baseline;
    - ``permuted:NETWORK[:SEED]``: any of the former, but the baseline, with permuted weights;
    - ``untrained:PATH[:SEED]``: a checkpoint's architecture at its random initialisation;
    - ``untrained:BACKBONE[:SEED]``: a backbone of :mod:`networks` by name, or a ``package.Class``, likewise;
    - ``untrained:NAME[:SEED]``: a network of another package, likewise.

    Seeds are 0 where none is given. A checkpoint whose name could be taken for another form is given as ``./NAME``.

    Args:
        name: the name.

    Returns:
        What it stands for. The file of a checkpoint exists.

    Raises:
        SourceError: for a file that is not there, or a name of no known form; lists those that are.
    """
    if name.lower() == BASELINE.lower():
        return Source("baseline", BASELINE)
    form, _, rest = name.partition(":")
    if form == "untrained":
        target, seed = _split_seed(rest)
        if Path(target).is_file() or target in READY or _is_backbone_name(target):
            return Source("untrained", target, seed)
    elif form == "permuted":
        target, seed = _split_seed(rest)
        trained = _parse_trained(target)
        if trained is not None:
            return Source("permuted", str(trained), seed)
    else:
        trained = _parse_trained(name)
        if trained is not None:
            return trained
    raise SourceError(f"unknown network {name!r}: there is no such file or folder. Known are: {known_forms()}")


def load_network(source: str | Source, *, run_factories: bool = True) -> LoadedNetwork:
    """Load or make the network of a name.

    Args:
        source: the name, see :func:`parse_source`.
        run_factories: whether ``MODULE:FACTORY`` may import the module and call the factory; False where the name
            comes from a file and not from the user.

    Returns:
        The network in evaluation mode, with what a table says about it.

    Raises:
        SourceError: for a name that is not known, a network that cannot be made, or a factory that may not be run.
        CheckpointError: for a file that is damaged, would run code, or holds other weights than it should.
    """
    source = parse_source(source) if isinstance(source, str) else source
    if source.kind == "permuted":
        loaded = load_network(source.target, run_factories=run_factories)
        permuted = permute_weights(loaded.network, seed=source.seed or 0)
        return loaded._replace(network=permuted, run=source.label_in(loaded.run), checkpoint=str(source))
    if source.kind == "checkpoint":
        content = read_tensor_file(source.target)
        if is_checkpoint(content):
            return LoadedNetwork(**network_of(content, source=source.target)._asdict(), checkpoint=str(source))
        try:
            return _published(source, content)
        except CheckpointError as error:
            raise CheckpointError(
                f"{error}; nor is it a checkpoint saved by `python -m train fit`, which has an entry {NETWORK_KEY!r}"
            ) from error
    if source.kind == "published":
        return _published(source, read_tensor_file(source.target))
    if source.kind == "untrained" and Path(source.target).is_file():
        trained = load_network(Source("checkpoint", source.target))
        network = untrained(trained.network.description(), seed=source.seed or 0)
        return LoadedNetwork(network.eval(), 0, 0, source.label_in(trained.run), [], str(source))
    try:
        network = _makers(run_factories)[source.kind](source)
    except (InstallationError, FileNotFoundError) as error:
        raise SourceError(str(error)) from error
    return LoadedNetwork(network.eval(), 0, 0, source.label, [], str(source))


def _makers(run_factories: bool) -> dict[Kind, Callable[[Source], nn.Module]]:
    return {
        "baseline": lambda source: SpectroTemporal(),
        "untrained": _untrained,
        "ready": lambda source: READY[source.target.partition(":")[0]](Path(source.target.partition(":")[2])),
        "factory": _from_factory if run_factories else _refused,
    }


def _untrained(source: Source) -> nn.Module:
    if source.target not in READY:
        return untrained(_description(source.target), seed=source.seed or 0)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(source.seed or 0)
        return READY[source.target](None)


def _from_factory(source: Source) -> nn.Module:
    name = parse_factory(source.target)
    try:
        if name is None:
            raise ValueError(f"expected MODULE:FACTORY, got {source.target!r}")
        return make_network(name)
    except ValueError as error:
        raise SourceError(f"network {source.target!r}: {error}") from error


def _refused(source: Source) -> nn.Module:
    raise SourceError(f"network {source.target!r} is made by code, which is not run here")


def _published(source: Source, content: Any) -> LoadedNetwork:
    network = published_network(weights_of(content, source.target))
    tasks = [PUBLISHED_TASKS[task] for task in network.heads if task in PUBLISHED_TASKS]
    return LoadedNetwork(network, 0, 0, Path(source.target).stem, tasks, str(source))


def _parse_trained(name: str) -> Source | None:
    """Names of networks that are no control and not the baseline."""
    if Path(name).is_file():
        return Source("checkpoint", name)
    form, _, rest = name.partition(":")
    if form == "published":
        return Source("published", rest) if Path(rest).is_file() else None
    if form in READY:
        return Source("ready", name) if Path(rest).exists() and rest else None
    factory = parse_factory(name)
    is_form = form in ("permuted", "untrained")
    return None if factory is None or is_form else Source("factory", name)


def _short(target: str) -> str:
    """A readable name of a control's target."""
    path = target.removeprefix("published:")
    if Path(path).is_file():
        return Path(path).stem
    return target if ":" in target else target.rpartition(".")[2]


def _split_seed(rest: str) -> tuple[str, int]:
    match = _WITH_SEED.fullmatch(rest)
    if match is None or Path(rest).is_file():
        return rest, 0
    return match["target"], int(match["seed"])


def _is_backbone_name(target: str) -> bool:
    return target in _backbones() or (bool(_DOTTED.fullmatch(target)) and Path(target).suffix not in (".ckpt", ".pt"))


def _description(target: str) -> Description:
    """Description of the network with the named backbone and the published front end."""
    backbones = _backbones()
    class_path = f"{backbones[target].__module__}.{target}" if target in backbones else target
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


def _backbones() -> dict[str, type[Backbone]]:
    """Backbones of this package by name."""
    package = __name__.partition(".")[0]
    return {cls.__name__: cls for cls in _subclasses(Backbone) if cls.__module__.partition(".")[0] == package}


def _subclasses(cls: type[Backbone]) -> Iterator[type[Backbone]]:
    for subclass in cls.__subclasses__():
        yield subclass
        yield from _subclasses(subclass)


def known_forms() -> str:
    """List the names of networks that :func:`parse_source` understands, for errors and helps; simple ones first.

    Returns:
        One sentence's end.
    """
    ready = ", ".join(READY)
    return (
        f"the path of a checkpoint or of published weights (.pt); {BASELINE}, the baseline; the controls "
        "permuted:CHECKPOINT[:SEED], likewise with published weights and the networks below, and "
        "untrained:CHECKPOINT[:SEED]; published:PATH; "
        f"NAME:FOLDER with NAME one of {ready}; package.module:FACTORY or file.py:FACTORY; "
        f"untrained:NAME[:SEED] with one of {ready}, {', '.join(sorted(_backbones()))} or package.Class"
    )
