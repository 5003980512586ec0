"""The options that all commands share which build shard sets from a manifest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from datamodules.audio import PUBLISHED_SAMPLE_RATE_HZ
from datamodules.building.build import DEFAULT_CLIPS_PER_SHARD, DEFAULT_MIN_DURATION_S, build_shards
from datamodules.building.working_folder import has_built, working_folder
from datamodules.files import check_writable, undoing
from datamodules.manifests.splitting import SplitRule
from networks.commands.dispatch import CommandError
from networks.commands.interruption import NOTHING_IS_KEPT, has_content

if TYPE_CHECKING:
    from datamodules.building.build_report import BuildReport
    from datamodules.folders.sound_folders import PassedOver


@dataclass(kw_only=True)
class BuildOptions:
    """How to build shard sets.

    Attributes:
        out: Folder to make.
        sample_rate_hz: Sample rate of the clips in Hz.
        clip_duration_s: What to keep around the midpoint if a row has one and neither start nor end, in seconds; null
            is the whole file. For jitter, more than the duration of an example.
        min_duration_s: Shorter clips are bad; in seconds.
        max_zero_fraction: Clips with a larger fraction of zeros are bad, 0 to 1.
        min_source_rate_hz: Clips from files with a lower sample rate are bad; in Hz.
        split_by: What to split by: given (the manifest's column split), path (the clips of a sound file stay together)
            or the name of a column such as speaker (its clips stay together).
        val_fraction: Fraction of the files or speakers for validation, unless the split is given.
        stratify_by: Column of --one_label of which each class gives this fraction of its own files or speakers, at
            least one if it has two or more. By default, they are drawn from all together.
        clips_per_shard: Most clips in a tar file.
        num_workers: Number of processes; null is one per core.
        seed: Seed of the shuffle over the shards, and of the split.
        skip_bad: Leave out bad clips and list them in OUT/report.csv. Otherwise any bad clip is an error.
        overwrite: Replace an earlier build at OUT, and a file where the manifest of this command goes.
        part: Build only this one of several parts, counted from 0; then run `cochlearn merge OUT`.
        parts: Number of parts, such as the size of a job array.
    """

    out: Path
    sample_rate_hz: int = PUBLISHED_SAMPLE_RATE_HZ
    clip_duration_s: float | None = None
    min_duration_s: float = DEFAULT_MIN_DURATION_S
    max_zero_fraction: float = 1.0
    min_source_rate_hz: int = 0
    split_by: str | None = "given"
    val_fraction: float = 0.1
    stratify_by: str | None = None
    clips_per_shard: int = DEFAULT_CLIPS_PER_SHARD
    num_workers: int | None = None
    seed: int = 0
    skip_bad: bool = False
    overwrite: bool = False
    part: int | None = None
    parts: int | None = None

    @property
    def manifest_path(self) -> Path:
        """Where a command puts the manifest that it makes: next to its output."""
        return self.out.with_name(f"{self.out.name}.csv")

    @property
    def when_interrupted(self) -> str:
        """What a Ctrl-C leaves."""
        kept = [path for path in (working_folder(self.out), self.out) if has_content(path)]
        return f"what is built so far is kept in {kept[0]}; the same command resumes" if kept else NOTHING_IS_KEPT

    @contextmanager
    def made_manifest(self) -> Iterator[Path]:
        """Yield where to put the manifest that a command makes; if the block refuses its request, undo it.

        The parts of a build share their manifest, so that one of them does not take it away from the others.
        """
        with undoing(*(() if self.part is not None else (self.manifest_path,))):
            yield self.manifest_path

    def keeps_others(self, manifest: Path, out: Path | None = None) -> bool:
        """Whether to keep a file that is where a command puts the manifest that it makes.

        Args:
            manifest: The place of the manifest.
            out: What is built from it; None is the output.

        Returns:
            False for the manifest of an earlier build of the output, and for any file if builds may be replaced.
        """
        return not (self.overwrite or has_built(manifest, self.out if out is None else out))

    def check_outside(self, corpus: Path) -> None:
        """Check that the output is not in the folder of a corpus, whose folders are classes.

        Raises:
            CommandError: It is: the next call would take what this one writes for a part of the corpus.
        """
        if self.out.resolve().is_relative_to(corpus.resolve()):
            raise CommandError(
                f"{self.out} is in the folder of the sounds, {corpus}, whose folders are taken for classes: choose an "
                f"output next to it, such as {corpus.resolve().parent / self.out.name}"
            )

    def check(self) -> None:
        """Check what can be checked before long work.

        Raises:
            CommandError: `part` or `parts` is given alone.
            NotWritableError: The output cannot be written.
        """
        if (self.part is None) != (self.parts is None):
            raise CommandError("--part and --parts belong together")
        check_writable(self.out.parent)

    def build(
        self,
        manifest: Path,
        out: Path | None = None,
        *,
        one_label: Sequence[str] = (),
        many_labels: Sequence[str] = (),
        label_lists: Mapping[str, str | Path] | None = None,
        may_be_unlabelled: Sequence[str] = (),
        label_separator: str | None = None,
        keep_order: bool = False,
        passed_over: Sequence[PassedOver] = (),
        folder: Path | None = None,
    ) -> BuildReport:
        """Build with these options; see `datamodules.building.build.build_shards`.

        Args:
            manifest: The manifest.
            out: Folder to make; None is that of the options.
            one_label: Label columns with one label per clip.
            many_labels: Label columns with several labels per clip.
            label_lists: For some of these columns, a file that lists the labels.
            may_be_unlabelled: Those of these columns whose cells may be empty.
            label_separator: What separates the labels of a cell.
            keep_order: Keep the order of the keys.
            passed_over: Files of the corpus that the manifest does not name.
            folder: Folder of the corpus; None is that of the manifest.

        Returns:
            What was built.
        """
        self.check()
        return build_shards(
            manifest,
            self.out if out is None else out,
            one_label=one_label,
            many_labels=many_labels,
            label_lists=label_lists,
            may_be_unlabelled=may_be_unlabelled,
            label_separator=label_separator,
            keep_order=keep_order,
            passed_over=passed_over,
            folder=folder,
            split_rule=SplitRule(
                "given" if self.split_by is None else self.split_by, self.val_fraction, self.stratify_by
            ),
            part=None if self.part is None or self.parts is None else (self.part, self.parts),
            sample_rate_hz=self.sample_rate_hz,
            clip_duration_s=self.clip_duration_s,
            min_duration_s=self.min_duration_s,
            max_zero_fraction=self.max_zero_fraction,
            min_source_rate_hz=self.min_source_rate_hz,
            clips_per_shard=self.clips_per_shard,
            num_workers=self.num_workers,
            seed=self.seed,
            skip_bad=self.skip_bad,
            overwrite=self.overwrite,
        )
