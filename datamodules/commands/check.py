"""`python -m datamodules check`: verify shard sets in full."""

import argparse
from functools import partial
from pathlib import Path

from rich.console import Console

from datamodules.progress import ProgressDisplay
from datamodules.shards.index import INDEX_FILE
from datamodules.shards.verify import damages, disagreements


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "shards", nargs="+", type=Path, help="folders of shard sets, or folders that hold such (train, val)"
    )


def run(args: argparse.Namespace) -> int:
    """Check each shard set; 1 when any is damaged, or those of one folder disagree."""
    console = Console(soft_wrap=True, highlight=False)
    is_damaged = False
    for folder in args.shards:
        shard_folders = _shard_folders(folder)
        for shard_folder in shard_folders:
            what = f"checking {shard_folder}"
            with ProgressDisplay(what) as display:
                report = partial(display.report, what, unit="clips")
                found = list(damages(shard_folder, progress=report))
            is_damaged |= _tell(console, found)
            console.print(f"{shard_folder}: {'DAMAGED' if found else 'sound'}", markup=False)
        is_damaged |= _tell(console, list(disagreements(shard_folders)))
    return int(is_damaged)


def _tell(console: Console, messages: list[str]) -> bool:
    for message in messages:
        console.print(message, style="red", markup=False)
    return bool(messages)


def _shard_folders(folder: Path) -> list[Path]:
    """The folder itself, or what it holds; an index that is missing shows when the set is opened."""
    if (folder / INDEX_FILE).exists() or not folder.is_dir():
        return [folder]
    return sorted(path for path in folder.iterdir() if path.is_dir()) or [folder]
