"""The command `python -m datamodules build`."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from datamodules.commands.build_options import BuildOptions
from datamodules.commands.report_tables import print_report
from datamodules.corpora.layouts import CorpusManifest, make_manifest
from datamodules.progress import Progress
from networks.commands.dispatch import CommandError, text_console


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

    - genres (genre): folders of classes, with or without folders of splits;
    - esc50 (category), fsd50k (labels, several each), gtzan (genre), speech_commands (word, speaker), voxceleb
      (speaker), musan (kind; genres and vocals of music): published corpora as they are downloaded;
    - fsdd (word, speaker): spoken digits;
    - librispeech, commonvoice, articles and table (speaker): recordings, see `python -m datamodules words --help`;
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
        keep_order: Keep the order of the keys rather than shuffling.
    """

    manifest: Path
    layout: str | None = None
    one_label: list[str] = field(default_factory=list)
    many_labels: list[str] = field(default_factory=list)
    label_separator: str | None = None
    label_list: list[str] = field(default_factory=list)
    allow_unlabelled: list[str] = field(default_factory=list)
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
        self.check()
        manifest, passed_over = CorpusManifest(self.manifest, ())
        if self.layout is not None:
            with Progress(f"looking for sounds in {self.manifest}"):
                manifest, passed_over = make_manifest(self.manifest, self.manifest_path, layout=self.layout)
        report = self.build(
            manifest,
            one_label=self.one_label,
            many_labels=self.many_labels,
            label_lists=label_lists,
            may_be_unlabelled=self.allow_unlabelled,
            label_separator=None if self.label_separator is None else self.label_separator.replace("\\t", "\t"),
            keep_order=self.keep_order,
            passed_over=passed_over,
        )
        print_report(report, text_console())


def _column_and_file(pair: str) -> tuple[str, str]:
    column, separator, file = pair.partition("=")
    if not separator:
        raise CommandError(f"--label_list takes COLUMN=FILE, got {pair!r}")
    return column, file
