"""The command `python -m datamodules genres`."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

from datamodules.commands.build_options import BuildOptions
from datamodules.commands.report_tables import print_report
from datamodules.corpora.genres import COLUMN, make_manifest
from networks.commands.dispatch import text_console


@dataclass(kw_only=True)
class Genres(BuildOptions):
    """Build shard sets from folders of sounds, one folder per class.

    The manifest is put next to OUT.

    Attributes:
        folder: FOLDER/GENRE/*.wav, FOLDER/SPLIT/GENRE/*.wav or FOLDER/GENRE/SPLIT/*.wav, where splits have their usual
            names (train, training, val, valid, validation, dev, test, eval, ...).
        column: Name of the labels and of the task.
        split_by: How to split: `given` (use the train, val and test folders), `path` (keep all clips of a file
            together) or a column name. Default: `given` if those folders exist, otherwise `path`.
    """

    folder: Path
    column: str = COLUMN
    split_by: str | None = None
    positionals: ClassVar[tuple[str, ...]] = ("folder", "out")

    def run(self) -> None:
        """Build, and print what was built.

        Raises:
            CorpusError: The folder has an unexpected layout.
            BuildError: Clips are bad, or the output is in use.
        """
        self.check()
        manifest = make_manifest(self.folder, self.manifest_path, column=self.column)
        options = replace(self, split_by=self.split_by or ("given" if manifest.has_splits else "path"))
        report = options.build(manifest.path, one_label=[self.column], passed_over=manifest.passed_over)
        print_report(report, text_console())
