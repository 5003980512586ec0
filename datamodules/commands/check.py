"""`python -m datamodules check`: verify shard sets in full."""

import argparse
from pathlib import Path

from rich.console import Console

from datamodules.shard_index import INDEX_FILE, ShardError
from datamodules.shards import ShardSet


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "shards", nargs="+", type=Path, help="folders of shard sets, or folders that hold such (train, val)"
    )


def run(args: argparse.Namespace) -> int:
    """Check each shard set; 1 when any is damaged."""
    console = Console(soft_wrap=True, highlight=False)
    is_damaged = False
    for folder in args.shards:
        for shard_folder in _shard_folders(folder):
            with console.status(f"checking {shard_folder}"):
                damages = _damages(shard_folder)
            for damage in damages:
                console.print(damage, style="red", markup=False)
            console.print(f"{shard_folder}: {'DAMAGED' if damages else 'sound'}", markup=False)
            is_damaged = is_damaged or bool(damages)
    return int(is_damaged)


def _shard_folders(folder: Path) -> list[Path]:
    """The folder itself, or what it holds; an index that is missing shows when the set is opened."""
    if (folder / INDEX_FILE).exists() or not folder.is_dir():
        return [folder]
    return sorted(path for path in folder.iterdir() if path.is_dir()) or [folder]


def _damages(folder: Path) -> list[str]:
    try:
        return list(ShardSet(folder).verify())
    except ShardError as error:
        return [str(error)]
