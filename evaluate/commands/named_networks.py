"""The networks on a command line: single networks, and all checkpoints of runs and folders."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, NamedTuple

from evaluate.options import CHECKPOINT_PATTERN
from networks.commands.dispatch import CommandError
from networks.weights.source_names import parse_source


@dataclass(kw_only=True)
class NetworksOption:
    """Networks on a command line.

    Attributes:
        networks: Run directories or folders, for all checkpoints in them in order of steps, without copies of the same
            network; for one alone, RUN_DIR/checkpoints/last.ckpt or RUN_DIR/checkpoints/best-*.ckpt. Or the path of a
            checkpoint or of published weights (.pt), or published:PATH; ema:CHECKPOINT, the averages of its weights;
            SpectroTemporal, the baseline; the controls permuted:CHECKPOINT[:SEED] (or any
            other trained network) and untrained:CHECKPOINT[:SEED]; an external network, NAME:PATH;
            package.module:FACTORY or file.py:FACTORY, your own function that makes a network; untrained:NAME[:SEED], an
            architecture by name. The error about an unknown network lists all names.
    """

    networks: list[str]
    positionals: ClassVar[tuple[str, ...]] = ("networks",)


class NamedNetworks(NamedTuple):
    """Networks to use, and checkpoints that are left out.

    Attributes:
        sources: Full names of the networks, each once, see `networks.load_network`.
        left_out: Checkpoints of losses that are not finite, which are used only if nothing else is named.
    """

    sources: tuple[str, ...]
    left_out: tuple[str, ...]

    @property
    def remarks(self) -> list[str]:
        """Remarks for the user, one line each."""
        return [
            f"{path} is left out: the state that led to a loss that is not finite (name it alone to use it)"
            for path in self.left_out
        ]


def check_network_names(names: Sequence[str]) -> None:
    """Check the names of networks before anything that takes seconds is imported; folders are not looked into.

    Raises:
        SourceError: A network is unknown.
    """
    for name in names:
        if not Path(name).is_dir():
            parse_source(name)


def networks_named(names: Sequence[str]) -> NamedNetworks:
    """Find the networks of arguments, each a network or a folder of checkpoints.

    Args:
        names: Names of networks, and folders.

    Returns:
        The networks, in order, and the checkpoints that are left out.

    Raises:
        CommandError: A folder has no checkpoints.
        SourceError: A network is unknown.
    """
    check_network_names(names)
    from evaluate.run_folder import folder_of_checkpoints
    from evaluate.watch.checkpoint_folder import DIVERGED_FILE

    diverged = [name for name in names if Path(name).name == DIVERGED_FILE]
    if len(diverged) == len(names):
        diverged = []
    sources = [source for name in names if name not in diverged for source in _sources_of(name)]
    diverged += [str(path) for name in names if (path := folder_of_checkpoints(Path(name)) / DIVERGED_FILE).is_file()]
    return NamedNetworks(tuple(_once(sources)), tuple(dict.fromkeys(diverged)))


def _once(sources: Sequence[str]) -> list[str]:
    """Leave out what is named again, also by another path of the same file."""
    found: dict[str, str] = {}
    for source in sources:
        named = parse_source(source)
        found.setdefault(str(named._replace(target=_resolved(named.target.removeprefix("published:")))), source)
    return list(found.values())


def _resolved(name: str) -> str:
    """Write the file or folder in the name of a network in full, such as that of `AST:weights` or `nets.py:make`."""
    form, colon, rest = name.partition(":")
    if os.path.exists(name):
        return os.path.realpath(name)
    return f"{_resolved(form)}:{_resolved(rest)}" if colon else name


def _sources_of(name: str) -> list[str]:
    from evaluate.run_folder import folder_of_checkpoints
    from evaluate.watch.checkpoint_folder import in_training_order, list_checkpoints
    from networks.weights.run_layout import is_model

    folder = Path(name)
    if not folder.is_dir() or is_model(folder):
        return [str(parse_source(name))]
    checkpoints = [file.path for file in list_checkpoints(folder_of_checkpoints(folder))]
    if not checkpoints:
        raise CommandError(f"there are no checkpoints ({CHECKPOINT_PATTERN}) in {folder_of_checkpoints(folder)}")
    return [str(parse_source(str(path))) for path in in_training_order(checkpoints)]
