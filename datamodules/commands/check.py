"""The command `python -m datamodules check`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations, product
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from rich.console import Console

from datamodules.building.finish import unfinished
from datamodules.commands.tables.inspection_tables import print_finding
from datamodules.inspection.places import look_into
from datamodules.progress import Progress
from datamodules.shards.verify import damages, disagreements
from networks.commands.dispatch import text_console

if TYPE_CHECKING:
    from datamodules.inspection.inspecting import CorpusInspection


@dataclass(kw_only=True)
class CheckSounds:
    """Verify shard sets in full, or look into a corpus before it is built.

    Of a manifest or a folder of sounds, it says within a minute what is in it and what is suspicious: labels that
    differ only in case, Unicode form or spaces, or mark missing values; sounds that occur twice; speakers in several
    splits; classes that a split lacks; silent, clipped and DC-shifted sounds; band-limited ones, which seem to be
    upsampled from a lower rate; sounds that are broken or cut short. In a folder, the names of folders are taken for
    splits (train, val, test and the like) and classes, and files that are no sounds are named.

    Of several places it also says which sounds they share: a sound of the training set that is also in a validation
    set, such as a noise that is a signal elsewhere, or in a benchmark (name its folder of sounds) makes results look
    better than they are. Sounds are the same if all samples are; the same recording at two sample rates is not found.

    Of shard sets, which are found in a folder and up to three levels below it, it reads every byte and names what is
    damaged. Of builds that have not finished, it says how to finish them.

    The exit code is 1 if anything is suspicious, damaged or unfinished, or if the shard sets of one build disagree:
    `cochlearn datamodules check sounds && cochlearn genres sounds data` builds only what nothing was found in.

    Attributes:
        folders: Manifests, folders of sounds, shard sets, or folders that hold shard sets.
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
            PlaceError: There is no such file or folder.
            ManifestError: A manifest cannot be used.
            CorpusError: A folder of sounds cannot be used.
        """
        console = text_console(soft_wrap=True, highlight=False)
        is_wrong = False
        corpora: dict[Path, CorpusInspection] = {}
        shard_folders: list[Path] = []
        for place in [look_into(folder) for folder in self.folders]:
            if not place.shard_sets and not place.unfinished:
                corpora[place.path] = self._inspect(place.path, console)
                is_wrong |= bool(corpora[place.path].findings)
            is_wrong |= _verify(place.shard_sets, console)
            is_wrong |= _print_errors(console, [unfinished(out) for out in place.unfinished])
            shard_folders += place.shard_sets
        is_wrong |= _print_shared(shard_folders, corpora, console)
        return int(is_wrong)

    def _inspect(self, place: Path, console: Console) -> CorpusInspection:
        from datamodules.commands.tables.inspection_tables import print_inspection
        from datamodules.folders.sound_folders import describe, passed_over
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
        if place.is_dir() and (others := passed_over(place, [row.path for row in rows])):
            console.print(f"{place}: passed over: {describe(others)}", markup=False)
        return inspection


def _verify(shard_folders: Sequence[Path], console: Console) -> bool:
    is_damaged = False
    by_build: dict[Path, list[Path]] = defaultdict(list)
    for shard_folder in shard_folders:
        by_build[shard_folder.parent].append(shard_folder)
        with Progress(f"checking {shard_folder}") as progress:
            found = list(damages(shard_folder, progress=progress))
        is_damaged |= _print_errors(console, found)
        console.print(f"{shard_folder}: {'DAMAGED' if found else 'OK'}", markup=False)
    return is_damaged | _print_errors(console, [line for sets in by_build.values() for line in disagreements(sets)])


def _print_shared(shard_folders: Sequence[Path], corpora: Mapping[Path, CorpusInspection], console: Console) -> bool:
    """Print the sounds that several places share; return whether some should have none in common."""
    from datamodules.inspection.shared_sounds import (
        shared_sounds,
        sounds_as_in_shards,
        sounds_heard,
        sounds_in_shards,
    )

    opened = [found for folder in dict.fromkeys(shard_folders) if (found := sounds_in_shards(folder)) is not None]
    heard = [sounds_heard(str(place), inspection) for place, inspection in corpora.items()]
    pairs = [*combinations(opened, 2), *combinations(heard, 2)]
    for rate_hz in dict.fromkeys(sounds.sample_rate_hz for sounds in opened) if corpora else ():
        of_rate = [sounds for sounds in opened if sounds.sample_rate_hz == rate_hz]
        with Progress("comparing sounds with those of shards") as display:
            cut = [
                sounds_as_in_shards(str(place), inspection.rows, rate_hz, display)
                for place, inspection in corpora.items()
            ]
        pairs += product(of_rate, cut)
    is_wrong = False
    for one, other in pairs:
        for shared in shared_sounds(one, other):
            is_leak = one.is_apart_from(other)
            is_wrong |= is_leak
            print_finding(shared, console, style="red" if is_leak else "yellow")
    return is_wrong


def _print_errors(console: Console, messages: list[str]) -> bool:
    for message in messages:
        console.print(message, style="red", markup=False)
    return bool(messages)
