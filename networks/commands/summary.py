"""The command `cochlearn summary`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from networks.commands.console_tables import print_table
from networks.commands.dispatch import CommandError, text_console
from networks.commands.stage_table import stage_table
from networks.files.strict_yaml import StrictYamlError, read_yaml
from networks.named_objects import load_object
from networks.weights.source_names import Source, SourceError, parse_source

if TYPE_CHECKING:
    from torch import nn

    from networks.backbones.backbone import Backbone

_YAML = (".yaml", ".yml")
# The heads of a network in a configuration depend on its data, which are not read.
_ANY_HEAD = {"any": 1}


@dataclass(kw_only=True)
class ShowSummary:
    """Show the stages, parameters, operations and receptive fields of a network.

    For each stage, the table has the shape of its activation and its number of units after averaging over time.
    Parameters and multiply-adds for one sound are those of everything computed since the previous stage (Fourier
    transforms are not counted). The last columns are the time and the bands that a unit depends on, at most. They are
    followed through convolutions and pooling, and "all" after a dense layer, attention and the like. In networks of
    others, the time that cannot be followed, as after a spectrogram, is measured by gradients.

    Attributes:
        network: A configuration (.yaml), a backbone (CochCNN9, CochResNet50 or package.module:Class), the name of an
            external network (such as AST), or any network that `cochlearn score` takes, such as a checkpoint
            or package.module:function.
    """

    network: str
    positionals: ClassVar[tuple[str, ...]] = ("network",)

    def run(self) -> None:
        """Show the summary.

        Raises:
            CommandError: The configuration has no network, or it cannot be built.
            SourceError: The network is unknown.
            CheckpointError: The weights cannot be read.
        """
        is_configuration = Path(self.network).suffix in _YAML
        if not is_configuration:
            _source(self.network)  # a name that is unknown, before imports that take seconds
        from networks.stage_summary import REST, stage_summaries

        network = _of_configuration(Path(self.network)) if is_configuration else _of_name(self.network)
        rows = stage_summaries(network)
        if is_configuration:
            rows = [row for row in rows if row.name != REST]
        note = "without heads, which depend on the data" if is_configuration else ""
        print_table(stage_table(self.network, rows, note), text_console())


def _of_name(name: str) -> nn.Module:
    """Load a network by name. The name of a backbone alone stands for its untrained network."""
    from networks.weights.sources import load_network

    backbone = _backbone_class(name)
    if backbone is not None:
        source = Source("untrained", f"{backbone.__module__}.{backbone.__qualname__}", 0)
    else:
        source = _source(name)
    network: nn.Module = load_network(source).network
    return network


def _backbone_class(name: str) -> type[Backbone] | None:
    """The class that `package.module:Class` or `file.py:Class` names, if it is a backbone."""
    from networks.backbones.backbone import Backbone

    if not _is_object(name):
        return None
    try:
        named = load_object(name)
    except ValueError:  # `load_network` says what is wrong
        return None
    return named if isinstance(named, type) and issubclass(named, Backbone) else None


def _is_object(name: str) -> bool:
    try:
        return parse_source(name).kind == "factory"
    except SourceError:
        return False


def _source(name: str) -> Source:
    try:
        return parse_source(name)
    except SourceError as error:
        if ":" in name or Path(name).exists():
            raise
        try:
            return parse_source(f"untrained:{name}")
        except SourceError:
            raise error from None  # names the network as the user wrote it


def _of_configuration(path: Path) -> nn.Module:
    """Make the network of a configuration, whose parts may be in other files."""
    from networks.auditory_network import AuditoryNetwork
    from networks.description import build

    settings = _part(_read(path), "model", path)
    if "backbone" not in settings:
        raise CommandError(f"{path}: expected a network under model.backbone, got {', '.join(settings) or 'nothing'}")
    parts = {name: _part(settings, name, path) for name in ("backbone", "front_end") if settings.get(name)}
    try:
        made = {name: build({"init_args": {}} | part) for name, part in parts.items()}
        return AuditoryNetwork(made["backbone"], _ANY_HEAD, made.get("front_end"))
    except (ValueError, TypeError) as error:
        raise CommandError(f"{path}: {error}") from error


def _part(settings: Any, name: str, path: Path) -> dict[str, Any]:
    """Read a group of settings, in place or from a file whose path is relative to the configuration."""
    part = settings.get(name) if isinstance(settings, dict) else None
    if isinstance(part, str) and Path(part).suffix in _YAML:
        part = _read(path.parent / part)
    if not isinstance(part, dict):
        raise CommandError(f"{path}: expected settings under {name!r}, got {part!r}")
    return part


def _read(path: Path) -> Any:
    try:
        return read_yaml(path)
    except StrictYamlError as error:
        raise CommandError(str(error)) from error
