"""The command `python -m networks summary`: what a network consists of."""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from networks.commands.errors import CommandError
from networks.commands.tables import print_table
from networks.weights.source_names import READY, SourceError, parse_source

if TYPE_CHECKING:
    from torch import nn

    from networks.summary import StageSummary

DESCRIPTION = """
Show a network stage by stage: shape of the activation, units after averaging over time, and of all that is computed
after the stage before it, parameters and multiply-adds for one sound (Fourier transforms are not counted); and how much
of time and bands a unit sees.
"""
_YAML = (".yaml", ".yml")
# Heads of a configuration's network follow from its data, which are not looked at.
_ANY_HEAD = {"any": 1}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments.

    Args:
        parser: gets them.
    """
    parser.description = DESCRIPTION
    parser.add_argument(
        "network",
        metavar="NETWORK",
        help="a configuration (.yaml), a backbone's class (CochCNN9, CochResNet50 or package.Class), one of "
        f"{', '.join(READY)}, or any network that python -m evaluate score takes, as a checkpoint",
    )


def run(args: argparse.Namespace) -> None:
    """Show the summary.

    Args:
        args: what `add_arguments` asks for.

    Raises:
        CommandError: a configuration without a network, or one that cannot be made.
        SourceError: a network that is not known.
        CheckpointError: weights that cannot be read.
    """
    from networks.summary import REST, summarise

    is_configuration = Path(args.network).suffix in _YAML
    network = _of_configuration(Path(args.network)) if is_configuration else _of_name(args.network)
    rows = summarise(network)
    if is_configuration:
        rows = [row for row in rows if row.name != REST]
    note = "without heads, which follow from the data" if is_configuration else ""
    print_table(_table(args.network, rows, note), Console())


def _of_name(name: str) -> nn.Module:
    """A network by name; a class's name alone stands for its untrained network."""
    from networks.weights.sources import load_network

    try:
        network = load_network(name).network
    except SourceError as error:
        if ":" in name or Path(name).exists():
            raise
        try:
            source = parse_source(f"untrained:{name}")
        except SourceError:
            raise error from None  # in the words that were given
        network = load_network(source).network
    module: nn.Module = network
    return module


def _of_configuration(path: Path) -> nn.Module:
    """The network of a configuration, whose parts may be files beside it."""
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
    """A group of settings: in place, or in a file named relative to the configuration."""
    part = settings.get(name) if isinstance(settings, dict) else None
    if isinstance(part, str) and Path(part).suffix in _YAML:
        part = _read(path.parent / part)
    if not isinstance(part, dict):
        raise CommandError(f"{path}: expected settings under {name!r}, got {part!r}")
    return part


def _read(path: Path) -> Any:
    import yaml

    try:
        return yaml.safe_load(path.read_text())
    except yaml.YAMLError as error:
        raise CommandError(f"{path}: expected YAML: {error}") from error


def _table(title: str, rows: list[StageSummary], note: str) -> Table:
    table = Table(title=title, caption=note or None, title_justify="left")
    table.add_column("stage", overflow="fold", min_width=12)
    for name in ("shape", "units", "parameters", "operations", "sees ms", "bands"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(
            row.name,
            "x".join(map(str, row.shape)) if row.shape else "",
            "" if row.num_units is None else str(row.num_units),
            _count(row.num_parameters),
            _count(row.num_operations),
            _extent(row.field_ms),
            _extent(row.field_bands),
        )
    table.add_section()
    parameters, operations = (sum(values) for values in zip(*(row[3:5] for row in rows), strict=True))
    table.add_row("all", "", "", _count(parameters), _count(operations), "", "")
    return table


def _extent(value: float | None) -> str:
    if value is None:
        return ""
    return "all" if math.isinf(value) else f"{value:g}"


def _count(number: int) -> str:
    """Three digits and a unit: 1.27 M."""
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if number >= size:
            return f"{number / size:.3g} {unit}"
    return str(number)
