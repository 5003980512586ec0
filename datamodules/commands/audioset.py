"""The command `python -m datamodules audioset`."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from rich.table import Table

from datamodules.commands.build_options import BuildOptions
from datamodules.commands.tables.report_tables import print_report
from datamodules.corpora.audioset import COLUMN, MAX_ZERO_FRACTION, AudioSetManifest, make_manifest
from datamodules.manifests.manifest import LABEL_SEPARATOR
from datamodules.progress import Progress
from networks.commands.dispatch import text_console


@dataclass(kw_only=True)
class AudioSet(BuildOptions):
    """Build shard sets from the segment lists and clips of AudioSet.

    Segments without speech, whispering or silence, nor music with no finer label, and with at most a tenth of zeros
    (the published rules) become shards whose labels include all ancestors in the ontology. A list of the labels to use,
    in the order of the classes, can be given; it must have all labels that occur. The manifest is put next to OUT.

    Attributes:
        train: Segment list for training; published is unbalanced_train_segments.csv.
        val: Segment list for validation; published is balanced_train_segments.csv.
        ontology: The file ontology.json.
        clips: Folder of sounds, at any depth, named YTID or YTID_START...
        label_list: File with the labels in the order of the classes, one per line. The default is the null label, then
            all labels that occur, sorted.
    """

    train: Path
    val: Path
    ontology: Path
    clips: Path
    label_list: Path | None = None
    skip_bad: bool = True
    max_zero_fraction: float = MAX_ZERO_FRACTION
    positionals: ClassVar[tuple[str, ...]] = ("out",)

    def run(self) -> None:
        """Build, and print what was built and left out.

        Raises:
            CorpusError: A file is missing or broken, or no segment is left.
            BuildError: The output is in use.
        """
        self.check()
        console = text_console()
        lists = {} if self.label_list is None else {COLUMN: self.label_list}
        with self.made_manifest() as path:
            with Progress(f"selecting segments with a sound in {self.clips}"):
                manifest = make_manifest(
                    {"train": self.train, "val": self.val},
                    self.ontology,
                    self.clips,
                    path,
                    keep_others=self.keeps_others(path),
                )
            console.print(_left_out(manifest))
            report = self.build(
                path,
                many_labels=[COLUMN],
                label_lists=lists,
                label_separator=LABEL_SEPARATOR,
                passed_over=manifest.passed_over,
                folder=self.clips,
            )
        print_report(report, console)


def _left_out(manifest: AudioSetManifest) -> Table:
    table = Table("split", "left out", "segments", title="segments that were left out")
    for split, counts in manifest.removed.items():
        for reason, times in counts.most_common():
            table.add_row(split, reason, str(times))
    return table
