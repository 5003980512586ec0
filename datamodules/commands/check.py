"""The command `python -m datamodules check`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from rich.console import Console

from datamodules.progress import Progress
from datamodules.shards.index import INDEX_FILE
from datamodules.shards.verify import damages, disagreements
from networks.commands.dispatch import text_console

MANIFEST_SUFFIXES = (".csv", ".tsv", ".parquet")


@dataclass(kw_only=True)
class CheckSounds:
    """Verify shard sets in full, or look into a corpus before it is built.

    Of a manifest or a folder of sounds, it says within a minute what is in it and what is suspicious: labels that
    differ only in case, Unicode form or spaces; sounds that occur twice; speakers in several splits; classes that a
    split lacks; silent, clipped, DC-shifted and band-limited sounds; sounds that are broken or cut short. In a folder,
    the names of folders are taken for splits (train, val, test and the like) and classes.

    Of shard sets, it reads every byte and names what is damaged.

    The exit code is 1 if anything is suspicious or damaged, or if the shard sets of one folder disagree.

    Attributes:
        folders: Manifests, folders of sounds, folders of shard sets, or folders that hold such (train, val).
        label_columns: Columns of a manifest that hold labels. The default is all whose values repeat.
        speaker_column: Column that holds the speakers. The default is speaker, client_id and the like.
        max_sounds: Most sound files to hear; of a larger corpus, these are random ones.
        max_duration_s: Longest time to hear sound files for, in seconds.
        seed: Seed of the choice of sound files.
    """

    folders: list[Path]
    label_columns: list[str] = field(default_factory=list)
    speaker_column: str | None = None
    max_sounds: int = 5_000
    max_duration_s: float = 45.0
    seed: int = 0
    positionals: ClassVar[tuple[str, ...]] = ("folders",)

    def run(self) -> int:
        """Check each shard set or corpus, and print what is damaged or suspicious.

        Raises:
            ManifestError: A manifest cannot be used.
            CorpusError: A folder of sounds cannot be used.
        """
        console = text_console(soft_wrap=True, highlight=False)
        is_wrong = False
        for folder in self.folders:
            is_wrong |= self._inspect(folder, console) if _is_corpus(folder) else _verify(folder, console)
        return int(is_wrong)

    def _inspect(self, place: Path, console: Console) -> bool:
        from datamodules.commands.inspection_tables import print_inspection
        from datamodules.inspection.findings import SPEAKER_COLUMNS
        from datamodules.inspection.inspected_rows import rows_of_folder, rows_of_manifest
        from datamodules.inspection.inspecting import inspect

        with Progress(f"checking {place}") as display:
            display.report(f"looking for sounds in {place}")
            columns = [*self.label_columns, *([self.speaker_column] if self.speaker_column else [])]
            rows, wrong = (rows_of_folder(place), []) if place.is_dir() else rows_of_manifest(place, columns)
            inspection = inspect(
                rows,
                wrong_rows=wrong,
                speakers=(self.speaker_column,) if self.speaker_column else SPEAKER_COLUMNS,
                max_sounds=self.max_sounds,
                max_duration_s=self.max_duration_s,
                seed=self.seed,
                display=display,
            )
        print_inspection(str(place), inspection, console)
        return bool(inspection.findings)


def _verify(folder: Path, console: Console) -> bool:
    is_damaged = False
    shard_folders = _shard_folders(folder)
    for shard_folder in shard_folders:
        with Progress(f"checking {shard_folder}") as progress:
            found = list(damages(shard_folder, progress=progress))
        is_damaged |= _print_errors(console, found)
        console.print(f"{shard_folder}: {'DAMAGED' if found else 'OK'}", markup=False)
    return is_damaged | _print_errors(console, list(disagreements(shard_folders)))


def _is_corpus(place: Path) -> bool:
    """Whether a place is a manifest or a folder of sounds, rather than of shard sets, damaged ones among them."""
    if place.is_file() or place.suffix.lower() in MANIFEST_SUFFIXES:
        return True
    if not place.is_dir():
        return False
    shards = (*place.glob("*.tar"), *place.glob("*/*.tar"), *place.glob(INDEX_FILE), *place.glob(f"*/{INDEX_FILE}"))
    return not shards and any(path.is_file() for path in place.rglob("*"))


def _print_errors(console: Console, messages: list[str]) -> bool:
    for message in messages:
        console.print(message, style="red", markup=False)
    return bool(messages)


def _shard_folders(folder: Path) -> list[Path]:
    """The folder itself, or those in it; a missing index is reported when the set is opened."""
    if (folder / INDEX_FILE).exists() or not folder.is_dir():
        return [folder]
    return sorted(path for path in folder.iterdir() if path.is_dir()) or [folder]
