"""The command `python -m datamodules check`."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from rich.console import Console

from datamodules.progress import Progress
from datamodules.shards.index import INDEX_FILE
from datamodules.shards.verify import damages, disagreements
from networks.commands.dispatch import plain_console


@dataclass(kw_only=True)
class CheckShards:
    """Verify shard sets in full and name what is damaged.

    The exit code is 1 if any shard set is damaged, or if those of one folder disagree.

    Attributes:
        folders: Folders of shard sets, or folders that hold such (train, val).
    """

    folders: list[Path]
    positionals: ClassVar[tuple[str, ...]] = ("folders",)

    def run(self) -> int:
        """Check each shard set, and print what is damaged."""
        console = plain_console(soft_wrap=True, highlight=False)
        is_damaged = False
        for folder in self.folders:
            shard_folders = _shard_folders(folder)
            for shard_folder in shard_folders:
                with Progress(f"checking {shard_folder}") as progress:
                    found = list(damages(shard_folder, progress=progress))
                is_damaged |= _print_errors(console, found)
                console.print(f"{shard_folder}: {'DAMAGED' if found else 'sound'}", markup=False)
            is_damaged |= _print_errors(console, list(disagreements(shard_folders)))
        return int(is_damaged)


def _print_errors(console: Console, messages: list[str]) -> bool:
    for message in messages:
        console.print(message, style="red", markup=False)
    return bool(messages)


def _shard_folders(folder: Path) -> list[Path]:
    """The folder itself, or those in it; a missing index is reported when the set is opened."""
    if (folder / INDEX_FILE).exists() or not folder.is_dir():
        return [folder]
    return sorted(path for path in folder.iterdir() if path.is_dir()) or [folder]
