"""The command `cochlearn build`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from datamodules.commands.build_options import BuildOptions
from datamodules.commands.tables.report_tables import print_report
from datamodules.corpora.layouts import CorpusManifest, make_manifest
from datamodules.progress import Progress
from networks.commands.dispatch import CommandError, text_console

if TYPE_CHECKING:
    from datamodules.building.build_report import BuildReport


UNLABELLED_LAYOUT = "sounds"
"""The layout that has no labels."""


@dataclass(kw_only=True)
class Build(BuildOptions):
    """Build shard sets from a manifest of sounds and labels.

    A manifest is a CSV, TSV or Parquet file with one row per clip and the columns: path (absolute or relative to the
    manifest); optionally start_s and end_s, midpoint_s (what windows are centred on), split (train if there is no such
    column), key; and label columns, which --one_label and --many_labels name. In the latter, labels are separated by
    ';' unless --label_separator names another character. The shard sets of the splits are OUT/train, OUT/val, ... A
    build that was stopped resumes where it was.

    With --layout, the manifest is made from the folder of a corpus and put next to OUT. What the folder holds in
    addition is counted, named and listed in OUT/passed_over.csv. Layouts, with their label columns, are

    - sounds (no labels): any folder of sounds, in pieces of about 10 s; split them with --split_by path;
    - genres (genre): folders of classes, with or without folders of splits;
    - esc50 (category), fsd50k (labels, several each), gtzan (genre), speech_commands (word, speaker), voxceleb
      (speaker), musan (kind; genres and vocals of music): published corpora as they are downloaded;
    - fsdd (word, speaker): spoken digits;
    - librispeech, commonvoice, articles and table (speaker): recordings, see `cochlearn words --help`;
    - package.module:function or path/file.py:function: your own, which gives rows; datamodules/corpora/layouts.py has
      an example.

    Attributes:
        manifest: CSV, TSV or Parquet file, or the folder of a corpus if a layout is given.
        layout: Name of a layout, or your own as package.module:function or path/file.py:function.
        one_label: Label columns with one label per clip.
        many_labels: Label columns with several labels per clip.
        label_separator: What separates the labels of a cell, such as ',' or '|', or '\\t' for a tab. The default is
            ';', with an error if a column seems to have another separator.
        label_list: COLUMN=FILE, labels of a column in the order of the classes, one per line. The default is the null
            label, then all labels of the manifest, sorted.
        allow_unlabelled: Label columns whose cells may be empty, which are an error otherwise. Such clips count for the
            other tasks only.
        no_labels: Build without labels, for learning without them; the layout sounds needs no such option.
        keep_order: Keep the order of the keys rather than shuffling.
    """

    manifest: Path
    layout: str | None = None
    one_label: list[str] = field(default_factory=list)
    many_labels: list[str] = field(default_factory=list)
    label_separator: str | None = None
    label_list: list[str] = field(default_factory=list)
    allow_unlabelled: list[str] = field(default_factory=list)
    no_labels: bool = False
    keep_order: bool = False
    positionals: ClassVar[tuple[str, ...]] = ("manifest", "out")

    def run(self) -> None:
        """Build, and print what was built.

        Raises:
            CommandError: An option cannot be used.
            CorpusError: There is no such layout, or the corpus has another.
            ManifestError: The manifest cannot be used.
            BuildError: Clips are bad, or the output is in use.
        """
        label_lists = dict(map(_column_and_file, self.label_list))
        if self.label_separator is not None and not self.many_labels:
            raise CommandError("--label_separator is for columns of --many_labels, but none is named")
        self._check_labels()
        self.check()
        if self.layout is None:
            report = self._build(CorpusManifest(self.manifest, ()), label_lists, folder=self.manifest.parent)
        else:
            with self.made_manifest() as path:
                with Progress(f"looking for sounds in {self.manifest}"):
                    manifest = make_manifest(
                        self.manifest, path, layout=self.layout, keep_others=self.keeps_others(path)
                    )
                report = self._build(manifest, label_lists, folder=self.manifest)
        print_report(report, text_console())

    def _check_labels(self) -> None:
        """Check that labels are left out on purpose: they cannot be added later."""
        named = [*self.one_label, *self.many_labels]
        if not named and not self.no_labels and self.layout != UNLABELLED_LAYOUT:
            raise CommandError(
                "name at least one label column, with --one_label or --many_labels; without any, --no_labels true "
                "builds clips for learning without labels"
            )
        if named and self.no_labels:
            raise CommandError(f"--no_labels is true, but label columns are named: {', '.join(named)}")

    def _build(self, manifest: CorpusManifest, label_lists: Mapping[str, str], *, folder: Path) -> BuildReport:
        return self.build(
            manifest.path,
            one_label=self.one_label,
            many_labels=self.many_labels,
            label_lists=label_lists,
            may_be_unlabelled=self.allow_unlabelled,
            label_separator=None if self.label_separator is None else self.label_separator.replace("\\t", "\t"),
            keep_order=self.keep_order,
            passed_over=manifest.passed_over,
            folder=folder,
        )


def _column_and_file(pair: str) -> tuple[str, str]:
    column, separator, file = pair.partition("=")
    if not separator:
        raise CommandError(f"--label_list takes COLUMN=FILE, got {pair!r}")
    return column, file
