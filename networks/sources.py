"""Networks by name, for command lines: checkpoints, the baseline that learns nothing, and controls."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple, cast

from networks.auditory_network import AuditoryNetwork
from networks.backbone import Backbone
from networks.checkpoint import load_checkpoint
from networks.controls import permute_weights, untrained
from networks.description import Description
from networks.spectrotemporal import SpectroTemporal

BASELINE = "SpectroTemporal"
Kind = Literal["checkpoint", "baseline", "permuted", "untrained"]
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
        target: the checkpoint's path; for "untrained" it can be a backbone's class; the baseline's name.
        seed: of a control, else None.
    """

    kind: Kind
    target: str
    seed: int | None = None

    def __str__(self) -> str:
        """The name in full, seed included: the same for all ways of writing it."""
        return self.target if self.seed is None else f"{self.kind}:{self.target}:{self.seed}"

    @property
    def label(self) -> str:
        """Readable name: ``last.ckpt``, ``SpectroTemporal``, ``last (permuted, seed 0)``."""
        if self.kind == "baseline":
            return self.target
        if self.seed is None:
            return Path(self.target).name
        name = Path(self.target).stem if Path(self.target).is_file() else self.target.rpartition(".")[2]
        return f"{name} ({self.kind}, seed {self.seed})"


class LoadedNetwork(NamedTuple):
    """A network in evaluation mode and where it comes from.

    Attributes:
        network: the network.
        step: optimiser steps done; 0 for the baseline and untrained networks.
        epoch: epochs completed; 0 likewise.
        run: the run that trained it; for the baseline and controls the readable name of :attr:`Source.label`.
        tasks: the tasks it was trained on, plain dictionaries; empty for the baseline and untrained networks.
        checkpoint: the name it was asked for, in full (``str`` of its :class:`Source`).
    """

    network: AuditoryNetwork | SpectroTemporal
    step: int
    epoch: int
    run: str
    tasks: list[dict[str, Any]]
    checkpoint: str


def parse_source(name: str) -> Source:
    """Understand the name of a network, without loading it.

    - ``PATH``: a checkpoint;
    - ``SpectroTemporal``, in any case: the baseline;
    - ``permuted:PATH[:SEED]``: a checkpoint with permuted weights;
    - ``untrained:PATH[:SEED]``: a checkpoint's architecture at its random initialisation;
    - ``untrained:BACKBONE[:SEED]``: a backbone of :mod:`networks` by name, or a ``package.Class``, likewise.

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
    if form in ("permuted", "untrained"):
        target, seed = _split_seed(rest)
        if Path(target).is_file() or (form == "untrained" and _is_backbone_name(target)):
            return Source("permuted" if form == "permuted" else "untrained", target, seed)
    elif Path(name).is_file():
        return Source("checkpoint", name)
    raise SourceError(f"unknown network {name!r}: there is no such file. {_known_forms()}")


def load_network(source: str | Source) -> LoadedNetwork:
    """Load or make the network of a name.

    Args:
        source: the name, see :func:`parse_source`.

    Returns:
        The network in evaluation mode, with what a table says about it.

    Raises:
        SourceError: for a name that is not known, or a backbone that cannot be made.
        CheckpointError: for a file that is no checkpoint of this project or is damaged.
    """
    source = parse_source(source) if isinstance(source, str) else source
    if source.kind == "baseline":
        return LoadedNetwork(SpectroTemporal().eval(), 0, 0, source.label, [], str(source))
    if source.kind == "untrained":
        network = cast(AuditoryNetwork, untrained(_description(source.target), seed=source.seed or 0))
        return LoadedNetwork(network.eval(), 0, 0, source.label, [], str(source))
    loaded = load_checkpoint(source.target)
    if source.kind == "checkpoint":
        return LoadedNetwork(**loaded._asdict(), checkpoint=str(source))
    permuted = permute_weights(loaded.network, seed=source.seed or 0)
    return LoadedNetwork(permuted, loaded.step, loaded.epoch, source.label, loaded.tasks, str(source))


def _split_seed(rest: str) -> tuple[str, int]:
    match = _WITH_SEED.fullmatch(rest)
    if match is None or Path(rest).is_file():
        return rest, 0
    return match["target"], int(match["seed"])


def _is_backbone_name(target: str) -> bool:
    return target in _backbones() or (bool(_DOTTED.fullmatch(target)) and Path(target).suffix != ".ckpt")


def _description(target: str) -> Description:
    """Description of a checkpoint's network, or of one with the named backbone and the published front end."""
    if Path(target).is_file():
        return load_checkpoint(target).network.description()
    backbones = _backbones()
    class_path = f"{backbones[target].__module__}.{target}" if target in backbones else target
    try:
        backbone = untrained({"class_path": class_path, "init_args": {}})
    except ValueError as error:
        raise SourceError(f"unknown network 'untrained:{target}': {error}. {_known_forms()}") from error
    if not isinstance(backbone, Backbone):
        raise SourceError(f"expected a backbone, got {target!r}, a {type(backbone).__name__}. {_known_forms()}")
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


def _known_forms() -> str:
    return (
        f"Known are: the path of a checkpoint; {BASELINE}; permuted:CHECKPOINT[:SEED]; untrained:CHECKPOINT[:SEED]; "
        f"untrained:BACKBONE[:SEED] with one of {', '.join(sorted(_backbones()))} or package.Class"
    )
